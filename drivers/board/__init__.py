"""A board on a serial line, spoken to in the protocol of `docs/protocol.md`.

device         the board behind the contract: networks, weights and runs as commands
ports          what follows `board:` in an address, opened; the ports of this machine
hello          what a board says of itself, on the line and in the words of the contract
network_codec  the host's side of a network: populations, projections, delays, trims and weights
run_codec      a run: stimuli, probes and answers as bytes
link           exchanges of a request and an answer, over what gets lost
frames         bytes and frames on the line
transport      serial ports, network ports, and a slower pace on purpose
faults         faults of the line on purpose
simulated_*    the board itself, simulated by this process
"""

from drivers.board.device import Board
from drivers.board.ports import open_link

__all__ = ["Board", "open_link"]
