"""A simulated board, and how many bytes went over its port."""

from __future__ import annotations

from drivers.board.device import Board
from drivers.board.link.link import Link
from drivers.board.simulated.board import SimulatedBoard
from drivers.board.simulated.limits import Limits
from drivers.board.simulated.port import SimulatedPort


class Counting(SimulatedPort):
    """A port to a simulated board that counts what goes over it."""

    def __init__(self, board: SimulatedBoard) -> None:
        super().__init__(board)
        self.out = self.back = 0

    def write(self, data: bytes) -> None:
        self.out += len(data)
        super().write(data)

    def read(self, timeout: float) -> bytes:
        found = super().read(timeout)
        self.back += len(found)
        return found


def board(limits: Limits | None = None, chip: int = 0) -> tuple[Board, Counting, SimulatedBoard]:
    simulated = SimulatedBoard(chip, limits=limits)
    port = Counting(simulated)
    return Board(Link(port, "board:simulated", 115200)), port, simulated
