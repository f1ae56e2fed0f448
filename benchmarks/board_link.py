"""Measure a serial line: the share that carries weights, the cost of an update, time of a batch.

    python benchmarks/board_link.py

The board is simulated, on a paced line. A bulk write is a whole matrix of other values. Updates
are those of a training of the digits with the default settings: what each write after them sent,
against what the whole projection would have taken.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from drivers import Network, Probe, Stimulus
from drivers.board.device import Board
from drivers.board.link import Link
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from drivers.board.transport import BITS, PacedLine
from hil.config import build
from hil.loop.controller import Controller
from hil.runs import data as run_data

BAUDS = (115200, 921600)
LAYERS = (64, 200, 10)
BATCH, STEPS = 50, 20


class Counting(SimulatedPort):
    """A port that counts the bytes that go over it, both ways."""

    count = 0

    def write(self, data: bytes) -> None:
        """Count what is sent."""
        self.count += len(data)
        super().write(data)

    def read(self, timeout: float) -> bytes:
        """Count what comes back."""
        found = super().read(timeout)
        self.count += len(found)
        return found


def goodput(baud: int) -> tuple[float, float, float]:
    """Share of bytes, and of the line's time, that were weights, and seconds of a bulk write."""
    port = Counting(SimulatedBoard())
    device = Board(Link(PacedLine(port, baud), "board:simulated", baud))
    device.configure(Network.feed_forward(LAYERS))
    weights = np.random.default_rng(0).normal(size=LAYERS[:2])
    before, began = port.count, time.perf_counter()
    device.write_weights(0, weights)
    seconds = time.perf_counter() - began
    return weights.size / (port.count - before), weights.size * BITS / baud / seconds, seconds


class Weighed(Board):
    """A board that says what share of the whole each write of an update took."""

    def __init__(self, port: Counting) -> None:
        """Open it."""
        super().__init__(Link(port, "board:simulated", BAUDS[0]))
        self._port = port
        self.shares: list[list[float]] = [[], []]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        before = self._port.count
        stored = super()._write(projection, weights)
        self.shares[projection].append((self._port.count - before) / weights.size)
        return stored


def updates(epochs: int) -> list[list[float]]:
    """Bytes for each weight of the writes of a training, by projection; the first ones left out."""
    device = Weighed(Counting(SimulatedBoard()))
    config = build({"task": "digits", "training": {"epochs": epochs}})
    data = run_data.load_for(config)
    controller = Controller.open(config, device, data.spec)
    controller.write()
    rng = np.random.default_rng(0)
    total = epochs * (len(data.y_train) // BATCH)
    for step in range(total):
        rows = rng.choice(len(data.y_train), BATCH, replace=False)
        controller.step(data.batch(data.x_train[rows]), data.y_train[rows], step, step / total)
    return [shares[1:] for shares in device.shares]


def batch(baud: int, probe: Probe) -> float:
    """Seconds of a run of a batch that is read by a probe of the hidden layer."""
    device = Board(Link(PacedLine(SimulatedPort(SimulatedBoard()), baud), "board:simulated", baud))
    device.configure(Network.feed_forward(LAYERS))
    stimulus = Stimulus.current(np.full((BATCH, LAYERS[0]), 0.5), steps=STEPS)
    began = time.perf_counter()
    device.run(stimulus, [probe])
    return time.perf_counter() - began


def main() -> None:
    """Print the tables."""
    print("| bulk write, baud | bytes that are weights | time that is weights | seconds |")
    print("|---|---|---|---|")
    for baud in BAUDS:
        carried, timed, seconds = goodput(baud)
        print(f"| {baud} | {100 * carried:.1f} % | {100 * timed:.1f} % | {seconds:.2f} |")
    print("\n| update of projection | bytes per weight, median | 90th percentile | most |")
    print("|---|---|---|---|")
    for projection, shares in enumerate(updates(30)):
        low, high = np.quantile(shares, (0.5, 0.9))
        print(f"| {projection} | {low:.2f} | {high:.2f} | {max(shares):.2f} |")
    print(f"\n| probe of {LAYERS[1]} neurons, {BATCH} samples | baud | seconds |")
    print("|---|---|---|")
    for name, probe in (
        ("every step", Probe(1)),
        ("every 4th step", Probe(1, every=4)),
        ("mean", Probe(1, reduce="mean")),
    ):
        for baud in BAUDS:
            print(f"| {name} | {baud} | {batch(baud, probe):.2f} |")


if __name__ == "__main__":
    main()
