"""`SpikingClassifier` holds what scikit-learn asks of its estimators."""

from __future__ import annotations

import pickle
import pickletools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

import hil
from drivers import registry
from hil.classifier import EXPECTED_FAILED_CHECKS, SpikingClassifier
from support.data_sets import one_line

SMALL: dict[str, Any] = {
    "device": "matrix:",
    "hidden": (20,),
    "epochs": 12,
    "settings": {"training": {"batch": 20}, "optimiser": {"learning_rate": 0.01}},
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def device_in_numpy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(registry.BUILTIN, "matrix", "support.matrix_device:MatrixDevice")
    monkeypatch.chdir(tmp_path)


def iris() -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = load_iris(return_X_y=True)
    return x, load_iris().target_names[y]


@pytest.fixture
def fitted(device_in_numpy: None) -> SpikingClassifier:
    return SpikingClassifier(**SMALL).fit(*iris())


# -- what scikit-learn asks for ---------------------------------------------------------------


WEIGHTS = "check_sample_weight_equivalence_on_dense_data"


@estimator_checks.parametrize_with_checks(
    [SpikingClassifier(**SMALL)],
    expected_failed_checks=lambda _: {WEIGHTS: EXPECTED_FAILED_CHECKS[WEIGHTS]},
)
def test_scikit_learn_accepts_it(estimator: SpikingClassifier, check: Any) -> None:
    check(estimator)


def test_what_a_noisy_chip_cannot_hold_is_declared_and_true() -> None:
    x, y = iris()
    noisy = SpikingClassifier(hidden=(10,), epochs=2, random_state=0).fit(x, y)
    scores = noisy.decision_function(x)
    np.testing.assert_array_equal(noisy.decision_function(x), scores)
    assert (noisy.decision_function(x[1:]) != scores[1:]).any()
    assert (noisy.decision_function(x[::-1])[::-1] != scores).any()
    assert set(EXPECTED_FAILED_CHECKS) == {
        WEIGHTS,
        "check_methods_subset_invariance",
        "check_methods_sample_order_invariance",
    }
    assert all(len(reason) > 20 for reason in EXPECTED_FAILED_CHECKS.values())


# -- in use -----------------------------------------------------------------------------------


def test_it_learns_in_a_pipeline_and_leaves_no_file(tmp_path: Path) -> None:
    pipeline = make_pipeline(StandardScaler(), SpikingClassifier(**{**SMALL, "epochs": 40}))
    assert cross_val_score(pipeline, *iris(), cv=3).mean() > 0.85
    assert list(tmp_path.iterdir()) == []


def test_a_grid_goes_over_devices_and_rules() -> None:
    grid = {"device": ["matrix:", "matrix:?reset=hard"], "rule": ["adfa", "dfa"]}
    search = GridSearchCV(SpikingClassifier(**SMALL), grid, cv=2, error_score="raise")
    search.fit(*iris())
    best = search.best_estimator_
    assert len(search.cv_results_["mean_test_score"]) == 4
    assert best.config_["device"] == search.best_params_["device"]
    assert best.config_["rule"]["name"] == search.best_params_["rule"]


def test_scores_probabilities_and_answers_agree(fitted: SpikingClassifier) -> None:
    x, y = iris()
    scores, shares = fitted.decision_function(x), fitted.predict_proba(x)
    assert scores.shape == shares.shape == (150, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for found in (scores, shares):
        np.testing.assert_array_equal(fitted.classes_[found.argmax(axis=1)], fitted.predict(x))
    assert fitted.score(x, y) > 0.85


def test_a_pickle_holds_arrays_and_configuration_alone(fitted: SpikingClassifier) -> None:
    packed = pickle.dumps(fitted)
    names = [
        str(argument).split(" ")[0].split(".")[0]
        for code, argument, _ in pickletools.genops(packed)
        if code.name in ("SHORT_BINUNICODE", "BINUNICODE") and str(argument).startswith("hil")
    ]
    assert (
        names == ["hil"] and b"hil.classifier" in packed
    )  # the class itself, and no other of ours
    again = pickle.loads(packed)
    x, _ = iris()
    np.testing.assert_array_equal(again.decision_function(x), fitted.decision_function(x))
    assert again.config_ == fitted.config_


def test_the_seed_decides(fitted: SpikingClassifier) -> None:
    x, y = iris()
    for seed, same in ((0, True), (1, False)):
        other = SpikingClassifier(**{**SMALL, "random_state": seed}).fit(x, y)
        equal = np.array_equal(other.checkpoint_["weights/0"], fitted.checkpoint_["weights/0"])
        assert equal is same


class Loader:
    """Batches one after the other, as a `DataLoader` gives them: lists of two arrays."""

    def __init__(self, passes: int = 1) -> None:
        self.passes = passes

    def __iter__(self) -> Iterator[list[NDArray[Any]]]:
        x, y = iris()
        order = np.random.default_rng(0).permutation(len(y))
        for rows in [*np.split(order, 5)] * self.passes:
            yield [x[rows], y[rows]]


def test_batches_are_learned_from_in_one_call_or_in_many(device_in_numpy: None) -> None:
    x, y = iris()
    whole = SpikingClassifier(**SMALL).fit_batches(Loader(12), np.unique(y))
    parts = SpikingClassifier(**SMALL)
    for batch in Loader(12):
        parts.partial_fit(*batch, classes=np.unique(y))
    np.testing.assert_array_equal(whole.decision_function(x), parts.decision_function(x))
    assert whole.score(x, y) > 0.8
    before = whole.score(x, y)
    assert whole.fit_batches(Loader(5)).score(x, y) > before - 0.05
    after = SpikingClassifier(**SMALL).fit(x, y).partial_fit(x, y)
    assert after.steps_ == -(-150 // 20) and after.score(x, y) > 0.8
    for wrong, complaint in (
        (lambda: SpikingClassifier(**SMALL).fit_batches(Loader()), "classes"),
        (lambda: whole.fit_batches([]), "there is none"),
        (lambda: whole.fit_batches([x]), "give pairs"),
        (lambda: whole.partial_fit(x, y, classes=[0, 1]), "others than those"),
        (lambda: whole.partial_fit(x, np.repeat("other", 150)), "none of the classes"),
    ):
        with pytest.raises(ValueError, match=complaint):
            wrong()


def test_a_warm_start_goes_on_from_the_last_weights(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = iris()
    short = {**SMALL, "epochs": 1, "settings": {"optimiser": {"learning_rate": 1e-6}}}
    warm = SpikingClassifier(**{**SMALL, "warm_start": True}).fit(x, y)
    before, accuracy = warm.checkpoint_["weights/0"].copy(), warm.score(x, y)
    warm.set_params(**short, verbose=True).fit(x, y)
    assert abs(warm.checkpoint_["weights/0"] - before).max() < 1e-3
    assert warm.score(x, y) > accuracy - 0.05
    with pytest.raises(ValueError, match="none of the classes"):
        warm.fit(x, np.where(y == "setosa", "other", y))


def test_names_of_columns_are_kept_and_held_to(fitted: SpikingClassifier) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = iris()
    table = pandas.DataFrame(x, columns=["a", "b", "c", "d"])
    estimator = SpikingClassifier(**{**SMALL, "epochs": 1}).fit(table, y)
    assert estimator.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(table[["b", "a", "c", "d"]])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"device": "emulator:no-such-chip"}, "no-such-chip"),
        ({"rule": "no-such-rule"}, "no-such-rule"),
        ({"epochs": 0}, "training.epochs"),
        ({"settings": {"network": {"width": 3}}}, "network.width"),
    ],
)
def test_what_does_not_exist_is_refused_by_fit_in_one_line(
    changes: dict[str, Any], complaint: str
) -> None:
    estimator = SpikingClassifier(**{**SMALL, **changes})  # nothing is checked before `fit`
    with pytest.raises(ValueError, match=complaint) as error:
        estimator.fit(*iris())
    one_line(error)


def test_it_is_imported_when_it_is_asked_for() -> None:
    said = "import sys, hil; assert 'sklearn' not in sys.modules; hil.SpikingClassifier()"
    subprocess.run([sys.executable, "-c", said], check=True)
    assert hil.SpikingClassifier is SpikingClassifier
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hil.Nothing  # noqa: B018


# -- unbalanced classes -----------------------------------------------------------------------


def unbalanced(seed: int, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two classes that overlap, one of them with 8 % of the samples."""
    rng = np.random.default_rng(seed)
    few = np.arange(count) < 0.08 * count
    x = rng.normal(0, 1, (count, 4)) + np.where(few[:, None], [1.5, 1.5, 0, 0], 0)
    return x, np.where(few, "few", "many")


def test_weighed_classes_raise_the_balanced_accuracy() -> None:
    gains = []
    for seed in range(4):
        (x, y), (new, truth) = unbalanced(seed, 300), unbalanced(100 + seed, 1000)
        found = []
        for weight in (None, "balanced", {"few": 11.5}):
            asked = {**SMALL, "random_state": seed, "class_weight": weight}
            answers = SpikingClassifier(**asked).fit(x, y).predict(new)
            found.append(balanced_accuracy_score(truth, answers))
        gains.append([found[1] - found[0], found[2] - found[0]])
    assert np.min(gains) > 0 and np.mean(gains) > 0.1, gains


def test_weights_of_samples_are_factors_of_their_loss() -> None:
    x, y = unbalanced(0, 100)
    few = np.where(y == "few", 4.0, 1.0)
    by_class = SpikingClassifier(**SMALL, class_weight={"few": 4.0}).fit(x, y)
    halved = SpikingClassifier(**SMALL, class_weight={"few": 2.0}).fit(x, y, np.sqrt(few))
    for found in (SpikingClassifier(**SMALL).fit(x, y, sample_weight=few), halved):
        np.testing.assert_array_equal(found.decision_function(x), by_class.decision_function(x))


def test_a_sample_without_weight_is_left_out() -> None:
    x, y = iris()
    kept = np.random.default_rng(0).random(len(y)) < 0.7
    extreme = np.where(kept[:, None], x, 1e3)  # nor does it count for the scaling
    without = SpikingClassifier(**SMALL).fit(x[kept], y[kept])
    found = SpikingClassifier(**SMALL).fit(extreme, y, sample_weight=kept.astype(float))
    np.testing.assert_array_equal(found.decision_function(x), without.decision_function(x))
    with pytest.raises(ValueError, match="sample_weight"):
        SpikingClassifier(**SMALL).fit(x, y, sample_weight=-np.ones(len(y)))


def test_a_weight_of_what_is_no_class_is_refused() -> None:
    x, y = iris()
    with pytest.raises(
        ValueError, match=r"class_weight: 'sitosa' is no class: .*'setosa'"
    ) as error:
        SpikingClassifier(**SMALL, class_weight={"sitosa": 2}).fit(x, y)
    one_line(error)


def test_signals_are_classified_by_their_layout() -> None:
    x = np.random.default_rng(0).random((60, 5, 2))
    y = np.repeat(["one", "other"], 30)
    x[:30, :, 0] += 2
    settings = {"encoding": {"hold": 4}, "training": {"batch": 5}}
    found = SpikingClassifier(
        "emulator:ideal", epochs=15, settings=settings, layout="TC", random_state=0
    )
    assert found.fit(x, y).score(x, y) > 0.9
    turned = found.set_params(layout="CT", epochs=1).fit(np.swapaxes(x, 1, 2), y)
    assert turned.predict(np.swapaxes(x[:4], 1, 2)).shape == (4,)
    with pytest.raises(ValueError, match="dim 3"):
        found.set_params(layout=None).fit(x, y)
