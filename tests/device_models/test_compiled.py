"""The compiled engine against Brian2's own code: equal in every bit, whatever the chip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from device_models import Chip, NominalProjection, RecordingRequest, neurons, profiles
from device_models.engine.circuit import Circuit
from device_models.engine.layer_code import Untranslatable
from device_models.engine.model_code import ModelCode
from device_models.nonidealities import by_name, override
from support.paths import tries

pytest.importorskip("numba")
IDEAL = profiles.get("ideal").nonidealities
COMPILED = ("adaptive-lif", "izhikevich", "lif", "lif-alpha", "lif-exp", "loihi")
PLAIN = ("adex", "dpi", "lif-cond-alpha", "lif-cond-exp")
LAYERS, BATCH, STEPS = (7, 13, 9, 4), 5, 12
EACH = np.random.default_rng(9)
CHAIN = [NominalProjection(p, p + 1) for p in range(3)]
GRAPH = [
    NominalProjection(0, 1, EACH.integers(0, 4, (7, 13))),
    NominalProjection(1, 2, 2),
    NominalProjection(2, 3),
    NominalProjection(1, 1, EACH.integers(0, 3, (13, 13))),
    NominalProjection(2, 1),
    NominalProjection(0, 2, 1),
]
SOME = {
    "threshold_cv": 0.2,
    "leak_cv": 0.3,
    "synapse_tau_cv": 0.2,
    "refractory_cv": 0.3,
    "gain_cv": 0.2,
    "reset_sd": 0.05,
    "bias_sd": 0.1,
    "dead_fraction": 0.1,
    "tonic_fraction": 0.1,
    "delay_sd": 2e-3,
    "membrane_noise": 0.1,
    "spike_loss": 0.2,
    "spurious_spikes": 0.05,
    "input_jitter": 1e-3,
    "crosstalk": 0.1,
    "trial_threshold_sd": 0.1,
    "wander": 0.1,
    "adc_bits": 6,
    "adc_gain_cv": 0.1,
    "adc_offset_sd": 0.1,
    "adc_noise": 0.1,
    "adc_after_reset": 1,
}
# Those that other code is made for: compiling takes seconds.
WRITTEN = {"bias_sd", "refractory_cv", "trial_threshold_sd"}


def mapped(
    model: str,
    reset: str | None,
    projections: list[NominalProjection],
    values: dict[str, float],
    parameters: dict[str, float] | None = None,
    **how: Any,
) -> Chip:
    chip = Chip(neurons.get(model), override(IDEAL, values), 5, reset, 1e-3, parameters, **how)
    chip.configure(LAYERS, [4.0] * len(projections), projections=projections)
    rng = np.random.default_rng(2)
    for p, projection in enumerate(projections):
        shape = LAYERS[projection.source], LAYERS[projection.target]
        chip.write(p, rng.normal(0.3, 0.5, shape).astype(np.float32))
    return chip


def drives(kind: str) -> Any:
    rng = np.random.default_rng(4)
    if kind == "spikes":
        return csr_matrix(rng.poisson(0.5, (STEPS * BATCH, LAYERS[0])), dtype=np.float32)
    shape = (BATCH, LAYERS[0]) if kind == "current" else (STEPS, BATCH, LAYERS[0])
    return rng.random(shape).astype(np.float32)


def seen(chip: Chip, kinds: tuple[str, str]) -> list[np.ndarray]:
    """All that can be seen of a run, and of one that carries on with another kind of input."""
    wanted = [RecordingRequest(i, "spikes") for i in range(3)]
    wanted += [RecordingRequest(i, "membrane", every) for i in range(3) for every in (1, 3)]
    reduced = [each._replace(reduce=how) for each in wanted for how in ("mean", "last")]
    asked, found = [*wanted, *reduced], list[np.ndarray]()
    for carry, kind in enumerate(kinds):
        counts, samples = chip.run(drives(kind), STEPS, BATCH, asked, 3 + carry, bool(carry))
        found += [counts, *samples]
        for n, whole in enumerate(samples[: len(wanted)]):
            mean, last = samples[len(wanted) + 2 * n :][:2]
            np.testing.assert_array_equal(mean, whole.mean(axis=0, dtype=np.float32))
            np.testing.assert_array_equal(last, whole[-1])
    return found


def test_which_models_are_compiled() -> None:
    """Those with a function of every step that rounds differently elsewhere are not."""
    assert sorted((*COMPILED, *PLAIN)) == sorted(neurons.names())
    for model in neurons.names():
        circuit = mapped(model, None, CHAIN, {}).circuit
        assert isinstance(circuit, Circuit)
        if model in COMPILED:
            ModelCode(circuit, False)
        else:
            with pytest.raises(Untranslatable):
                ModelCode(circuit, False)


@pytest.mark.parametrize("model", COMPILED)
@given(left_out=st.sets(st.sampled_from(sorted({*SOME} - WRITTEN))), chain=st.booleans())
@settings(max_examples=tries(3, 8), deadline=None)
def test_compiled_equals_plain(model: str, left_out: set[str], chain: bool) -> None:
    kinds = ("current", "spikes") if chain else ("spikes", "trace")
    values = {name: value for name, value in SOME.items() if name not in left_out}
    compare(model, CHAIN if chain else GRAPH, values, kinds, {"t_refractory": 3e-3})


@pytest.mark.parametrize("kinds", [("spikes", "current"), ("trace", "spikes")])
def test_compiled_equals_plain_on_an_ideal_chip(kinds: tuple[str, str]) -> None:
    compare("lif", GRAPH, {}, kinds, {})


def compare(
    model: str,
    graph: list[NominalProjection],
    values: dict[str, float],
    kinds: tuple[str, str],
    parameters: dict[str, float],
) -> None:
    reset = sorted(neurons.get(model).resets)[-1]
    one, other = (
        seen(mapped(model, reset, graph, values, parameters, compiled=compiled), kinds)
        for compiled in (True, False)
    )
    assert one[0].sum() + one[1].sum() + one[2].sum() > 0
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_nonideality_that_a_run_meets_is_among_those_that_are_compared() -> None:
    stored = {*by_name(IDEAL)} - {*vars(IDEAL.programming)}
    conditions = {n for n, f in by_name(IDEAL).items() if f.severity == "fixed"}
    of_cells = {"weight_cv", "dead_cells", "on_cells", "stuck_cells"}
    assert stored - conditions - of_cells == set(SOME) - {"adc_after_reset"}


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_the_number_of_workers_changes_no_bit(workers: int) -> None:
    chips = (mapped("lif", None, GRAPH, SOME, compiled=True, workers=n) for n in (1, workers))
    for a, b in zip(*(seen(chip, ("spikes", "current")) for chip in chips), strict=True):
        np.testing.assert_array_equal(a, b)
