"""Numbers in place of classes: the regressor, runs of tasks of numbers, and what refuses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.utils import estimator_checks

import hil
from drivers import registry
from hil.classifier import EXPECTED_FAILED_CHECKS
from hil.reports.comparison import write_comparison
from hil.reports.run_facts import summarise
from hil.runs.folder import Run
from support.data_sets import one_line

WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
SMALL: dict[str, Any] = {
    "device": "matrix:",
    "hidden": (50,),
    "epochs": 60,
    "settings": {"training": {"batch": 20}},
    "random_state": 0,
}
SHORT: dict[str, Any] = {
    "device": "matrix:",
    "network": {"hidden": [20]},
    "training": {"epochs": 2},
}


@pytest.fixture(autouse=True)
def device_in_numpy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(registry.BUILTIN, "matrix", "support.matrix_device:MatrixDevice")
    monkeypatch.chdir(tmp_path)


@pytest.mark.thorough  # some fit on hundreds of samples
@estimator_checks.parametrize_with_checks(
    [hil.SpikingRegressor(**SMALL)],
    expected_failed_checks=lambda _: {WEIGHTS: EXPECTED_FAILED_CHECKS[WEIGHTS]},
)
def test_scikit_learn_accepts_it(estimator: Any, check: Any) -> None:
    check(estimator)


def wave() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.linspace(0, 6, 200)[:, np.newaxis]
    return x, np.column_stack([1000 + 50 * np.sin(x[:, 0]), -1e-3 * np.cos(x[:, 0])])


def test_it_gives_several_numbers_in_their_own_units() -> None:
    x, y = wave()
    fitted = hil.SpikingRegressor(**SMALL).fit(x, y)
    assert fitted.predict(x).shape == y.shape
    assert fitted.score(x, y) > 0.7
    assert fitted.fit(x, y[:, 0]).predict(x).shape == (200,)
    assert fitted.score(x, y[:, 0]) > 0.7


def test_it_goes_on_from_batches_and_keeps_its_scale() -> None:
    x, y = wave()
    learner = hil.SpikingRegressor(**SMALL)
    order = np.random.default_rng(0).permutation(200)
    learner.fit_batches((x[rows], y[rows]) for rows in np.split(order, 4))
    scale, first = learner.preparation_["target_low"], np.square(learner.predict(x) - y).mean()
    for _ in range(20):
        learner.partial_fit(x, y)
    assert learner.preparation_["target_low"] == scale
    assert np.square(learner.predict(x) - y).mean() < first


def test_a_run_of_numbers_is_trained_tested_and_shown() -> None:
    result = hil.train("narma10", out="run", **SHORT, optimiser={"learning_rate": 3e-3})
    data = hil.tasks.load("narma10")  # type: ignore[attr-defined]
    prepared = data.preparation
    x = prepared.low + data.x_test * (prepared.high - prepared.low)  # as it was drawn
    y = prepared.read_outputs(data.y_test)
    shown = Run.open("run").load_snapshot()
    assert shown is not None
    np.testing.assert_allclose(shown["test_labels"], y)
    error = np.sqrt(np.square(shown["test_predictions"] - y).mean()) / y.std()
    assert result.test_nrmse == pytest.approx(error, rel=1e-6)
    given = hil.load("run").predict(x)
    np.testing.assert_allclose(given, shown["test_predictions"][:, 0], rtol=1e-6)
    assert result.metrics[-1]["train_accuracy"] is None
    assert result.metrics[1]["validation_nrmse"] < result.metrics[0]["validation_nrmse"]
    assert result.metrics[1]["train_nrmse"] < result.metrics[0]["train_nrmse"]
    assert hil.evaluate("run")["test_nrmse"] == result.test_nrmse
    assert "Output 0, sample by sample" in result.report.read_text() and not result.not_shown
    np.savez("new.npz", x_train=x[:5], y_train=np.arange(5))
    table = result.predict_file("npz:new.npz")
    np.testing.assert_allclose(table["output 0"], given[:5])
    with pytest.raises(ValueError, match="gives numbers"):
        write_comparison([Run.open("run")], Path("both.html"))


def test_the_epoch_that_was_nearest_is_kept() -> None:
    optimiser = {"learning_rate": 0.5, "schedule": "constant"}  # too much: it comes and goes
    training = {"epochs": 6, "patience": 2}
    result = hil.train("narma10", out="run", **SHORT | {"training": training}, optimiser=optimiser)
    errors = [row["validation_nrmse"] for row in result.metrics]
    assert result.figures["kept_epoch"] == 1 + int(np.argmin(errors))


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"rule": "drtp"}, "drtp needs classes"),
        ({"rule": "forward_forward"}, "another rule"),
        ({"readout": {"loss": "cross_entropy"}}, "readout.loss=mse"),
        ({"training": {"class_weight": "balanced"}}, "leave it out"),
    ],
)
def test_what_needs_classes_refuses_numbers_before_a_run_is_made(
    sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as error:
        hil.train("narma10", out="run", **SHORT | sections)
    one_line(error)
    assert not Path("run").exists()


def write_files() -> tuple[DataFrame, DataFrame]:
    """Write the same numbers in each format, and a smaller part of them to try with."""
    x = np.random.default_rng(0).random((120, 2)) * 9
    y = 300 + x[:, 0] * x[:, 1] / 7
    table = DataFrame({"a": x[:, 0], "b": x[:, 1], "price": y}).round(3)
    new = table[:30]
    table.to_csv("all.csv", index=False)
    table.to_csv("comma.csv", index=False, sep=";", decimal=",")
    table.to_parquet("all.parquet")
    names = {"feature_names": ["a", "b"], "label_names": ["price"]}
    np.savez("all.npz", x=table[["a", "b"]], y=table["price"], **names)
    new.to_csv("new.csv", index=False)
    return table, new


def test_numbers_of_a_file_are_learned_and_answered_in_their_units() -> None:
    table, new = write_files()
    tables = [
        f"{file}?label=price" for file in ("csv:all.csv", "csv:comma.csv", "parquet:all.parquet")
    ]
    digests = {hil.tasks.load(task).sha256 for task in (*tables, "npz:all.npz")}  # type: ignore[attr-defined]
    assert len(digests) == 1
    result = hil.train(tables[1], out="run", **SHORT, optimiser={"learning_rate": 3e-3})
    same = hil.train(table[["a", "b"]], table["price"], **SHORT, optimiser={"learning_rate": 3e-3})
    assert result.test_nrmse == same.test_nrmse < 1.5
    given = result.predict_file("csv:new.csv?label=price")["output price"]
    for columns in (["a", "b"], ["b", "price", "a"]):  # a table's are found by their names
        np.testing.assert_allclose(given, same.predict(new[columns]))
    with pytest.raises(ValueError, match="lacks b"):
        same.predict(new[["a", "price"]])
    with pytest.raises(AttributeError, match="learned numbers"):
        _ = same.test_accuracy
    assert 290 < given.min() < given.max() < 315
    error = np.sqrt(np.square(given - new["price"]).mean()) / new["price"].std(ddof=0)
    tried = hil.evaluate("run", on="csv:new.csv?label=price")
    assert tried["test_nrmse"] == pytest.approx(error, rel=1e-5)
    rows = dict(summarise(tried))
    assert rows["samples of"].startswith("csv:new.csv") and "NRMSE" in rows["as trained"]
    assert "Output price, sample by sample" in result.report.read_text()


def test_numbers_that_are_whole_are_learned_where_asked_for() -> None:
    x, y = wave()
    whole = y[:, 0].round(0).astype(int) * 100 + np.arange(200)
    with pytest.raises(ValueError, match=r'hil.train\(x, y, problem="regression"') as error:
        hil.train(x, whole)
    one_line(error)
    np.savez("whole.npz", x=x, y=whole)
    with pytest.raises(ValueError, match=r"whole.npz\?problem=regression'") as error:
        hil.train("npz:whole.npz")
    one_line(error)
    result = hil.train("npz:whole.npz?problem=regression", out="run", **SHORT)
    assert result.predict(x).shape == (200,) and result.test_nrmse > 0
    assert hil.evaluate("run")["test_nrmse"] == result.test_nrmse
    few = hil.train(x, whole % 7, problem="regression", **SHORT)  # else seven classes
    assert few.test_nrmse > 0
