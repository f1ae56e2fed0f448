"""What the host notices of an ailing network, and what is done about it when asked."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import drivers
from drivers import Network, Stimulus, WeightFormat
from hil.config import build
from hil.loop import epochs, findings, health, training
from hil.loop.findings import Finding
from hil.loop.health import Statistics
from hil.loop.progress import TrainingProgress
from hil.runs.folder import Run
from support.good_device import INFO
from support.restated import restated

HARSH = "emulator:mixed-signal?chip=1&threshold_cv=0.4&dead_fraction=0.1"
LAYER = st.sampled_from(["silent", "saturated", "lively"])


def summed(
    membrane: NDArray[np.float32], labels: NDArray[np.int64], classes: int, batch: int = 50
) -> Statistics:
    """Statistics of one hidden layer, `(N, n)`, and an output that shows nothing."""
    found = Statistics.empty((membrane.shape[1], classes))
    for start in range(0, len(labels), batch):
        rows = slice(start, start + batch)
        nothing = np.zeros((len(labels[rows]), classes), np.float32)
        seen = membrane[rows]
        found.add(labels[rows], (np.clip(seen, 0, 1), nothing), (seen, nothing))
    return found


def trained(path: Path, **sections: Any) -> tuple[Run, dict[str, Any]]:
    run = Run.create(path, build({"task": "digits"}, sections))
    return run, training.train(run)


def kinds(row: dict[str, Any]) -> list[str]:
    return [finding["kind"] for finding in row["findings"]]


def subjects(result: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(f["epoch"], f["kind"], f["where"]) for f in result["findings"]]


# -- sums -------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), batch=st.integers(1, 70), classes=st.integers(2, 5))
def test_sums_do_not_depend_on_the_batches(seed: int, batch: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, 60)
    membrane = rng.normal(3, 0.5, (60, 4)).astype(np.float32)
    found = summed(membrane, labels, classes, batch)
    exact = membrane.astype(float)
    np.testing.assert_array_equal(found.samples, np.bincount(labels, minlength=classes))
    for c in range(classes):
        np.testing.assert_allclose(found.sums[0][c], exact[labels == c].sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.squares[0], (exact**2).sum(axis=0), rtol=1e-12)
    again = Statistics.from_arrays(found.state())
    assert again.state().keys() == found.state().keys()
    assert all(np.array_equal(again.state()[k], v) for k, v in found.state().items())


def test_where_no_membrane_is_shown_the_rate_is_watched() -> None:
    found = Statistics.empty((2,))
    rate = np.array([[0.5, 0.0], [0.25, 1.0]], np.float32)
    found.add(np.array([0, 1]), (rate,), (np.zeros_like(rate),))
    np.testing.assert_array_equal(found.sums[0], rate)
    assert found.largest.tolist() == [1.0]


# -- neurons ----------------------------------------------------------------------------------


def layer(
    noise: float, seed: int, lively: int = 300, still: int = 100
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """1000 samples of 10 classes: lively neurons, then as many that show noise alone."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, 1000)
    means = rng.normal(0.3, 0.3, (10, lively))[labels]
    lives = means + rng.normal(0, 0.3 + noise, (1000, lively))
    rests = rng.normal(0, noise, (1000, still)) + rng.normal(0, 0.03, still)
    return np.hstack([lives, rests]).astype(np.float32), labels


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.05])
def test_neurons_that_show_noise_alone_are_dead(noise: float) -> None:
    named, missed = 0, 0
    for seed in range(5):
        membrane, labels = layer(noise, seed)
        dead, stuck = health.find_still_neurons(summed(membrane, labels, 10), 0)
        assert (dead >= 300).all() and not stuck.size
        named, missed = named + len(dead), missed + 100 - len(dead)
    # Chance makes one of a thousand tell the classes apart.
    assert missed <= stats.binom.ppf(0.9999, named + missed, 0.001)


def test_which_neurons_tell_the_classes_apart_agrees_with_the_usual_test() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    # Strong ones, and weak ones whose dependence is near the bound.
    strength = np.hstack([np.full(150, 1.0), np.full(100, 0.06)])
    effects = rng.normal(0, 1, (4, 250)) * strength
    membrane = (effects[labels] * 0.3 + rng.normal(0, 0.05, (400, 250))).astype(np.float32)
    groups = [membrane[labels == c].astype(float) for c in range(4)]
    unrelated = stats.f_oneway(*groups).pvalue > 0.001
    assert 10 < unrelated.sum() < 90
    dead, _ = health.find_still_neurons(summed(membrane, labels, 4), 0)
    np.testing.assert_array_equal(dead, np.flatnonzero(unrelated))


def test_still_neurons_far_from_rest_are_stuck() -> None:
    membrane, labels = layer(0.01, 0)
    membrane[:, 310], membrane[:, 320] = 2.0, -2.0
    dead, stuck = health.find_still_neurons(summed(membrane, labels, 10), 0)
    assert stuck.tolist() == [310, 320]
    assert not {310, 320} & set(dead.tolist())


def test_no_neuron_is_named_where_that_would_be_a_guess() -> None:
    membrane, labels = layer(0.01, 0)
    few = summed(membrane[:90], labels[:90], 10)
    one_class = summed(membrane, np.zeros_like(labels), 10)
    mostly_still = summed(membrane[:, 250:], labels, 10)
    for found in (few, one_class, mostly_still):
        assert [neurons.size for neurons in health.find_still_neurons(found, 0)] == [0, 0]


def never_firing(url: str, hidden: int) -> list[int]:
    """Hidden neurons that a strong current cannot make fire: the chip's own dead ones."""
    with drivers.open(url) as device:
        device.configure(Network.feed_forward((1, hidden, 1), (10.0, 1.0)))
        device.write_weights(0, np.full((1, hidden), 10.0))
        probe = drivers.Probe(1, "spikes", reduce="mean")
        readout = device.run(Stimulus.current(np.ones((1, 1)), steps=50), [probe], trial=1)
        return np.flatnonzero(readout.samples[probe][0] == 0).tolist()


def test_the_dead_neurons_of_a_chip_are_found(tmp_path: Path) -> None:
    url = "emulator:mixed-signal?dead_fraction=0.05&chip=4"
    truth = never_firing(url, 150)
    run, result = trained(
        tmp_path / "run", device=url, network={"hidden": [150]}, training={"epochs": 2}
    )
    (found,) = [f for f in result["findings"] if f["kind"] == "dead"]
    assert len(truth) > 2
    assert (found["epoch"], found["where"]) == (2, "hidden layer 1")
    named = ", ".join(map(str, truth))
    assert found["figures"] == {"count": len(truth), "size": 150, "neurons": named}
    assert found["text"].startswith("[epoch 2] hidden layer 1 has dead neurons: ")
    # The same is in the metrics of each epoch.
    assert [kinds(row).count("dead") for row in run.metrics()] == [1, 1]


# -- layers, accuracy, weights ----------------------------------------------------------------


def test_silent_and_saturated_layers() -> None:
    rates, peaks = [0.0, 0.004, 0.1, 0.79, 0.81, 0.15], [0.0, 0.5, 0.5, 1.0, 1.0, 0.17]
    assert health.classify_layers(rates, peaks, [0.1] * 6) == [
        "silent", "silent", "lively", "lively", "saturated", "saturated",
    ]  # fmt: skip
    found = findings.find_odd_layers(["silent", "silent", "saturated"], [0.0, 0.0, 0.9])
    assert [f.headline for f in found] == [
        "hidden layer 1 is silent", "hidden layer 2 is silent", "output layer is saturated",
    ]  # fmt: skip
    assert "raise network.initial_scale" in found[0].remedy
    assert "hidden layer 1, so mend that first" in found[1].remedy
    # An output that is read by its membranes may be silent.
    assert findings.find_odd_layers(["lively", "silent"], [0.1, 0.0], "membrane") == []
    assert len(findings.find_odd_layers(["lively", "silent"], [0.1, 0.0], "counts")) == 1


def test_chance_is_not_taken_for_a_fall_of_accuracy() -> None:
    rng = np.random.default_rng(0)
    flat = rng.binomial(144, 0.9, (2000, 30)) / 144
    alarms = [
        any(health.find_drift(row[:n], 144) is not None for n in range(1, 31)) for row in flat
    ]
    assert np.mean(alarms) < 0.005


def test_a_fall_of_accuracy_is_noticed_when_it_lasts() -> None:
    high, low = [0.5, 0.9, 0.95, 0.94], [0.7, 0.72, 0.69]
    assert health.find_drift([*high, *low], 144) == 2
    for n in range(1, 7):
        assert health.find_drift([*high, *low][:n], 144) is None
    assert health.find_drift([*high, *low[:2], 0.93], 144) is None
    assert health.find_drift([*high, *low], 10) is None  # too few samples to tell
    (finding,) = findings.find_falling_accuracy("validation", [*high, *low], 144)
    assert "69.00 % against 95.00 % after epoch 3" in str(finding)


def test_weights_at_the_full_scale_are_counted() -> None:
    weights = [np.array([[1.0, -1.0], [0.5, 0.999]], np.float32), np.zeros((2, 3), np.float32)]
    assert health.share_at_full_scale(weights, [1.0, 0.0]) == [0.5, 1.0]
    assert health.share_at_full_scale(weights, [2.0, 1.0]) == [0.0, 0.0]
    (finding,) = findings.find_full_scale_weights([0.082, 0.0001], 2)
    assert (finding.where, finding.figures) == ("hidden layer 1", {"percent": 100 * 0.082})
    found = findings.find_full_scale_weights([0.5, 0.0, 0.5, 0.0, 0.5], 3)
    places = ("hidden layer 1", "output layer", "hidden layer 2 from itself")
    assert tuple(finding.where for finding in found) == places


def test_outputs_of_one_sign_and_a_hard_reset_are_named() -> None:
    for signs, reset, expected in (
        ("positive", "hard", ["coarse_output"]),
        ("positive", "soft", []),
        ("both", "hard", []),
        ("positive", None, []),
    ):
        info = restated(INFO, weights=(WeightFormat(0.1, 1.0, signs=signs),), reset=reset)
        by_offer = {shown: findings.find_coarse_output(info, 2, shown) for shown in (True, False)}
        assert [finding.kind for finding in by_offer[True]] == expected
        assert ["observe=spikes" in finding.remedy for finding in by_offer[True]] == [True] * len(
            expected
        )
        assert not any("observe=spikes" in finding.remedy for finding in by_offer[False])


def test_a_run_keeps_each_finding_once_as_it_was_last() -> None:
    silent = [Finding("silent", "a", {"rate": rate}) for rate in (0.01, 0.02)]
    dead = Finding("dead", "b", {"count": 1, "size": 9, "neurons": "3"})
    rows = [[silent[0], dead], [silent[1]], []]
    metrics = [
        {"findings": findings.list_epoch_findings(row, n)} for n, row in enumerate(rows, start=1)
    ]
    assert [(f["epoch"], f["headline"]) for f in findings.keep_latest(metrics)] == [
        (2, "a is silent"), (1, "b has dead neurons"),
    ]  # fmt: skip


# -- repair -----------------------------------------------------------------------------------


@given(st.lists(st.lists(LAYER, min_size=3, max_size=3), max_size=12))
def test_repair_is_bounded_and_goes_back(history: list[list[health.State]]) -> None:
    strengths = np.ones(3)
    for layers in history:
        after = health.adapt_homeostasis(strengths, layers)
        assert ((after >= 1) & (after <= 256)).all()
        for state, before, now in zip(layers, strengths, after, strict=True):
            assert now <= before if state == "lively" else now >= before
        assert all(0.5 <= gain <= 2 for gain in health.choose_rescaling(layers))
        strengths = after
    for _ in range(4):
        strengths = health.adapt_homeostasis(strengths, ["lively"] * 3)
    assert strengths.tolist() == [1.0] * 3


def test_a_layer_behind_a_silent_one_is_left_alone() -> None:
    assert health.find_treatable(["silent", "silent", "saturated", "silent"]) == [
        "silent", "lively", "lively", "silent",
    ]  # fmt: skip


def test_a_silent_network_recovers_by_rescaling_and_not_without(tmp_path: Path) -> None:
    """Weights that start so small that most are stored as nothing, in a layer that is frozen."""
    silent: dict[str, Any] = {
        "device": HARSH,
        "rule": {"name": "output_only"},
        "network": {
            "hidden": [60],
            "initial_scale": 0.05,
            "initial_response": "as_drawn",
            "full_scale": 4.0,
        },
        "optimiser": {"learning_rate": 0.02},
        "training": {"epochs": 5},
    }
    run, result = trained(tmp_path / "left", **silent)
    assert run.metrics()[-1]["hidden_rates"][0] < 0.005
    assert (5, "silent", "hidden layer 1") in subjects(result)
    healed, better = trained(tmp_path / "rescaled", repair={"rescale": True}, **silent)
    assert healed.metrics()[-1]["hidden_rates"][0] > 0.01
    assert (5, "silent", "hidden layer 1") not in subjects(better)
    assert better["test_accuracy"] > result["test_accuracy"] + 0.08


def test_a_silent_network_recovers_by_adaptive_homeostasis_and_not_without(tmp_path: Path) -> None:
    """Steps so small that neither the rule nor steady homeostasis wakes the layer."""
    silent: dict[str, Any] = {
        "device": f"{HARSH}&weight_bits=4",
        "network": {
            "hidden": [40],
            "initial_scale": 0.1,
            "initial_response": "as_drawn",
            "full_scale": 20.0,
        },
        "optimiser": {"name": "sgd", "learning_rate": 0.005, "weight_decay": 0.0},
        "training": {"epochs": 6},
    }
    run, _ = trained(tmp_path / "steady", **silent)
    assert run.metrics()[-1]["hidden_rates"][0] < 0.005
    healed, result = trained(tmp_path / "adaptive", repair={"homeostasis": "adaptive"}, **silent)
    assert healed.metrics()[-1]["hidden_rates"][0] > 0.05
    assert (6, "silent", "hidden layer 1") not in subjects(result)


def test_a_lively_network_is_not_touched_by_repair(tmp_path: Path) -> None:
    small = {"network": {"hidden": [30]}, "training": {"epochs": 2}}
    plain, _ = trained(tmp_path / "plain", **small)
    watched, _ = trained(
        tmp_path / "watched", repair={"homeostasis": "adaptive", "rescale": True}, **small
    )
    one, other = plain.weights(), watched.weights()
    assert one.keys() == other.keys() and len(one) == 2
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_a_run_under_repair_that_is_stopped_ends_the_same(tmp_path: Path) -> None:
    """Stopped in the midst of epochs, with sums half done and strengths raised."""
    silent: dict[str, Any] = {
        "device": HARSH,
        "network": {"hidden": [30], "initial_scale": 0.05, "initial_response": "as_drawn"},
        "optimiser": {"name": "sgd", "learning_rate": 0.005, "weight_decay": 0.0},
        "repair": {"homeostasis": "adaptive", "rescale": True},
        "training": {"epochs": 4},
    }
    straight, _ = trained(tmp_path / "straight", **silent)
    run = Run.create(tmp_path / "stopped", straight.config())
    for step in (13, 40, 70):

        def stop(position: TrainingProgress, step: int = step) -> None:
            if (position.phase, position.done) == ("train", step):
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(epochs.Interrupted):
            training.train(run, stop)
    training.train(run)
    assert [row["findings"] for row in run.metrics()] == [
        row["findings"] for row in straight.metrics()
    ]
    assert run.metrics()[0]["findings"][0]["headline"] == "hidden layer 1 is silent"
    found, expected = run.load_checkpoint() or {}, straight.load_checkpoint() or {}
    for name, array in expected.items():
        if name != "train_state":
            assert found[name].tobytes() == array.tobytes(), name


def test_what_others_learn_around_is_no_warning() -> None:
    for still, warns in ((4, False), (60, True)):
        membrane, labels = layer(0.01, 0, 100 - still, still)
        (found,) = findings.find_odd_neurons(summed(membrane, labels, 10), ["lively", "silent"])
        assert (found.kind, found.is_warning) == ("dead", warns)


def test_estimates_are_called_poor_when_they_stay_so() -> None:
    poor, well = {"fused": 0.8, "balance": 0.7}, {"fused": 0.8, "balance": 0.95}
    for fits, expected in (
        ([poor], 0),
        ([poor] * 3, 1),
        ([poor, well, poor], 0),
        ([well, poor, poor, poor], 1),
    ):
        assert len(findings.find_poor_estimates("fused", fits, False)) == expected
