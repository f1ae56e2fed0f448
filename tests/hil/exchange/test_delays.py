"""Delays of models of NIR: what they become, what a device cannot have, and what is written."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import drivers
from drivers import FileFormatError, Stimulus
from hil.exchange import model, nir_file, nir_writing
from support.nir_models import DT, affine, chain, lif, linear, rasters_on_device

Array = NDArray[Any]


def late(steps: Any) -> Any:
    return nir.Delay(np.asarray(steps, float) * DT)


def placed(path: Path, address: str = "emulator:ideal", bias: float = 0.0) -> model.PlacedModel:
    with drivers.open(address) as device:
        source = model.NetworkInput(False, bias)
        return model.place_model(model.read_model(str(path)), device.info, source, assumed=0.9)


def branches(path: Path, ways: Sequence[Sequence[Any]], loop: Sequence[Sequence[Any]] = ()) -> Path:
    """Write ways from an input to neurons, from these to themselves, and three neurons more."""
    n = ways[0][-1].output_type["output"][0]
    width = ways[0][0].input_type["input"]
    nodes = {"input": nir.Input({"input": width}), "lif": lif(n), "fc": linear(np.eye(n, 3) * 1.2)}
    nodes |= {"out": lif(3), "output": nir.Output({"output": np.array([3])})}
    edges = [("lif", "fc"), ("fc", "out"), ("out", "output")]
    for source, group in (("input", ways), ("lif", loop)):
        for k, way in enumerate(group):
            inside = {f"{source}{k}{m}": node for m, node in enumerate(way)}
            nodes |= inside
            edges += pairwise([source, *inside, "lif"])
    nir.write(path, nir.NIRGraph(nodes, edges, metadata={"dt": DT}))
    return path


def rasters_of_equations(graph: Any, shown: Array, fine: int = 20) -> list[NDArray[np.float64]]:
    """Integrate the equations of a graph of Linear, Delay and LIF by Euler, `DT / fine` a step.

    A spike is an input of 1 that lasts `DT`; before the start there was nothing.

    Args:
        graph: The graph.
        shown: `(T, B, n)`.
        fine: Steps of the integration in one of `DT`.

    Returns:
        Spikes of each layer, in the order of the nodes, `(T, B, n_l)`.
    """
    steps, batch, _ = shown.shape
    nodes, h = graph.nodes, DT / fine
    before = {name: [a for a, b in graph.edges if b == name] for name in nodes}
    cells = [name for name, node in nodes.items() if isinstance(node, nir.LIF)]
    sizes = {name: (batch, len(nodes[name].tau)) for name in cells}
    v, on = ({name: np.zeros(sizes[name]) for name in cells} for _ in range(2))
    fired = {name: np.zeros((fine, *sizes[name])) for name in cells}
    rasters = {name: np.zeros((steps, *sizes[name])) for name in cells}
    passed: dict[str, list[Array]] = {name: [] for name in nodes}

    def value(name: str, x: Array) -> Array:
        node = nodes[name]
        if isinstance(node, nir.Input):
            return x
        if name in on:
            return on[name].copy()
        (source,) = before[name]
        entered = value(source, x)
        if isinstance(node, nir.Delay):
            passed[name].append(entered)
            ages = np.round(node.delay / h).astype(int)
            columns = [
                passed[name][-1 - age][:, j] if age < len(passed[name]) else np.zeros(batch)
                for j, age in enumerate(ages)
            ]
            return np.stack(columns, axis=1)
        return np.asarray(entered @ node.weight.T + getattr(node, "bias", 0.0))

    for at in range(steps * fine):
        step = at // fine
        arriving = {c: sum(value(s, shown[step]) for s in before[c]) for c in cells}
        for name in cells:
            node = nodes[name]
            v[name] += h / node.tau * (node.v_leak - v[name] + node.r * arriving[name])
            z = v[name] > node.v_threshold
            v[name][z] = 0
            rasters[name][step] += z
            on[name] += z - fired[name][at % fine]
            fired[name][at % fine] = z
    return list(rasters.values())


def alike(path: Path, shown: Array) -> None:
    """On an ideal chip each neuron has fired as often as by the equations, at every moment."""
    stimulus = Stimulus.spikes(shown.reshape(-1, shown.shape[-1]), steps=len(shown))
    ours = rasters_on_device(path, "emulator:ideal", stimulus)
    graph = nir.read(path, type_check=False)
    theirs, at_once = (rasters_of_equations(g, shown) for g in (graph, without_delays(graph)))
    for depth, (one, other, early) in enumerate(zip(ours, theirs, at_once, strict=True)):
        # What a device does once a step is late by up to a step, layer by layer.
        assert np.abs(np.cumsum(one - other, axis=0)).max() <= depth + 1.01
        assert np.abs(np.cumsum(early - other, axis=0)).max() >= 3


def without_delays(graph: Any) -> Any:
    nodes = {
        name: nir.Delay(0 * node.delay) if isinstance(node, nir.Delay) else node
        for name, node in graph.nodes.items()
    }
    return nir.NIRGraph(nodes, graph.edges, type_check=False)


def shown_spikes(rng: np.random.Generator, n: int, steps: int = 60, batch: int = 4) -> Array:
    """Bursts of each channel at other times, so that it counts when they come."""
    when = np.arange(steps)[:, None, None]
    begin = rng.integers(0, steps // 2, (batch, n))
    return ((when >= begin) & (when < begin + 12) & (rng.random((steps, batch, n)) < 0.8)) * 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_delays_before_and_after_weights_are_those_of_the_equations(
    tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.abs(rng.normal(size=(5, 8))) * 0.16, np.abs(rng.normal(size=(8, 3))) * 0.24
    nodes = [late(rng.integers(0, 9, 5)), linear(a), late(rng.integers(0, 9, 8)), lif(8)]
    more = [late(rng.integers(0, 15, 8)), linear(b), late([1, 0, 7]), lif(3)]
    alike(chain(tmp_path / "m.nir", *nodes, *more), shown_spikes(rng, 5))


@pytest.mark.parametrize("seed", [1, 2])
def test_each_way_has_its_own_delay_and_so_has_what_comes_back(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, back = np.abs(rng.normal(size=(5, 6))) * 0.13, rng.normal(size=(6, 6)) * 0.25
    which, steps = rng.integers(0, 3, a.shape), (2, 0, 11)
    ways = [[late([d] * 5), linear(a * (which == k))] for k, d in enumerate(steps)]
    path = branches(tmp_path / "m.nir", ways, [[linear(back), late(rng.integers(3, 9, 6))]])
    alike(path, shown_spikes(rng, 5))
    found = placed(path)
    assert np.array_equal(found.delays[0], np.array(steps)[which])
    assert found.delays[1] == 0


STEPS = st.integers(0, 120)


@given(st.data())
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_delays_in_a_row_are_added(tmp_path: Path, data: st.DataObject) -> None:
    """Of channels before the weights, of neurons after them; in seconds, then rounded."""
    n, m = 3, 4
    before = data.draw(st.lists(st.lists(STEPS, min_size=n, max_size=n), max_size=2))
    after = data.draw(st.lists(st.lists(STEPS, min_size=m, max_size=m), max_size=2))
    part = data.draw(st.sampled_from([0.0, 0.3, -0.3]))
    scale = nir.Scale(np.full(n, 2.0))
    nodes = [*map(late, before), scale, linear(np.ones((n, m))), *map(late, after)]
    if before:
        nodes[0] = late(np.array(before[0]) + max(part, -min(before[0])))
    path = chain(tmp_path / "m.nir", *nodes, lif(m))
    wanted = sum(map(np.array, before), np.zeros(n, int))[:, None]
    wanted = wanted + sum(map(np.array, after), np.zeros(m, int))
    if wanted.max() > 256:
        with pytest.raises(nir_file.NirRefusal, match=rf"{wanted.max()} steps .* up to 256"):
            placed(path)
        return
    found = placed(path)
    assert np.array_equal(np.broadcast_to(found.delays[0], (n, m)), wanted)
    told = [note for note in found.notes if note.kind == "rounded"]
    assert len(told) == bool(before and part and max(part, -min(before[0])))


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_read(tmp_path: Path, data: st.DataObject) -> None:
    """One delay, one of each source and of each target, or one of each synapse; with a bias or not.

    The channel that is always on is the last one of the source.
    """
    n, m, few = 4, 3, st.integers(0, 5)
    bias = data.draw(st.sampled_from([0.0, 0.5]))
    columns, rows = (data.draw(st.lists(few, min_size=k, max_size=k)) for k in (n, m))
    kinds = [np.full((n, m), columns[0]), np.add.outer(columns, rows)]
    kinds.append(np.array(data.draw(st.lists(few, min_size=n * m, max_size=n * m))).reshape(n, m))
    first, back = (data.draw(st.sampled_from(kinds)) for _ in range(2))
    wanted = [first, 0, back[:m]]
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.1, 1, s).astype(np.float32) for s in ((n, m), (m, 2), (m, m))]
    nominal = nir_writing.ExportedNeurons(DT, 0.9, 1.0, None, [True, True], False, bias)
    nir_writing.write_network(
        tmp_path / "m.nir", weights, wanted, nominal, {"encoding": {}, "steps": 9}
    )
    graph = nir.read(tmp_path / "m.nir")  # checks that each node fits the next
    one_matrix = first is not kinds[2] and not bias
    assert not one_matrix or [b for a, b in graph.edges if b.startswith("linear_1")] == ["linear_1"]
    found = placed(tmp_path / "m.nir", bias=bias)
    for one, other, matrix, placed_one in zip(
        found.delays, wanted, weights, found.weights, strict=True
    ):
        assert np.array_equal(
            np.broadcast_to(one, matrix.shape), np.broadcast_to(other, matrix.shape)
        )
        np.testing.assert_allclose(placed_one, matrix, rtol=1e-6)


def test_a_bias_begins_as_late_as_what_it_is_added_to(tmp_path: Path) -> None:
    w, bias = np.ones((3, 2)), np.array([0.5, 0.0])
    nodes = [affine(w, bias), late([4, 9]), lif(2), linear(np.eye(2)), lif(2)]
    found = placed(chain(tmp_path / "m.nir", *nodes), bias=1.0)
    assert np.array_equal(found.delays[0], [[4, 9]] * 4)
    nodes[:2] = [late([4, 4, 4]), affine(w, bias)]
    found = placed(chain(tmp_path / "m.nir", *nodes), bias=1.0)
    assert np.array_equal(found.delays[0], [[4, 4]] * 3 + [[0, 0]])
    # Of a later layer it comes from one more neuron.
    nodes = [linear(w), lif(2), affine(np.eye(2), bias), late([4, 9]), lif(2)]
    found = placed(chain(tmp_path / "m.nir", *nodes), bias=1.0)
    assert found.delays[0] == 0 and np.array_equal(found.delays[1], [[4, 9]] * 3)


def test_where_a_device_takes_one_delay_all_synapses_with_weights_have_to_have_it(
    tmp_path: Path,
) -> None:
    with drivers.open("emulator:ideal") as device:
        room = replace(device.info.capacity, synapse_delays=False, delay=9)
    sparse = np.array([[0.5, 0.5], [0.0, 0.0]])
    found = model.read_model(str(chain(tmp_path / "m.nir", late([7, 20]), linear(sparse), lif(2))))
    assert model.place_delays(found, [sparse.astype(np.float32)], room) == [7]
    with pytest.raises(
        nir_file.NirRefusal, match=r"delay0 \(Delay\): 0.02 s, and shorter .* one for"
    ):
        model.place_delays(found, [np.ones((2, 2), np.float32)], replace(room, delay=20))
    with pytest.raises(nir_file.NirRefusal, match=r"0.02 s are 20 steps of 0.001 s, .* has none"):
        model.place_delays(found, [np.ones((2, 2), np.float32)], replace(room, delay=0))


W = np.full((3, 2), 0.5)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([late([1, -1, 0]), linear(W)], "delay0.delay: -0.001 s: a delay is 0 s or longer"),
        ([late([1, np.nan, 0]), linear(W)], "delay0.delay: holds what is no finite number"),
        ([late([1, np.inf, 0]), linear(W)], "delay0.delay: holds what is no finite number"),
        ([late([0, 1e9, 0]), linear(W)], "delay0 (Delay): up to 1e+06 s are 1000000000 steps"),
        ([late([1, 2]), linear(W)], "delay0.delay: of shape (2,): give one number, or one for"),
        ([late(np.ones((0,))), linear(W)], "delay0.delay: of shape (0,): give one number"),
        (
            [linear(W), late([1, 2]), linear(np.eye(2))],
            "linear2: mixes channels that delay1 (Delay) delays differently: give delays",
        ),
        ([linear(W), late([1, 2]), lif(2), late([1, 1])], "delay3 (Delay): leads to the output"),
    ],
)
def test_what_no_delay_is_and_no_synapse_has(tmp_path: Path, nodes: Any, words: str) -> None:
    more = [] if len(nodes) > 3 else [lif(2)]
    path = unchecked(tmp_path / "m.nir", *nodes, *more)
    with pytest.raises(FileFormatError) as error:
        model.read_model(str(path))
    said = str(error.value)
    assert said.startswith(f"{path}: {words}") and "\n" not in said


def unchecked(path: Path, *nodes: Any) -> Path:
    """A chain whose nodes need not fit each other."""
    named = {"input": nir.Input({"input": np.array([3])})}
    named |= {f"{type(node).__name__.lower()}{k}": node for k, node in enumerate(nodes)}
    named["output"] = nir.Output({"output": np.array([2])})
    graph = nir.NIRGraph(named, list(pairwise(named)), metadata={"dt": DT}, type_check=False)
    nir.write(path, graph)
    return path


def test_a_synapse_has_one_delay(tmp_path: Path) -> None:
    half = W * [1, 0]
    same = branches(
        tmp_path / "same.nir", [[late([5] * 3), linear(half)], [linear(W), late([5, 2])]]
    )
    found = placed(same)
    assert np.array_equal(found.delays[0], [[5, 2]] * 3)
    weights = model.read_model(str(same)).layers[0].synapses.weights
    assert np.array_equal(weights, W + half)
    apart = branches(tmp_path / "m.nir", [[late([5] * 3), linear(W)], [linear(half)]])
    with pytest.raises(FileFormatError, match="input10: leads to a neuron from where another way"):
        model.read_model(str(apart))


def test_delays_of_a_vast_input_take_no_memory(tmp_path: Path) -> None:
    named = {
        "input": nir.Input({"input": np.array([2**31])}),
        "late": nir.Delay(np.ones(1)),
        "scale": nir.Scale(np.ones(1)),
        "lif": lif(2),
        "output": nir.Output({"output": np.array([2])}),
    }
    graph = nir.NIRGraph(named, list(pairwise(named)), metadata={"dt": DT}, type_check=False)
    nir.write(tmp_path / "m.nir", graph)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="2147483648 channels lead to neurons without"):
        model.read_model(str(tmp_path / "m.nir"))
    assert tracemalloc.get_traced_memory()[1] < 1e9  # one number for each channel is more
    tracemalloc.stop()
