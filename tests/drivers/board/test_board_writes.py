"""What a board is sent when weights are written: what changed, or all where that is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import LinkError, Network, Probe, Stimulus
from drivers.board import network_codec
from drivers.board.device import Board
from drivers.board.frames import Frame, RequestType
from drivers.board.hello import make_hello
from drivers.board.link import Link
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from support.paths import tries
from support.plain_board import board

SEED = st.integers(0, 2**32 - 1)
CELLS = st.lists(st.booleans(), min_size=1, max_size=40)


def cheapest(changed: list[bool]) -> int:
    """Fewest bytes of runs that cover all changed cells, by trying all ways."""
    best = [0]
    for stop in range(1, len(changed) + 1):
        options = [best[start] + 6 + stop - start for start in range(stop)]
        if not changed[stop - 1]:
            options.append(best[stop - 1])
        best.append(min(options))
    return best[-1]


@pytest.mark.parametrize("between", range(4, 11))
def test_two_cells_share_a_run_where_that_is_cheaper(between: int) -> None:
    changed = [True, *[False] * between, True]
    runs = network_codec.find_changed_runs(
        np.zeros(len(changed), np.int8), np.array(changed, np.int8)
    )
    assert sum(stop - first + 6 for first, stop in runs) == cheapest(changed)


@settings(max_examples=tries(40, 100))
@given(CELLS, st.integers(16, 60))
def test_a_delta_is_right_and_the_cheapest(changed: list[bool], room: int) -> None:
    held = np.zeros(len(changed), np.int8)
    wanted = np.array(changed, np.int8) * 3
    payloads = list(network_codec.encode_writes(1, held, wanted, room))
    cost = sum(stop - first + 6 for first, stop in network_codec.find_changed_runs(held, wanted))
    assert cost == cheapest(changed)
    for payload, cells in payloads:
        assert 9 <= len(payload) <= room and payload[:2] == b"\1\0"
        at, seen = 2, 0
        while at < len(payload):
            first = int.from_bytes(payload[at : at + 4], "little")
            count = int.from_bytes(payload[at + 4 : at + 6], "little")
            held[first : first + count] = np.frombuffer(payload, np.int8, count, at + 6)
            at, seen = at + 6 + count, seen + count
        assert at == len(payload) and seen == cells
    np.testing.assert_array_equal(held, wanted)


@settings(max_examples=tries(25, 100))
@given(seed=SEED, share=st.floats(0, 1))
def test_what_the_board_holds_is_what_was_written(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    device, port, _ = board(make_hello(payload=int(rng.integers(60, 300))))
    device.configure(Network.feed_forward((7, 31), (1.5,)))
    weights = rng.normal(size=(7, 31))
    for _ in range(3):
        stored = device.write_weights(0, weights)
        np.testing.assert_array_equal(device.write_weights(0, stored), stored)
        # Read behind the driver's back, over a link of its own.
        link = Link(port, "second", 115200)
        cells = b"".join(
            link.exchange(RequestType.READ, bytes(4) + at.to_bytes(4, "little") + b"\7\0")
            for at in range(0, 217, 7)
        )
        np.testing.assert_allclose(
            np.frombuffer(cells, np.int8).reshape(7, 31) * (1.5 / 127), stored, rtol=1e-5
        )
        weights = np.where(rng.random((7, 31)) < share, rng.normal(size=(7, 31)), weights)


def test_a_bulk_write_is_weights_and_little_else() -> None:
    for limits in (make_hello(), make_hello(payload=4096), make_hello(payload=1024)):
        device, port, _ = board(limits)
        device.configure(Network.feed_forward((200, 300)))
        before = port.out + port.back
        device.write_weights(0, np.random.default_rng(0).normal(size=(200, 300)))
        assert 60_000 / (port.out + port.back - before) >= 0.9
        assert device.transfer_bytes == port.out + port.back


@pytest.mark.parametrize(("share", "most"), [(0.0, 0.0), (0.01, 0.1), (0.06, 0.5), (0.3, 1.01)])
def test_what_did_not_change_is_not_sent(share: float, most: float) -> None:
    rng = np.random.default_rng(0)
    device, port, _ = board()
    device.configure(Network.feed_forward((64, 200)))
    weights = rng.normal(size=(64, 200)).clip(-0.9, 0.9)
    before = port.out
    device.write_weights(0, weights)
    whole, before = port.out - before, port.out
    device.write_weights(0, weights + 0.02 * (rng.random((64, 200)) < share))
    assert port.out - before <= most * whole


def test_weights_changed_behind_the_drivers_back_are_restored() -> None:
    device, port, _ = board()
    device.configure(Network.feed_forward((5, 4), (1.0,)))
    device.write_weights(0, np.ones((5, 4)))
    other = Link(port, "other", 115200)
    other.exchange(
        RequestType.WRITE, bytes(2) + (3).to_bytes(4, "little") + b"\2\0" + bytes([9, 9])
    )
    device.write_weights(0, np.full((5, 4), 0.5))
    rate = device.run(Stimulus.current(np.ones((1, 5)), steps=10), [Probe(1)]).samples[Probe(1)]
    assert np.ptp(rate, axis=2).max() == 0


@pytest.mark.parametrize("times", [1, 10**6])
def test_cells_that_a_board_gets_wrong_are_written_again(times: int) -> None:
    class Worn(SimulatedPort):
        """A board whose second cell turns to 5 after each of some writes."""

        left = times

        def write(self, data: bytes) -> None:
            super().write(data)
            if len(data) > 20 and self.left:
                self.left -= 1
                payload = bytes(2) + (1).to_bytes(4, "little") + b"\1\0\5"
                super().write(Frame(RequestType.WRITE, 255, payload).encode())

    port = Worn(SimulatedBoard(0))
    device = Board(Link(port, "board:worn", 115200))
    device.configure(Network.feed_forward((5, 4), (1.0,)))
    if times > 1:
        with pytest.raises(LinkError, match="memory of the board"):
            device.write_weights(0, np.ones((5, 4)))
        return
    device.write_weights(0, np.ones((5, 4)))
    seen = device.run(Stimulus.current(np.ones((1, 5)), steps=10), [Probe(1)]).samples[Probe(1)]
    assert np.ptp(seen, axis=2).max() == 0
