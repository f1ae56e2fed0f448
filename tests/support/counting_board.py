"""A simulated board, and how many bytes went over its port."""

from __future__ import annotations

from drivers.board.device import Board
from drivers.board.hello import SIMULATED, Hello
from drivers.board.link import Link
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort


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


def board(hello: Hello = SIMULATED, chip: int = 0) -> tuple[Board, Counting, SimulatedBoard]:
    simulated = SimulatedBoard(chip, hello=hello)
    port = Counting(simulated)
    return Board(Link(port, "board:simulated", 115200)), port, simulated
