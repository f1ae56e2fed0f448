"""What differs from one moment to the next: each effect alone, against what it states."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import kstest

from device_models import Chip, RecordingRequest, neurons, profiles
from device_models.generators import Noise
from device_models.nonidealities import override
from device_models.temporal_noise import add_crosstalk, delay_events, supply_factor

NOISE = Noise(1, "input_jitter")
IDEAL = profiles.get("ideal").nonidealities


def chip(layers: list[int], seed: int = 0, **values: float) -> Chip:
    found = Chip(neurons.get("lif"), override(IDEAL, values), seed=seed)
    found.configure(layers, [2.0] * (len(layers) - 1))
    return found


def silence(batch: int, inputs: int) -> np.ndarray:
    return np.zeros((batch, inputs), np.float32)


def test_spurious_events_come_at_the_stated_rate_and_leave_membranes_alone() -> None:
    found = chip([1, 50, 20], spurious_spikes=0.03)
    found.write(1, np.zeros((50, 20), np.float32))
    counts, [raster, membrane] = found.run(
        silence(40, 1), 25, 40, [RecordingRequest(0, "spikes"), RecordingRequest(0, "membrane")], 1
    )
    assert abs(raster.mean() / 0.03 - 1) < 0.08  # 50 000 chances: 2.5 % standard error
    assert abs(counts.mean() / (25 * 0.03) - 1) < 0.1
    assert np.all(membrane == 0)


def test_spurious_events_reach_the_next_layer() -> None:
    found = chip([1, 50, 1], spurious_spikes=0.1)
    found.write(1, np.full((50, 1), 0.05, np.float32))
    _, [membrane] = found.run(silence(30, 1), 10, 30, [RecordingRequest(1, "membrane")], 1)
    assert membrane[-1].mean() > 0.3


def test_an_event_that_was_real_is_not_doubled() -> None:
    found = chip([1, 200, 1], spurious_spikes=0.5)
    found.write(0, np.full((1, 200), 2.0, np.float32))
    _, [raster] = found.run(np.ones((1, 1), np.float32), 10, 1, [RecordingRequest(0, "spikes")], 0)
    assert raster.max() == 1
    assert raster.min() == 1, "neurons that fire at every step"


def test_input_events_come_late_by_half_a_normal() -> None:
    steps, batch = 400, 50
    events = csr_matrix(
        (np.full(batch * 40, 1.0), (np.arange(batch * 40), np.zeros(batch * 40))),
        (steps * batch, 1),
        dtype=np.float32,
    )
    late, _ = delay_events(events, steps, 6.0, NOISE)
    assert late.sum() == events.sum(), "none is lost far from the end"
    before = np.repeat(
        np.arange(steps), np.asarray(events.sum(axis=1)).reshape(steps, batch).sum(1).astype(int)
    )
    after = np.repeat(
        np.arange(steps), np.asarray(late.sum(axis=1)).reshape(steps, batch).sum(1).astype(int)
    )
    delay = after.mean() - before.mean()
    assert abs(delay / (6 * np.sqrt(2 / np.pi)) - 1) < 0.06


def test_jitter_keeps_counts_and_what_comes_after_the_end_is_under_way() -> None:
    rng = np.random.default_rng(0)
    events = csr_matrix(rng.poisson(0.5, (20 * 4, 30)), dtype=np.float32)
    late, beyond = delay_events(events, 20, 5.0, NOISE)
    assert late.sum() + beyond.sum() == events.sum()
    assert late.shape == events.shape
    assert 0 < late.sum() < events.sum()
    assert np.all(late.data == np.rint(late.data))
    same, none = delay_events(events, 20, 0.0, NOISE)
    assert (same != events).nnz == 0 and none.nnz == 0
    by_sample = np.asarray(late.sum(axis=1)).reshape(20, 4).sum(axis=0)
    assert np.all(by_sample <= np.asarray(events.sum(axis=1)).reshape(20, 4).sum(axis=0))


def test_jitter_acts_on_spikes_and_not_on_currents() -> None:
    spikes = csr_matrix(np.ones((10, 3), np.float32))
    for drive, moved in ((spikes, True), (np.ones((1, 3), np.float32), False)):
        runs = []
        for jitter in (0.0, 2e-3):
            found = chip([3, 4, 2], input_jitter=jitter)
            found.write(0, np.full((3, 4), 0.1, np.float32))
            runs.append(found.run(drive, 10, 1, [RecordingRequest(0, "membrane")], 0)[1][0])
        assert np.array_equal(*runs) is not moved


def test_crosstalk_reaches_both_neighbours_and_no_further() -> None:
    found = chip([1, 5, 1], crosstalk=0.25)
    weights = np.zeros((1, 5), np.float32)
    weights[0, 2] = 0.4
    found.write(0, weights)
    _, [membrane] = found.run(
        np.ones((1, 1), np.float32), 1, 1, [RecordingRequest(0, "membrane")], 0
    )
    share = membrane[0, 0] / membrane[0, 0, 2]
    np.testing.assert_allclose(share, [0, 0.25, 1, 0.25, 0], atol=1e-6)


def test_crosstalk_is_a_symmetric_band() -> None:
    np.testing.assert_allclose(
        add_crosstalk(np.eye(4, dtype=np.float32), 0.1),
        np.eye(4) + 0.1 * (np.eye(4, k=1) + np.eye(4, k=-1)),
        rtol=1e-6,
    )


def test_thresholds_shift_from_sample_to_sample() -> None:
    """The charge at which neurons fire first, over samples, is normal about the threshold."""
    found = chip([1, 400, 1], trial_threshold_sd=0.05)
    steps = 200
    ramp = np.full((steps, 6, 1), 0.012, np.float32)
    found.configure([1, 400, 1], [2.0, 2.0], {"tau_membrane": 1.0})
    found.write(0, np.full((1, 400), 1.0, np.float32))
    _, [raster] = found.run(ramp, steps, 6, [RecordingRequest(0, "spikes")], 3)
    first = raster.argmax(axis=0)
    t = (first + 1) * 1e-3
    level = 0.012 * 1e3 * 1.0 * (1 - np.exp(-t))  # membrane at the first spike
    assert abs(level.mean() - 1) < 0.01
    assert abs(level.std() / 0.05 - 1) < 0.1
    assert abs(np.corrcoef(level[0], level[1])[0, 1]) < 0.2, "samples are trials of their own"
    _, [again] = found.run(ramp, steps, 6, [RecordingRequest(0, "spikes")], 3)
    np.testing.assert_array_equal(raster, again)


@pytest.mark.parametrize("correlation", [10.0, 1000.0])
def test_the_wander_is_a_gaussian_process(correlation: float) -> None:
    chips = np.arange(600)
    now, soon, later = (
        np.array([supply_factor(int(c), 0.1, correlation, t) - 1 for c in chips])
        for t in (5.0, 5.0 + correlation, 5.0 + 10 * correlation)
    )
    assert kstest(now / 0.1, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(now, soon)[0, 1] - np.exp(-0.5)) < 0.08
    assert abs(np.corrcoef(now, later)[0, 1]) < 0.12


def test_the_wander_moves_with_the_clock_and_scales_what_arrives() -> None:
    found = chip([1, 3, 1], wander=0.2, wander_seconds=30, run_seconds=10)
    found.write(0, np.full((1, 3), 0.2, np.float32))
    drive = np.ones((1, 1), np.float32)
    seen = []
    for run in range(20):
        _, [membrane] = found.run(drive, 1, 1, [RecordingRequest(0, "membrane")], 0)
        expected = 0.2 * supply_factor(0, 0.2, 30, 10 * run)
        seen.append(membrane[0, 0, 0] / expected)
        assert np.ptp(membrane) < 1e-7, "the change is common to all"
    np.testing.assert_allclose(seen, seen[0], rtol=1e-5)
    assert found.clock == 200


@pytest.mark.parametrize(
    "nonideality",
    [
        "spurious_spikes",
        "input_jitter",
        "crosstalk",
        "trial_threshold_sd",
        "wander",
        "membrane_noise",
    ],
)
def test_severity_zero_is_exactly_ideal(nonideality: str) -> None:
    amount = 2e-3 if nonideality == "input_jitter" else 0.1
    runs = []
    for nonidealities in (IDEAL, override(IDEAL, {nonideality: amount}).at_severity(0)):
        found = Chip(neurons.get("lif"), nonidealities, seed=3)
        found.configure([6, 20, 4], [1.0, 1.0])
        rng = np.random.default_rng(0)
        found.write(0, rng.normal(0.1, 0.3, (6, 20)).astype(np.float32))
        found.write(1, rng.normal(0.1, 0.3, (20, 4)).astype(np.float32))
        drive = csr_matrix(rng.random((15 * 3, 6)) < 0.4, dtype=np.float32)
        runs.append(found.run(drive, 15, 3, [RecordingRequest(1, "membrane")], 0))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1][0], runs[1][1][0])
    assert runs[0][0].sum() > 0
