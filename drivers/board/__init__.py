"""A board on a serial line, spoken to in the protocol of `docs/protocol.md`.

device       the board behind the contract: networks, weights and runs as commands
address      what follows `board:` in an address, opened
scan         the serial ports of this machine, and which of them answer
network_codec  the host's side of a network: populations, projections, delays and trims
run_codec    the host's side of a run: stimuli, probes and answers as bytes
deltas       which weights have to be sent
hello        what a board says of itself
statement    what it states thereby, in the words of the contract
link/        bytes, frames and exchanges on the line; faults and a slower pace on purpose
simulated/   the board itself, simulated by this process
"""

from drivers.board.address import open_link
from drivers.board.device import Board

__all__ = ["Board", "open_link"]
