"""Numbers in place of classes: the regressor, runs of tasks of numbers, and what refuses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.utils import estimator_checks

import hil
from drivers import registry
from hil.classifier import EXPECTED_FAILED_CHECKS
from hil.reports.comparison import write_comparison
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
    np.testing.assert_allclose(given, shown["test_predictions"], rtol=1e-6)
    assert result.metrics[-1]["train_accuracy"] is None
    assert result.metrics[1]["validation_nrmse"] < result.metrics[0]["validation_nrmse"]
    assert hil.evaluate("run")["test_nrmse"] == result.test_nrmse
    assert "Output 0, sample by sample" in result.report.read_text() and not result.not_shown
    np.savez("new.npz", x_train=x[:5], y_train=np.arange(5))
    table = result.predict_file("npz:new.npz")
    np.testing.assert_allclose(table["output 0"], given[:5, 0])
    with pytest.raises(ValueError, match="gives numbers"):
        write_comparison([Run.open("run")], Path("both.html"))
    with pytest.raises(ValueError, match="gives numbers"):
        hil.evaluate("run", on="npz:new.npz")


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


def test_measurements_are_pointed_to_the_regressor() -> None:
    with pytest.raises(ValueError, match="SpikingRegressor"):
        hil.train(*(wave()[0], wave()[1][:, 0]))
