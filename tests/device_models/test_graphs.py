"""Graphs of layers with delays: against plain Brian2, and what a delay and a carry must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from device_models import Chip, NominalProjection, RecordingRequest, neurons, profiles
from device_models.nonidealities import override
from support.paths import tries
from support.plain_brian2 import simulate

STEPS, BATCH, LAYERS = 30, 2, (12, 20, 16, 5)
MISMATCH = {
    "threshold_cv": 0.3,
    "leak_cv": 0.3,
    "synapse_tau_cv": 0.3,
    "refractory_cv": 0.4,
    "gain_cv": 0.2,
    "reset_sd": 0.1,
    "weight_cv": 0.3,
    "bias_sd": 0.1,
    "delay_sd": 2e-3,
    "dead_fraction": 0.1,
    "tonic_fraction": 0.1,
}
NOISE = {
    "membrane_noise": 0.1,
    "spike_loss": 0.1,
    "spurious_spikes": 0.05,
    "input_jitter": 2e-3,
    "trial_threshold_sd": 0.1,
    "adc_noise": 0.1,
}
EACH = np.random.default_rng(9)
# Recurrent, back, past a layer, and two into one layer; the input leads to two layers.
GRAPH = [
    NominalProjection(0, 1),
    NominalProjection(1, 2),
    NominalProjection(2, 3),
    NominalProjection(1, 1),
    NominalProjection(2, 1),
    NominalProjection(1, 3),
    NominalProjection(0, 2),
]
BY_PROJECTION = [
    NominalProjection(p.source, p.target, d)
    for p, d in zip(GRAPH, (2, 0, 3, 1, 0, 5, 4), strict=True)
]
BY_SYNAPSE = [
    NominalProjection(p.source, p.target, EACH.integers(0, 6, (LAYERS[p.source], LAYERS[p.target])))
    for p in GRAPH
]
THERE = [EACH.random((LAYERS[p.source], LAYERS[p.target])) < 0.4 for p in GRAPH]
SPARSE = [
    NominalProjection(
        p.source,
        p.target,
        p.delay[here] if n % 2 else n,  # type: ignore[index]
        *np.argwhere(here).T.astype(np.int32),
    )
    for n, (p, here) in enumerate(zip(BY_SYNAPSE, THERE, strict=True))
]
GRAPHS = {
    "recurrent": GRAPH,
    "by projection": BY_PROJECTION,
    "by synapse": BY_SYNAPSE,
    "sparse": SPARSE,
}


def mapped(
    projections: list[NominalProjection],
    model: str = "lif",
    reset: str | None = None,
    seed: int = 5,
    layers: tuple[int, ...] = LAYERS,
    **values: float,
) -> Chip:
    """A chip with random weights on a grid of 1/64."""
    nonidealities = override(profiles.get("ideal").nonidealities, values)
    chip = Chip(neurons.get(model), nonidealities, seed, reset)
    chip.configure(layers, [4.0] * len(projections), projections=projections)
    rng = np.random.default_rng(seed)
    for p in range(len(projections)):
        shape = chip.crossbars[p].stored.shape
        chip.write(p, (np.rint(64 * rng.normal(0.05, 0.3, shape)) / 64).astype(np.float32))
    return chip


def drives(kind: str, steps: int = STEPS, inputs: int = LAYERS[0]):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(4)
    if kind == "spikes":
        return csr_matrix(rng.random((steps * BATCH, inputs)) < 0.3, dtype=np.float32)
    if kind == "current":
        return (np.rint(64 * rng.random((BATCH, inputs))) / 64 * 0.3).astype(np.float32)
    return rng.random((steps, BATCH, inputs)).astype(np.float32) * 0.3


def observed(chip: Chip, drive, steps: int, carry: bool = False, trial: int = 0):  # type: ignore[no-untyped-def]
    depth = len(chip.circuit.layers)  # type: ignore[union-attr]
    wanted = [RecordingRequest(i, q) for q in ("spikes", "membrane") for i in range(depth)]  # type: ignore[arg-type]
    return chip.run(drive, steps, BATCH, wanted, trial, carry)[1]


CASES = [
    ("lif", "recurrent"),
    ("lif", "by projection"),
    ("lif", "sparse"),
    ("lif-cond-exp", "sparse"),
    *((m, "by synapse") for m in neurons.names()),
]


@pytest.mark.parametrize("kind", ["spikes", "current"])
@pytest.mark.parametrize(("model", "graph"), CASES)
def test_any_graph_equals_plain_brian2_with_mismatch(model: str, graph: str, kind: str) -> None:
    digital = neurons.get(model).update is not None
    mismatch = {"threshold_cv": 0.3, "delay_sd": 2e-3} if digital else MISMATCH
    projections = GRAPHS[graph]
    chip, drive = mapped(projections, model, **mismatch), drives(kind)
    found, spikes, b = observed(chip, drive, STEPS), kind == "spikes", BATCH - 1
    sample = drive[b::BATCH].toarray() if spikes else drive[b].astype(np.float64)
    rasters, _ = simulate(chip, sample, STEPS, spikes=spikes, projections=projections)
    for layer, raster in enumerate(rasters):
        np.testing.assert_array_equal(found[layer][:, b], raster)
    assert sum(raster.sum() for raster in rasters) > 10, "a silent network would prove nothing"


@pytest.mark.parametrize("model", ["lif", "lif-cond-exp"])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_sparse_projection_is_a_dense_one_with_nothing_in_between(
    model: str, compiled: bool
) -> None:
    """To the bit, of a chip with everything: each synapse has what is drawn for its pair."""
    values = {
        **(MISMATCH | NOISE),
        **{"weight_bits": 6, "programming_noise": 0.05, "differential": 1, "drift": 0.1},
        **{"drift_cv": 0.3, "update_asymmetry": 0.1, "crosstalk": 0.1, "dead_cells": 0.1},
    }
    nonidealities = override(profiles.get("ideal").nonidealities, values)
    rng, found = np.random.default_rng(5), []
    chips = [Chip(neurons.get(model), nonidealities, 5, compiled=compiled) for _ in range(2)]
    dense = [
        NominalProjection(p.source, p.target, np.where(here, d.delay, 0) if n % 2 else n)
        for n, (p, d, here) in enumerate(zip(GRAPH, BY_SYNAPSE, THERE, strict=True))
    ]
    for chip, projections in zip(chips, (dense, SPARSE), strict=True):
        chip.configure(LAYERS, [4.0] * len(GRAPH), projections=projections)
    for turn in range(2):
        for p, here in enumerate(THERE):
            matrix = np.where(here, rng.normal(0.05, 0.3, here.shape), 0).astype(np.float32)
            one, other = chips[0].write(p, matrix), chips[1].write(p, matrix[here])
            np.testing.assert_array_equal(one[here], other)
            one, other = (chip.crossbars[p].effective for chip in chips)
            np.testing.assert_array_equal(one[here], other)
        for chip in chips:
            chip.wait(3.0)
        found = [observed(chip, drives("spikes"), STEPS, trial=turn) for chip in chips]
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)
    assert sum(raster.sum() for raster in found[0][:3]) > 10
    found = [observed(chip, drives("trace"), STEPS) for chip in chips]
    for one, other in zip(*found, strict=True):  # sums of currents are taken in another order
        np.testing.assert_allclose(one, other, atol=1e-4)


@given(
    delay=st.integers(0, 12), source=st.integers(0, 1), kind=st.sampled_from(["spikes", "trace"])
)
@settings(max_examples=15, deadline=None)
def test_a_delay_shifts_what_a_relay_hands_on(delay: int, source: int, kind: str) -> None:
    """Neurons joined one to one: what they do with a delay they do without it, later."""
    found = []
    for own in (0, delay):
        ends = [
            NominalProjection(0, 1, own * (source == 0)),
            NominalProjection(1, 2, own * (source == 1)),
        ]
        chip = mapped(ends, layers=(6, 6, 6))
        for p in range(2):
            chip.write(p, np.float32(1.25) * np.eye(6, dtype=np.float32))
        found.append(observed(chip, drives(kind, inputs=6), STEPS)[1])
    assert found[0].sum() > 5
    np.testing.assert_array_equal(found[1][delay:], found[0][: STEPS - delay])
    assert not found[1][:delay].any()


@given(
    cuts=st.lists(st.integers(1, 7), min_size=2, max_size=4),
    kind=st.sampled_from(["spikes", "trace", "current"]),
    graph=st.sampled_from([*GRAPHS]),
    model=st.sampled_from(["lif", "lif-exp", "adaptive-lif"]),
    noisy=st.booleans(),
)
@settings(max_examples=tries(6, 15), deadline=None)
def test_a_run_in_parts_is_one_run(
    cuts: list[int], kind: str, graph: str, model: str, noisy: bool
) -> None:
    """Noise as well, where all parts have the same trial."""
    steps, noise = sum(cuts), NOISE if noisy else {}
    chip, drive = mapped(GRAPHS[graph], model, **MISMATCH, **noise), drives(kind, steps)
    whole, start, shown = observed(chip, drive, steps), 0, []
    for length in cuts:
        rows = slice(start * BATCH, (start + length) * BATCH)
        part = (
            drive
            if kind == "current"
            else drive[rows if kind == "spikes" else slice(start, start + length)]
        )
        kept = part.copy()
        shown.append(observed(chip, kept, length, carry=start > 0))
        (kept.data if kind == "spikes" else kept)[...] = 7  # what is under way is the chip's own
        start += length
    for one, parts in zip(whole, zip(*shown, strict=True), strict=True):
        np.testing.assert_array_equal(one, np.concatenate(parts))


@pytest.mark.parametrize(("first", "then"), [("current", "spikes"), ("spikes", "current")])
def test_what_is_under_way_arrives_in_a_run_of_another_kind(first: str, then: str) -> None:
    """The input comes late by more than the first run lasts, through jitter as well."""
    chip = mapped([NominalProjection(0, 1, 4)], layers=(6, 5), input_jitter=2e-3)
    chip.write(0, np.full((6, 5), 0.5, np.float32))
    nothing = {"spikes": csr_matrix((8 * BATCH, 6), dtype=np.float32), "current": None}
    nothing["current"] = np.zeros((BATCH, 6), np.float32)  # type: ignore[assignment]
    assert not observed(chip, drives(first, 3, 6), 3)[0].any()
    counts = observed(chip, nothing[then], 8, carry=True)[0].sum()
    assert counts > 0
    assert not observed(chip, nothing[then], 8)[0].any(), "a run from reset"


def test_delays_spread_where_there_are_any_and_as_stated() -> None:
    delays = np.repeat([[0], [10]], 4000, axis=1).reshape(2, 4000)
    chip = mapped([NominalProjection(0, 1, delays)], layers=(2, 4000), delay_sd=3e-3)
    found = np.full((2, 4000), -1)
    for path in chip.circuit.projections[0].groups:  # type: ignore[union-attr]
        found.reshape(-1)[path.synapses] = path.delay
    assert np.all(found[0] == 0)
    assert abs(found[1].mean() - 10) < 0.2 and abs(found[1].std() / 3 - 1) < 0.05
    short = mapped([NominalProjection(0, 1, 1)], layers=(2, 4000), delay_sd=3e-3)
    assert min(path.delay for path in short.circuit.projections[0].groups) == 0  # type: ignore[union-attr]
    other = mapped([NominalProjection(0, 1, 10)], layers=(2, 4000), delay_sd=3e-3, seed=6)
    same = mapped([NominalProjection(0, 1, 10)], layers=(2, 4000), delay_sd=3e-3)
    paths = [c.circuit.projections[0].groups[9].synapses for c in (same, other)]  # type: ignore[union-attr]
    assert not np.array_equal(*paths)


@pytest.mark.parametrize("model", ["lif", "lif-cond-exp"])
def test_crosstalk_of_a_delayed_synapse_comes_with_its_own_delay(model: str) -> None:
    delays = np.full((1, 5), 1)
    delays[0, 2] = 3
    chip = mapped([NominalProjection(0, 1, delays)], model, layers=(1, 5), crosstalk=0.25)
    weights = np.zeros((1, 5), np.float32)
    weights[0, 2] = 0.4
    chip.write(0, weights)
    once = csr_matrix(([1.0], ([0], [0])), (8, 1), dtype=np.float32)
    _, [membrane] = chip.run(once, 8, 1, [RecordingRequest(0, "membrane")], 0)
    moved = membrane[:, 0] != 0
    assert moved[:, 2].argmax() == moved[:, 1].argmax() == moved[:, 3].argmax() == 4
    assert not moved[:, [0, 4]].any()
    np.testing.assert_allclose(membrane[4, 0, 1:4] / membrane[4, 0, 2], [0.25, 1, 0.25], rtol=0.02)
