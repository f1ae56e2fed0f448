"""The engine against plain Brian2, and the properties a batch of copies must have."""

from __future__ import annotations

import gc
from contextlib import suppress

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from device_models import Chip, RecordingRequest, neurons, profiles
from device_models.nonidealities import override
from support.plain_brian2 import simulate

STEPS, BATCH, LAYERS = 30, 3, (12, 20, 16, 5)
MISMATCH = {
    "threshold_cv": 0.3,
    "leak_cv": 0.3,
    "synapse_tau_cv": 0.3,
    "refractory_cv": 0.4,
    "gain_cv": 0.2,
    "reset_sd": 0.1,
    "weight_cv": 0.3,
    "bias_sd": 0.1,
    "dead_fraction": 0.1,
    "tonic_fraction": 0.1,
}
CASES = [(name, reset) for name in neurons.names() for reset in neurons.get(name).resets]


def mapped(
    model: str = "lif",
    reset: str | None = None,
    seed: int = 5,
    dt: float = 1e-3,
    parameters: dict[str, float] | None = None,
    compiled: bool | None = None,
    **values: float,
) -> tuple[Chip, np.random.Generator]:
    """A chip with random weights on a grid of 1/64."""
    nonidealities = override(profiles.get("ideal").nonidealities, values)
    chip = Chip(neurons.get(model), nonidealities, seed, reset, dt, parameters, compiled=compiled)
    chip.configure(LAYERS, [4.0] * 3)
    rng = np.random.default_rng(seed)
    for p in range(3):
        shape = LAYERS[p : p + 2]
        chip.write(p, (np.rint(64 * rng.normal(0.1, 0.4, shape)) / 64).astype(np.float32))
    return chip, rng


def observe_all(chip: Chip, drive: NDArray[np.float32] | csr_matrix, batch: int, trial: int = 0):  # type: ignore[no-untyped-def]
    wanted = [RecordingRequest(i, q) for q in ("spikes", "membrane") for i in range(3)]  # type: ignore[arg-type]
    counts, found = chip.run(drive, STEPS, batch, wanted, trial)
    return counts, found[:3], found[3:]


@pytest.mark.parametrize("spikes", [False, True], ids=["current", "spikes"])
@pytest.mark.parametrize(("model", "reset"), CASES)
def test_spikes_equal_plain_brian2_with_mismatch(model: str, reset: str, spikes: bool) -> None:
    # In whole numbers a gain that is no whole number would be rounded at each sum.
    digital = neurons.get(model).update is not None
    compare(
        *mapped(model, reset, **({"threshold_cv": 0.3} if digital else MISMATCH)), spikes=spikes
    )


@pytest.mark.parametrize("dt", [1e-4, 5e-4, 2e-3])
@pytest.mark.parametrize("model", ["lif", "lif-exp", "lif-cond-exp", "adaptive-lif"])
def test_any_step_and_a_refractory_time_equal_plain_brian2(model: str, dt: float) -> None:
    refractory = {"t_refractory": 3.1e-3}
    chip, rng = mapped(model, dt=dt, parameters=refractory, compiled=False, **MISMATCH)
    compare(chip, rng, spikes=True)


def compare(chip: Chip, rng: np.random.Generator, *, spikes: bool) -> None:
    """Hold the last sample of a batch on random input against plain Brian2."""
    if spikes:
        raster = rng.random((STEPS, BATCH, LAYERS[0])) < 0.3
        drive: object = csr_matrix(raster.reshape(-1, LAYERS[0]), dtype=np.float32)
        samples = raster.transpose(1, 0, 2)
    else:
        samples = np.rint(64 * rng.random((BATCH, LAYERS[0]))) / 64 * 0.3
        drive = samples.astype(np.float32)
        samples = drive.astype(np.float64)
    counts, rasters, membranes = observe_all(chip, drive, BATCH)  # type: ignore[arg-type]
    swing, b = chip.model.swing, BATCH - 1
    # What the upstroke of a spike makes of the last bits of single precision.
    tolerance = 1e-5 if "lif" in chip.model.name else 1e-4
    true_rasters, true_membranes = simulate(chip, samples[b], STEPS, spikes=spikes)
    for layer in range(3):
        np.testing.assert_array_equal(rasters[layer][:, b], true_rasters[layer])
        np.testing.assert_allclose(
            membranes[layer][:, b] / swing, true_membranes[layer] / swing, tolerance, tolerance
        )
    np.testing.assert_array_equal(counts[b], true_rasters[-1].sum(axis=0))
    fired = sum(raster.sum() for raster in true_rasters)
    assert fired > 10, "a silent network would prove nothing"


def test_batch_equals_single_runs() -> None:
    chip, rng = mapped(**MISMATCH)
    drive = rng.random((BATCH, LAYERS[0])).astype(np.float32) * 0.3
    _, rasters, membranes = observe_all(chip, drive, BATCH)
    for b in range(BATCH):
        _, single, traces = observe_all(chip, drive[b : b + 1], 1)
        for layer in range(3):
            np.testing.assert_array_equal(rasters[layer][:, b], single[layer][:, 0])
            np.testing.assert_allclose(membranes[layer][:, b], traces[layer][:, 0], atol=1e-5)


def test_constant_current_equals_its_trace() -> None:
    chip, rng = mapped(**MISMATCH)
    drive = rng.random((BATCH, LAYERS[0])).astype(np.float32) * 0.3
    constant = observe_all(chip, drive, BATCH)
    traced = observe_all(chip, np.tile(drive, (STEPS, 1, 1)), BATCH)
    np.testing.assert_array_equal(constant[0], traced[0])


def test_stepping_equals_network_run() -> None:
    """The stepper against `Network.run` on the same objects, clock and refractoriness included."""
    import brian2 as b2
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

    from device_models.engine.brian2_network import Stepper

    def build() -> tuple[object, object, object]:
        clock = b2.Clock(dt=1 * b2.ms)
        group = b2.NeuronGroup(
            50,
            "dv/dt = (1.5 + 0.5 * sin(2 * pi * 20 * Hz * t) - v) / tau : 1 (unless refractory)\n"
            "tau : second (constant)",
            threshold="v >= 1",
            reset="v = 0",
            refractory=3 * b2.ms,
            method="euler",
            clock=clock,
            codeobj_class=NumpyCodeObject,
        )
        group.tau = np.linspace(5, 20, 50) * b2.ms
        return b2.Network(group), clock, group

    plain, _, plain_group = build()
    plain.run(80 * b2.ms, namespace={})  # type: ignore[attr-defined]
    network, clock, group = build()
    stepper = Stepper(network, clock)  # type: ignore[arg-type]
    stepper.step(37)
    stepper.step(43)
    assert stepper.step_index == 80
    np.testing.assert_allclose(group.v[:], plain_group.v[:], atol=1e-6)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(
        group.lastspike[:],  # type: ignore[attr-defined]
        plain_group.lastspike[:],  # type: ignore[attr-defined]
    )


def test_membrane_noise_has_the_stated_stationary_spread() -> None:
    chip, _ = mapped(membrane_noise=0.1, leak_cv=0.5)
    silence = np.zeros((400, LAYERS[0]), np.float32)
    _, [membrane] = chip.run(silence, 60, 400, [RecordingRequest(0, "membrane", 60)], trial=3)
    spread = membrane[0].std(axis=0)
    assert np.abs(spread / 0.1 - 1).max() < 0.15  # 400 samples: 3.5 % standard error


def test_membrane_noise_agrees_with_brian2_xi() -> None:
    """Kolmogorov-Smirnov against Brian2's own Wiener term at a fine step."""
    import brian2 as b2
    from scipy.stats import ks_2samp

    b2.prefs.codegen.target = "numpy"
    b2.seed(1)
    group = b2.NeuronGroup(
        4000,
        "dv/dt = (0.8 - v)/(10*ms) + 0.1*sqrt(2/(10*ms))*xi : 1",
        method="euler",
        dt=0.1 * b2.ms,
    )
    b2.Network(group).run(20 * b2.ms, namespace={})
    chip = Chip(
        neurons.get("lif"), override(profiles.get("ideal").nonidealities, {"membrane_noise": 0.1})
    )
    chip.configure([1, 1], [1.0], {"v_threshold": 10.0})
    chip.write(0, np.ones((1, 1), np.float32))
    drive = np.full((1000, 1), 0.08, np.float32)  # 0.08 V per 1 ms over 10 ms is 0.8 V
    ours = np.concatenate(
        [
            chip.run(drive, 20, 1000, [RecordingRequest(0, "membrane", 20)], trial=t)[1][0].ravel()
            for t in range(4)
        ]
    )
    assert ks_2samp(ours, group.v[:]).pvalue > 0.01


def test_trials_differ_and_repeat() -> None:
    chip, rng = mapped(membrane_noise=0.1, spike_loss=0.2, adc_noise=0.1)
    drive = rng.random((BATCH, LAYERS[0])).astype(np.float32) * 0.3
    first, again, other = (observe_all(chip, drive, BATCH, trial) for trial in (1, 1, 2))
    for a, b, c in zip(first[1] + first[2], again[1] + again[2], other[1] + other[2], strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("spikes", [False, True], ids=["hidden", "input"])
def test_spike_loss_drops_the_stated_share(spikes: bool) -> None:
    """One unit in, one out: what arrives of certain events is binomial."""
    chip = Chip(
        neurons.get("lif"), override(profiles.get("ideal").nonidealities, {"spike_loss": 0.25})
    )
    chip.configure([1, 1], [2.0])
    chip.write(0, np.full((1, 1), 1.5 if spikes else 1.2, np.float32))
    if spikes:
        drive: object = csr_matrix(np.ones((40 * 500, 1), np.float32))
    else:
        drive = np.ones((500, 1), np.float32)
    counts, [seen] = chip.run(drive, 40, 500, [RecordingRequest(0, "spikes")], trial=0)  # type: ignore[arg-type]
    np.testing.assert_array_equal(counts[:, 0], seen.sum(axis=0)[:, 0])
    if not spikes:
        # A membrane that gains more than it can lose fires at every step.
        assert abs(counts.mean() / 40 - 0.75) < 0.02
    else:
        # Of the 39 input events that can act, three quarters arrive; three quarters of the
        # spikes they cause get out.
        lossless = 39 * 0.75 * 0.75
        assert abs(counts.mean() / lossless - 1) < 0.25


def test_a_chip_whose_building_is_stopped_says_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    def build() -> None:
        chip = Chip(
            neurons.get("lif"), profiles.get("mixed-signal").nonidealities, 1, compiled=False
        )
        chip.configure([4, 3], full_scale=[1.0])
        with suppress(KeyboardInterrupt):
            chip.run(np.ones((1, 4), np.float32), steps=2, batch=1, requests=[])
            told.append("it was not stopped")

    monkeypatch.setattr("device_models.engine.brian2_engine.Stepper", stopped)
    monkeypatch.setattr("brian2.core.base.logger.warn", lambda text, **_: told.append(text))
    build()
    gc.collect()  # what was built goes away unused
    assert told == []


@pytest.mark.parametrize("compiled", [False, None])
def test_no_network_has_the_garbage_of_the_process_collected(compiled: bool | None) -> None:
    """Which would take the longer the more the process holds."""
    collections = []
    gc.disable()  # none but what is asked for
    gc.callbacks.append(lambda phase, _: collections.append(phase))
    try:
        chip = Chip(neurons.get("lif"), profiles.get("ideal").nonidealities, 1, compiled=compiled)
        chip.configure((4, 3), [1.0])
        chip.run(np.ones((2, 4), np.float32), 5, 2, [], 0)
    finally:
        gc.callbacks.pop()
        gc.enable()
    assert collections == []
