"""Networks of any graph on a board: recurrence, projections past layers, delays, and what fits."""

from __future__ import annotations

from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers import CapacityError, Network, Probe, Stimulus
from drivers.board.device import Board
from drivers.board.frames import RequestType, Status
from drivers.board.hello import make_hello
from drivers.contract.network import Population, Projection
from support.board_scripts import run_head, wired
from support.firmware_ports import connected, ports
from support.plain_board import board

SIZES = (4, 3, 2)
LONGEST = make_hello().capacity.delay
PROBES = [Probe(layer, what) for layer in (1, 2) for what in ("spikes", "membrane")]


def network(*projections: Projection, sizes: tuple[int, ...] = SIZES) -> Network:
    return Network(sizes[0], tuple(Population(n) for n in sizes[1:]), projections)


@st.composite
def graphs(draw: Any) -> Network:
    """Any projections that reach both layers, each with one delay, with some, or without."""
    pairs = [(s, t) for s in range(3) for t in (1, 2)]
    ends = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=2))
    ends += [(0, t) for t in (1, 2) if t not in [target for _, target in ends]]
    projections = []
    for source, target in ends:
        shape = SIZES[source], SIZES[target]
        delay = draw(st.integers(0, 6) | st.just(None))
        if delay is None:
            rng = np.random.default_rng(draw(st.integers(0, 99)))
            delay = rng.integers(0, draw(st.sampled_from([4, LONGEST])) + 1, shape)
        projections.append(Projection(source, target, 2.0, delay))
    return network(*projections)


def mapped(device: Board, graph: Network, seed: int) -> None:
    device.configure(graph)
    rng = np.random.default_rng(seed)
    for p, shape in enumerate(graph.shapes):
        device.write_weights(p, rng.normal(0.3, 0.5, shape))


def trace(seed: int, steps: int, batch: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(-128, 512, (steps, batch, SIZES[0])) / 256


def stimulus(kind: str, data: Any) -> Stimulus:
    if kind == "trace":
        return Stimulus.current_trace(data)
    return Stimulus.spikes((data > 1).astype(int).reshape(-1, SIZES[0]), steps=len(data))


@settings(max_examples=30)
@given(
    graph=graphs(),
    kind=st.sampled_from(["trace", "spikes"]),
    cut=st.integers(1, 19),
    seed=st.integers(0, 99),
)
def test_events_under_way_are_carried_on(graph: Network, kind: str, cut: int, seed: int) -> None:
    device, _, _ = board(chip=3)
    mapped(device, graph, seed)
    data = trace(seed, 20, 3)
    whole = device.run(stimulus(kind, data), PROBES)
    parts = [
        device.run(stimulus(kind, data[:cut]), PROBES),
        device.run(stimulus(kind, data[cut:]), PROBES, carry=True),
    ]
    np.testing.assert_array_equal(sum(each.counts for each in parts), whole.counts)
    for probe in PROBES:
        shown = np.concatenate([each.samples[probe] for each in parts])
        np.testing.assert_array_equal(shown, whole.samples[probe])
    # A run from reset knows of nothing that was on its way before.
    again = device.run(stimulus(kind, data), PROBES)
    np.testing.assert_array_equal(again.samples[PROBES[3]], whole.samples[PROBES[3]])


@pytest.mark.parametrize("port", ports("native", "mps2", "stm32f405", "pico"))
def test_a_firmware_states_and_runs_what_the_simulated_board_does(port: str) -> None:
    delays = np.arange(6).reshape(3, 2)
    graph = network(
        Projection(0, 1),
        Projection(1, 2, delay=delays),
        Projection(1, 1),
        Projection(0, 2, delay=4),
    )
    found = []
    with connected(port, seed=3) as (running, host):
        host.port.close()
        for address in (running.url, "simulated://?seed=3"):
            with drivers.open(f"board:{address}") as device:
                room = device.info.capacity
                assert room.recurrence and room.skips and room.synapse_delays
                assert room.delay == (
                    15 if port in ("stm32f405", "pico") and not found else LONGEST
                )
                assert isinstance(device, Board)
                mapped(device, graph, 5)
                readouts = [device.run(stimulus("trace", trace(5, 12, 4)), PROBES)]
                readouts += [device.run(stimulus("trace", trace(6, 3, 4)), PROBES, carry=True)]
                found.append(readouts)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours.counts, theirs.counts)
        for probe in PROBES:
            np.testing.assert_array_equal(ours.samples[probe], theirs.samples[probe])


DELAYED = Projection(1, 1, delay=np.zeros((3, 3), np.int64))


@pytest.mark.parametrize(
    ("projections", "slots"),
    [
        ((Projection(0, 1), Projection(1, 2), Projection(2, 1)), 100 // 5),
        ((Projection(0, 1), Projection(1, 2), Projection(2, 1, delay=3)), 100 // 10),
        ((Projection(0, 1, delay=2), Projection(1, 2)), 100 // (5 + 2 * 4)),
        ((Projection(0, 1, delay=2), Projection(1, 2), DELAYED), 100 // (10 + 2 * 4)),
    ],
)
def test_the_host_knows_how_many_samples_are_kept(
    projections: tuple[Projection, ...], slots: int
) -> None:
    device, _, _ = board(make_hello(kept=100))
    mapped(device, network(*projections), 1)
    device.run(stimulus("trace", trace(1, 3, slots)))
    device.run(stimulus("trace", trace(1, 3, slots)), carry=True)
    device.run(stimulus("trace", trace(1, 3, slots + 1)))  # more fit a run, but are not kept
    with pytest.raises(CapacityError, match=f"membranes of {slots} with"):
        device.run(stimulus("trace", trace(1, 3, slots + 1)), carry=True)


def test_a_synapse_with_a_delay_of_its_own_takes_the_room_of_two() -> None:
    device, _, _ = board(make_hello(synapses=12 + 6 + 18))
    chain = Projection(0, 1), Projection(1, 2)
    mapped(device, network(*chain, DELAYED), 1)
    before = device.run(stimulus("trace", trace(1, 9, 2))).counts
    with pytest.raises(CapacityError, match="no room for this"):
        device.configure(network(*chain, DELAYED, Projection(2, 2)))
    np.testing.assert_array_equal(device.run(stimulus("trace", trace(1, 9, 2))).counts, before)


@pytest.mark.parametrize(
    ("kind", "payload", "status"),
    [
        (RequestType.DELAYS, pack("<HIHH", 1, 0, 1, LONGEST - 2), Status.OK),
        (RequestType.DELAYS, pack("<HIHH", 1, 0, 1, LONGEST - 1), Status.VALUE),
        (RequestType.DELAYS, pack("<HIHH", 1, 9, 1, 0), Status.VALUE),
        (RequestType.DELAYS, pack("<HIH", 1, 0, 0), Status.VALUE),
        (RequestType.DELAYS, pack("<HIHB", 1, 0, 1, 0), Status.SIZE),
        (RequestType.DELAYS, pack("<H", 2), Status.VALUE),
        (RequestType.READ, pack("<HBBIH", 1, 1, 0, 0, 9), Status.OK),
        (RequestType.READ, pack("<HBBIH", 1, 1, 0, 1, 9), Status.VALUE),
        (RequestType.READ, pack("<HBBIH", 1, 1, 1, 0, 9), Status.VALUE),
        (RequestType.CRC, pack("<HBB", 1, 1, 0), Status.OK),
        (RequestType.CRC, pack("<HBB", 1, 2, 0), Status.VALUE),
    ],
)
def test_delays_by_synapse_are_within_what_was_told(
    kind: int, payload: bytes, status: Status
) -> None:
    sizes, neurons = [2, 3], [(5000, 65536)]
    graph = wired(sizes, neurons, [(0, 1, 0, 0, 2000), (1, 1, 2, 1, 2000)])
    with connected("sanitized", 0) as (_, host):
        assert host.ask(RequestType.DELAYS, payload, 1).status == Status.NOT_CONFIGURED
        assert host.ask(RequestType.CONFIGURE, graph, 2).status == Status.OK
        found = host.ask(kind, payload, 3)
        assert found.status == status
        if kind == RequestType.READ and status == Status.OK:
            assert found.payload == bytes(18)
        assert host.ask(RequestType.RUN, run_head(0, 3, 1) + bytes(4), 4).status == Status.OK
