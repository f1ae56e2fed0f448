"""Arrays in, predictions out: `hil.train(x, y)` and what it gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hil
from drivers.contract.messages import read_npz
from support.command_line import command, refusal
from support.data_sets import one_line

SMALL: dict[str, Any] = {
    "device": "emulator:ideal",
    "network": {"hidden": [20]},
    "optimiser": {"learning_rate": 0.02},
    "training": {"epochs": 6, "batch": 10},
}
UNITS, ORIGIN = np.array([100.0, 0.01, 7.0, 1.0]), np.array([-50.0, 3.0, 0.0, 5.0])


def samples(seed: int = 0, count: int = 120) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two classes that lie apart, in units of very different size."""
    rng = np.random.default_rng(seed)
    y = np.tile([0, 1], count // 2)
    x = np.where(y[:, None], 0.75, 0.25) + rng.uniform(-0.2, 0.2, (count, 4))
    return x * UNITS + ORIGIN, np.array(["no", "yes"])[y]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hil.Result:
    x, y = samples()
    return hil.train(x, y, out=tmp_path_factory.mktemp("library") / "run", **SMALL)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- arrays in, predictions out ---------------------------------------------------------------


def test_new_samples_are_scaled_as_the_first_and_answered_in_the_labels_given(
    run: hil.Result,
) -> None:
    x, y = samples(seed=1)
    assert run.test_accuracy > 0.9
    assert np.mean(run.predict(x) == y) > 0.9
    assert run.classes.tolist() == ["no", "yes"]
    # One sample alone says nothing of a range: the one of the training is what counts.
    assert [run.predict(x[n : n + 1])[0] for n in range(4)] == run.predict(x[:4]).tolist()


def test_the_scaling_is_that_of_the_training_part(run: hil.Result) -> None:
    kept = read_npz(run.path / "arrays.npz", ("arrays",), 1)
    fitted = json.loads((run.path / "preparation.json").read_text())
    np.testing.assert_array_equal(fitted["low"], kept["x_train"].min(axis=0))
    np.testing.assert_array_equal(fitted["high"], kept["x_train"].max(axis=0))
    page = run.report.read_text()
    assert "scaled to [0, 1] by the range of each feature in the training part" in page
    assert f"{fitted['low'][0]:.6g} to {fitted['high'][0]:.6g}" in page
    assert '<th scope="col">yes</th>' in page


def test_scores_decide_and_deploy_elsewhere(run: hil.Result) -> None:
    x, _ = samples(seed=2)
    scores = run.scores(x)
    assert scores.shape == (120, 2) and scores.dtype == np.float32
    np.testing.assert_array_equal(run.classes[scores.argmax(axis=1)], run.predict(x))
    assert run.predict(x[:0]).shape == (0,)
    away = "emulator:ideal?bias_sd=0.2&chip=3"
    assert (run.scores(x, device=away) != scores).any()
    np.testing.assert_array_equal(run.scores(x), scores)


def test_a_tie_of_spikes_goes_where_the_test_counted_it(tmp_path: Path) -> None:
    x, y = samples()
    asked = {**SMALL, "training": {"epochs": 1}}
    run = hil.train(x, y, test=(x, y), out=tmp_path / "run", **asked)
    scores = run.scores(x)
    np.testing.assert_allclose(scores * 2, np.round(scores * 2), atol=1e-4)  # 10 times n / 20
    assert (np.ptp(scores, axis=1) < 1e-4).any()
    assert np.count_nonzero(run.predict(x) == y) / len(y) == run.test_accuracy


def test_weights_and_metrics_are_those_of_the_run(run: hil.Result) -> None:
    assert [w.shape for w in run.weights] == [(5, 20), (20, 2)]
    for asked, stored in zip(run.weights, run.stored_weights, strict=True):
        np.testing.assert_array_equal(asked, stored)  # an ideal chip stores what is asked
    frame = run.metrics.to_frame()
    assert frame.index.tolist() == [1, 2, 3, 4, 5, 6]
    assert frame["train_loss"].tolist() == [row["train_loss"] for row in run.metrics]
    assert run.confusion.sum() == 24  # a fifth of the samples
    assert np.trace(run.confusion) / 24 == run.test_accuracy


def test_a_result_is_shown_as_a_table(run: hil.Result) -> None:
    lines = repr(run).splitlines()
    assert lines[-1] == str(run.report)
    assert f"{100 * run.test_accuracy:.2f} %" in next(
        line for line in lines if "test accuracy" in line
    )
    html = run._repr_html_()
    assert f"{100 * run.test_accuracy:.2f} %" in html and "<svg" in html and str(run.report) in html


# -- what is kept -----------------------------------------------------------------------------


def test_a_run_on_arrays_is_evaluated_and_tuned_from_its_folder_alone(
    run: hil.Result, tmp_path: Path
) -> None:
    copy = shutil.copytree(run.path, tmp_path / "copy")
    assert hil.evaluate(copy)["test_accuracy"] == run.test_accuracy
    again = json.loads(command("train", "--from", copy, "--out", "tuned", "--json").stdout)
    assert again["task"] == "arrays"
    assert "lie in its folder" in refusal("evaluate", copy, "--data", "x.npz")
    (copy / "arrays.npz").unlink()
    assert "arrays.npz" in refusal("evaluate", copy)


def test_a_run_on_arrays_goes_on_after_it_was_stopped(run: hil.Result, tmp_path: Path) -> None:
    x, y = samples()

    def stop(metrics: dict[str, Any]) -> None:
        if metrics["epoch"] == 2:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        hil.train(x, y, out=tmp_path / "run", on_epoch=stop, **SMALL)
    seen: list[dict[str, Any]] = []
    resumed = hil.resume(tmp_path / "run", on_epoch=seen.append)
    assert [row["epoch"] for row in seen] == [3, 4, 5, 6]
    for one, other in zip(resumed.weights, run.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_arrays_of_a_run_are_a_task_like_any_other_file(
    run: hil.Result, tmp_path: Path
) -> None:
    config = run.path / "config.toml"
    assert "npz:RUN/arrays.npz" in refusal("train", "--config", config)
    task = f"npz:{run.path / 'arrays.npz'}"
    hil.train(task, out=tmp_path / "again", **SMALL)
    again = json.loads(command("evaluate", "again", "--json").stdout)
    assert again["test_accuracy"] == run.test_accuracy


def test_parts_and_names_that_are_given_are_used(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = samples()
    table = pandas.DataFrame(x, columns=["volts", "grams", "steps", "hertz"])
    small = {**SMALL, "training": {"epochs": 1}}
    run = hil.train(
        table,
        pandas.Series(y),
        test=(table[:7], y[:7]),
        validation=(table[:9], y[:9]),
        class_names=["absent", "present"],
        out=tmp_path / "run",
        **small,
    )
    assert run.confusion.sum() == 7
    kept = read_npz(run.path / "arrays.npz", ("arrays",), 1)
    assert len(kept["x_train"]) == 120 and len(kept["x_validation"]) == 9
    page = run.report.read_text()
    assert "present</th>" in page and "grams</th>" in page
    assert set(run.predict(table)) <= {"no", "yes"}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (lambda x, y: {"y": None}, "x without y"),
        (lambda x, y: {"y": y[:-1]}, r"y_train has shape \(119,\) for 120 samples"),
        (lambda x, y: {"task": x[:, 0]}, r"x_train has shape \(120,\)"),
        (lambda x, y: {"task": x.astype(str)}, "give real numbers"),
        (lambda x, y: {"test": 0}, "test = 0: give a share"),
        (lambda x, y: {"test": x}, "test is no pair"),
        (lambda x, y: {"test": (x[:, :3], y)}, "x_test has samples of shape"),
        (lambda x, y: {"class_names": ["a"]}, "class_names has shape"),
        (lambda x, y: {"feature_names": ["a"]}, "feature_names has shape"),
        (lambda x, y: {"task": "digits"}, "y without samples"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_before_there_is_a_folder(
    tmp_path: Path, given: Any, complaint: str
) -> None:
    x, y = samples()
    with pytest.raises(ValueError, match=complaint) as error:
        hil.train(**{"task": x, "y": y, **given(x, y)}, out=tmp_path / "run", **SMALL)
    one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_new_samples_of_another_shape_are_refused(run: hil.Result) -> None:
    for x in (np.zeros((3, 5)), np.zeros(4), np.full((2, 4), np.nan), np.array([["a"] * 4])):
        with pytest.raises(ValueError, match=r"x (has shape|holds NaN|is <U1)") as error:
            run.predict(x)
        one_line(error)


@pytest.mark.parametrize(
    "parts", [{"test": 0.3}, {"validation": ([[1.0]], [0])}, {"layout": "HW"}, {"y": [1]}]
)
@pytest.mark.parametrize("task", ["digits", None])
def test_what_is_about_samples_is_refused_without_them(
    parts: dict[str, Any], task: str | None
) -> None:
    (name,) = parts
    with pytest.raises(ValueError, match=rf"^{name} without samples: .*'digits', which has its"):
        hil.train(task, **parts)


@pytest.mark.parametrize("trust", ["no", "yes", 1, 0, None])
def test_trust_is_true_or_false(trust: Any) -> None:
    for act in (hil.train, hil.resume, hil.evaluate):
        with pytest.raises(ValueError, match=r"^trust = .*: give True or False$"):
            act("digits", trust=trust)
