from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from hil.extensions import Trust
from hil.learning import Estimator, LayerReading, RateEstimate, rate_estimators
from hil.learning.nominal_neuron import NominalNeuron, integrate_held_current
from hil.learning.rate_estimators import fused, get
from hil.learning.rate_estimators.fused import FLOOR, MISMATCH

Matrix = NDArray[np.float32]
Reset = Literal["soft", "hard"]
ARRIVAL: Any = {False: "same_step", True: "end_of_step"}

SAMPLES = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.floats(-4, 4, width=32),
)


def as_it_is(reading: LayerReading) -> RateEstimate:
    assert reading.mean is not None
    return RateEstimate(reading.mean, reading.mean, reading.doubt)


identity = Estimator("identity", "mean", as_it_is, target=0.2)
not_an_estimator = 3


def reading_of(
    samples: Matrix,
    drive: Matrix | None = None,
    neuron: NominalNeuron | None = None,
    sampled: Literal["before_reset", "after_reset"] = "before_reset",
) -> LayerReading:
    """All that could be known of a layer: its samples `(S, B, n)` and drive `(T, B, n)`."""
    nothing = np.zeros(samples.shape[1:], np.float32)
    return LayerReading(
        neuron=neuron or NominalNeuron(0.9, steps=len(samples)),
        sampled=sampled,
        every=1,
        mean=samples.mean(axis=0),
        samples=samples,
        last=samples[-1],
        drive=nothing if drive is None else drive.mean(axis=0),
        spread=nothing if drive is None else drive.std(axis=0),
        doubt=nothing,
        drive_trace=drive,
    )


def crossings(samples: Matrix) -> Matrix:
    return rate_estimators.get("crossings").estimate(reading_of(samples)).rate


def simulated(
    drive: Matrix, decay: float, reset: Reset, late: bool = False
) -> tuple[Matrix, Matrix, Matrix]:
    """Membranes before and after the reset, and spikes, `(T, B, n)`, neuron by neuron."""
    before, after, spikes = (np.zeros_like(drive) for _ in range(3))
    for index in np.ndindex(*drive.shape[1:]):
        v = np.float32(0)
        for t in range(len(drive)):
            x = drive[(t, *index)]
            u = np.float32(decay) * v + (np.float32(0) if late else x)
            fired = u >= 1
            v = u + x if late else u
            if fired:
                v = v - 1 if reset == "soft" else np.float32(0)
            before[(t, *index)], after[(t, *index)], spikes[(t, *index)] = u, v, fired
    return before, after, spikes


def lif(drive: Matrix, decay: float, reset: Reset) -> tuple[Matrix, NDArray[np.int64]]:
    """Membranes before the reset, and spike counts, of ideal neurons driven by `(T, B, n)`."""
    v = np.zeros(drive.shape[1:], np.float32)
    membranes, counts = np.empty_like(drive), np.zeros(v.shape, np.int64)
    for t, current in enumerate(drive):
        membranes[t] = np.float32(decay) * v + current
        for index in np.ndindex(*v.shape):
            v[index] = membranes[t][index]
            if v[index] >= 1:
                counts[index] += 1
                v[index] = 0 if reset == "hard" else v[index] - 1
    return membranes, counts


@pytest.mark.parametrize("reset", ["soft", "hard"])
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 30),
    decay=st.floats(0.1, 1),
    strength=st.floats(0.1, 2),
)
def test_crossings_of_every_step_are_the_spikes_of_an_ideal_neuron(
    reset: Reset, seed: int, steps: int, decay: float, strength: float
) -> None:
    drive = np.random.default_rng(seed).normal(0.1, strength, (steps, 2, 3)).astype(np.float32)
    membranes, counts = lif(drive, decay, reset)
    found = crossings(membranes)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, counts.astype(np.float32) / np.float32(steps))


def test_crossings_of_every_fourth_step_are_near() -> None:
    drive = np.random.default_rng(0).normal(0.3, 0.3, (400, 4, 50)).astype(np.float32)
    membranes, counts = lif(drive, 0.9, "soft")
    sparse = membranes[3::4]
    found = crossings(sparse)
    assert np.abs(found - counts / 400).max() < 0.15
    assert found.mean() == pytest.approx(counts.mean() / 400, abs=0.01)


@pytest.mark.parametrize("length", [1, 255, 256, 257, 600])
def test_crossings_count_runs_of_any_length(length: int) -> None:
    samples = np.zeros((length, 1, 3), np.float32)
    samples[:, 0, 0] = 1
    samples[length // 2 :, 0, 1] = 1
    found = crossings(samples)
    expected = np.array([[1, (length - length // 2) / length, 0]], np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(samples=SAMPLES, seed=st.integers(0, 2**32 - 1))
def test_crossings_are_shares_in_any_order(samples: Matrix, seed: int) -> None:
    found = crossings(samples)
    assert found.shape == samples.shape[1:]
    assert ((found >= 0) & (found <= 1)).all()
    shuffled = np.random.default_rng(seed).permutation(samples)
    np.testing.assert_array_equal(crossings(shuffled), found)
    strided = np.ascontiguousarray(samples.transpose(2, 1, 0)).transpose(2, 1, 0)
    np.testing.assert_array_equal(crossings(strided), found)


@given(samples=SAMPLES)
def test_rectified_reads_only_the_mean(samples: Matrix) -> None:
    mean = samples.mean(axis=0)
    unread = reading_of(np.full_like(samples, np.nan))
    found = rate_estimators.get("rectified").estimate(replace(unread, mean=mean)).rate
    np.testing.assert_array_equal(found, np.where(mean > 0, mean, 0))
    assert found.dtype == np.float32


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("sampled", ["before_reset", "after_reset"])
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(2, 40), decay=st.floats(0.3, 0.99))
def test_charge_balances_but_for_the_last_membrane(
    late: bool,
    reset: Reset,
    sampled: Literal["before_reset", "after_reset"],
    seed: int,
    steps: int,
    decay: float,
) -> None:
    rng = np.random.default_rng(seed)
    level = rng.uniform(0, 0.8, (1, 2, 3))
    drive = (level + rng.normal(0, 0.1, (steps, 2, 3))).astype(np.float32)
    before, after, spikes = simulated(drive, decay, reset, late)
    neuron = NominalNeuron(decay, reset, ARRIVAL[late], steps=steps)
    seen = before if sampled == "before_reset" else after
    found = rate_estimators.get("balance").estimate(reading_of(seen, drive, neuron, sampled))
    # Each spike takes one threshold, and of a hard reset all; what is left at the end is not known.
    slack = (np.abs(after[-1] - after.mean(axis=0)) + 1e-3) / steps / min(decay, 1 - 1 / steps)
    taken = spikes if reset == "soft" else spikes * (before + drive * late)
    expected = np.clip(taken.mean(axis=0), 0, 1)
    if reset == "soft":
        assert (np.abs(found.rate - expected) <= slack + 1e-4).all()
    else:
        assert (
            found.rate <= expected + slack + 1e-4
        ).all()  # what exceeds the threshold is no spike
    np.testing.assert_array_less(np.abs(found.membrane - before.mean(axis=0)), slack * 3 + 1e-4)


@pytest.mark.parametrize("reset", ["soft", "hard"])
@given(seed=st.integers(0, 2**32 - 1), decay=st.floats(0.3, 0.99))
def test_spikes_are_told_from_samples_after_the_reset(
    reset: Reset, seed: int, decay: float
) -> None:
    drive = np.random.default_rng(seed).uniform(0, 0.9, (25, 2, 3)).astype(np.float32)
    _, after, spikes = simulated(drive, decay, reset)
    neuron = NominalNeuron(decay, reset, steps=25)
    found = rate_estimators.get("reconstruction").estimate(
        reading_of(after, drive, neuron, "after_reset")
    )
    assert found.spikes is not None
    np.testing.assert_array_equal(found.spikes, spikes)


# Where a hard reset clears events at the end of a step, balance is an upper bound alone.
CLOSE = [
    (name, reset, late)
    for name in ("drive", "fused", "fused_last", "balance")
    for reset in ("soft", "hard")
    for late in (False, True)
    if (name, reset, late) != ("balance", "hard", True)
]


@pytest.mark.parametrize(("name", "reset", "late"), CLOSE)
@pytest.mark.parametrize("sampled", ["before_reset", "after_reset"])
def test_rates_of_mismatched_neurons_are_close(
    name: str, sampled: Literal["before_reset", "after_reset"], reset: Reset, late: bool
) -> None:
    rng = np.random.default_rng(3)
    level = rng.uniform(-0.2, 0.9, (1, 20, 30))
    drive = (level + rng.normal(0, 0.15, (25, 20, 30))).astype(np.float32)
    gain = (1 + 0.05 * rng.standard_normal(30)).astype(np.float32)
    before, after, spikes = simulated(drive * gain, 0.9, reset, late)
    seen = before if sampled == "before_reset" else after
    neuron = NominalNeuron(0.9, reset, ARRIVAL[late], steps=25)
    found = rate_estimators.get(name).estimate(reading_of(seen, drive, neuron, sampled)).rate
    rates = spikes.mean(axis=0)
    assert np.corrcoef(found.ravel(), rates.ravel())[0, 1] > 0.95
    assert np.abs(found - rates).mean() < 0.06


def test_a_membrane_that_a_hard_reset_leaves_at_rest_is_no_silence() -> None:
    """Neurons that fire in every step show a membrane of 0 after it."""
    drive = np.full((20, 1, 4), 2.0, np.float32)
    _, after, spikes = simulated(drive, 0.9, "hard")
    assert spikes.all() and not after.any()
    neuron = NominalNeuron(0.9, "hard", steps=20)
    for name in ("balance", "fused", "reconstruction"):
        found = rate_estimators.get(name).estimate(reading_of(after, drive, neuron, "after_reset"))
        assert (found.rate > 0.9).all(), name
        assert (found.membrane > 1.5).all(), name


@given(
    decay=st.floats(0.2, 0.99),
    steps=st.integers(3, 40),
    reset=st.sampled_from(["soft", "hard"]),
    late=st.booleans(),
)
def test_the_nominal_neuron_is_a_neuron(decay: float, steps: int, reset: Reset, late: bool) -> None:
    drive = np.array([[0.0, 0.12, 0.5, 1.3]], np.float32)
    neuron = NominalNeuron(decay, reset, ARRIVAL[late], steps=steps)
    values = neuron.table
    constant = np.broadcast_to(drive, (steps, *drive.shape)).astype(np.float32)
    _, after, spikes = simulated(constant, decay, reset, late)
    axis = neuron.axis
    place = fused.locate(drive, fused.find_row(np.zeros_like(drive), fused.BOUNDS, axis), axis)
    near = {"rate": spikes.mean(axis=0), "mean_after": after.mean(axis=0)}
    # A drive on the grid is met to rounding; a spike may fall to either side of the last step.
    for name, expected in near.items():
        found = fused.look_up(values[name].reshape(-1), place)  # type: ignore[index]
        assert (np.abs(found - expected) < 2.5 / steps).all() or reset == "hard", name
    assert fused.look_up(values["rate"].reshape(-1), place)[0, 0] == 0


@pytest.mark.parametrize(
    ("readings", "sampled", "every", "first"),
    [
        ({"samples", "mean", "last"}, "before_reset", 1, "crossings"),
        ({"samples", "mean", "last"}, "before_reset", 4, "crossings"),
        ({"samples", "mean", "last"}, "before_reset", 5, "fused"),
        ({"samples", "mean", "last"}, "after_reset", 1, "reconstruction"),
        ({"samples", "mean", "last"}, "after_reset", 2, "fused"),
        ({"mean"}, "before_reset", 1, "fused"),
        ({"last"}, "after_reset", 1, "fused_last"),
        ({"mean", "last"}, None, 1, "rectified"),
        ({"nothing"}, "before_reset", 1, "drive"),
    ],
)
def test_the_first_choice(readings: set[Any], sampled: Any, every: int, first: str) -> None:
    found = rate_estimators.choose(readings, sampled, every, "soft", traced=False)
    assert found[0].name == first


def test_set_points_of_homeostasis() -> None:
    targets = {name: rate_estimators.get(name).target for name in rate_estimators.names()}
    assert targets.pop("rectified") == 0.3
    assert set(targets.values()) == {0.1}


def test_a_user_may_bring_an_estimator() -> None:
    with Trust(everything=True).in_force():
        found = rate_estimators.get(f"{__name__}:identity")
    assert (found.name, found.target) == ("identity", 0.2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("crossing", "did you mean 'crossings'"),
        ("no_such_package.at_all:NAME", "cannot be loaded"),
        (f"{__name__}:absent", "cannot be loaded"),
        (":identity", "no estimator ':identity'"),
        (".relative:identity", "cannot be loaded"),
        (f"{__name__}:not_an_estimator", "is no Estimator but of type"),
    ],
)
def test_a_bad_name_is_refused_in_one_line(name: str, says: str) -> None:
    trusting = Trust(everything=True).in_force()
    with trusting, pytest.raises(ValueError, match=says) as error:
        rate_estimators.get(name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_held_current_is_the_mean_of_what_is_left_of_it() -> None:
    moments = (np.arange(10_000) + 0.5) / 10_000
    for decay in (0.05, 0.5, 0.95, 0.9999):
        assert integrate_held_current(decay) == pytest.approx(np.mean(decay**moments), rel=1e-4)
    assert (integrate_held_current(0.0), integrate_held_current(1.0)) == (0.0, 1.0)


HALF = replace(rate_estimators.get("rectified"), name="half", rank=1)


def test_auto_chooses_an_installed_one_by_what_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    def choose() -> list[str]:
        chosen = rate_estimators.choose({"mean"}, "after_reset", 1, "soft", traced=False)
        return [estimator.name for estimator in chosen]

    def install(group: str) -> dict[str, str]:
        return {"half": f"{__name__}:HALF"} if group == "hil.estimators" else {}

    before = choose()
    monkeypatch.setattr("drivers.registry.find_entry_points", install)
    assert "half" not in before and choose()[0] == "half"
    monkeypatch.setattr(f"{__name__}.HALF", replace(HALF, rank=None))
    assert choose() == before


Matrix = NDArray[np.float32]
NEURON = NominalNeuron(0.9, steps=20)
DRIVES = np.linspace(0.1, 0.8, 8, dtype=np.float32)[np.newaxis]


def reading(mean: Matrix, doubt: float = 0.0) -> LayerReading:
    still = np.zeros_like(DRIVES)
    return LayerReading(
        neuron=NEURON,
        sampled="before_reset",
        every=1,
        mean=mean,
        samples=None,
        last=mean,
        drive=DRIVES,
        spread=still + np.float32(0.1),
        doubt=still + np.float32(doubt),
    )


def at(quantity: str, drives: Matrix) -> Matrix:
    values = NEURON.table
    axis, spread = NEURON.axis, np.full_like(drives, 0.1)
    place = fused.locate(drives, fused.find_row(spread, fused.BOUNDS, axis), axis)
    found: Matrix = fused.look_up(values[quantity].reshape(-1), place)  # type: ignore[index]
    return found


@pytest.mark.parametrize("name", ["fused", "fused_last"])
@pytest.mark.parametrize("wrong", [-50.0, 50.0])
def test_no_reading_moves_a_drive_by_more_than_two_deviations(name: str, wrong: float) -> None:
    deviation = np.sqrt((MISMATCH * DRIVES) ** 2 + FLOOR)
    low, high = at("rate", DRIVES - 2 * deviation), at("rate", DRIVES + 2 * deviation)
    seen = reading(np.full_like(DRIVES, wrong))
    rate = rate_estimators.get(name).estimate(seen).rate
    assert (rate >= low - 1e-6).all() and (rate <= high + 1e-6).all()
    assert np.abs(rate - at("rate", DRIVES)).max() > 0.01


@pytest.mark.parametrize("name", ["fused", "fused_last"])
def test_the_more_a_drive_is_doubted_the_more_a_reading_counts(name: str) -> None:
    """What was read is that of a drive a tenth higher."""
    key = "mean_before" if name == "fused" else "last_before"
    mean, right = at(key, DRIVES + 0.1), at("rate", DRIVES + 0.1)
    estimate = rate_estimators.get(name).estimate
    off = [
        float(np.abs(estimate(reading(mean, doubt)).rate - right).mean())
        for doubt in (0.0, 0.01, 0.1)
    ]
    assert off[0] > off[1] > off[2]
    doubts = [float(estimate(reading(mean, doubt)).doubt.mean()) for doubt in (0.0, 0.01, 0.1)]
    assert doubts[0] < doubts[1] < doubts[2]


def test_a_drive_that_is_right_is_left_alone() -> None:
    seen = reading(at("mean_before", DRIVES))
    found = rate_estimators.get("fused").estimate(seen)
    np.testing.assert_allclose(found.rate, at("rate", DRIVES), atol=1e-5)
    surer = rate_estimators.get("fused").estimate(replace(seen, doubt=seen.doubt + 0.01))
    np.testing.assert_allclose(surer.rate, found.rate, atol=1e-5)


STEPS, BATCH, SIZE = 60, 6, 40
ARRIVAL: Any = {False: "same_step", True: "end_of_step"}


def run(seed: int, reset: str, late: bool, mismatch: float) -> tuple[Any, LayerReading]:
    """A layer of leaky neurons off their nominal values, written out anew: spikes and reading."""
    rng = np.random.default_rng(seed)
    drive = rng.normal(0.15, 0.35, (STEPS, BATCH, SIZE)).astype(np.float32)
    threshold = np.exp(rng.normal(0, mismatch, SIZE))
    gain, decay = np.exp(rng.normal(0, mismatch, SIZE)), 0.9
    v, seen, spikes = np.zeros((BATCH, SIZE)), [], []
    for x in drive:
        u = decay * v + (0 if late else gain * x)
        s = u >= threshold
        charged = u + (gain * x if late else 0)
        v = charged - s * threshold if reset == "soft" else np.where(s, 0, charged)
        seen.append(u)
        spikes.append(s)
    samples = np.array(seen, np.float32)
    none = np.zeros((BATCH, SIZE), np.float32)
    neuron = NominalNeuron(decay, reset, ARRIVAL[late], steps=STEPS)  # type: ignore[arg-type]
    return np.array(spikes, np.float32), LayerReading(
        neuron=neuron,
        sampled="before_reset",
        every=1,
        mean=samples.mean(axis=0),
        samples=samples,
        last=samples[-1],
        drive=drive.mean(axis=0),
        spread=none,
        doubt=none,
        drive_trace=drive,
    )


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["soft", "hard"]))
def test_every_spike_of_nominal_neurons_is_told(seed: int, reset: str) -> None:
    spikes, reading = run(seed, reset, late=False, mismatch=0.0)
    np.testing.assert_array_equal(get("falls").estimate(reading).spikes, spikes)


@pytest.mark.parametrize("late", [False, True])
def test_mismatch_is_seen_through_where_thresholds_alone_are_misled(late: bool) -> None:
    spikes, reading = run(0, "soft", late, mismatch=0.1)
    wrong = {
        name: np.abs(get(name).estimate(reading).spikes - spikes).sum() / spikes.sum()
        for name in ("falls", "crossings")
    }
    assert wrong["crossings"] > 0.05
    assert wrong["falls"] < wrong["crossings"] / 3
