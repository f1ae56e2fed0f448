"""Tasks: how they are found, how samples are split, what data must be, the two small ones."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from hil import discovery, tasks
from hil.tasks.task import Data, stratified_split
from support.data_sets import generator, one_line, rows

SEEDS = st.integers(0, 2**32 - 1)


# -- finding tasks ----------------------------------------------------------------------------


def test_names_are_the_shipped_tasks() -> None:
    in_time = ["digits_rows", "japanese_vowels", "mnist1d"]
    numbers = ["mackey_glass", "mackey_glass_series", "narma10"]
    assert tasks.names() == sorted(
        ["digits", "fashion_mnist", "mnist", "yinyang", *in_time, *numbers]
    )
    for name in tasks.names():
        assert tasks.get(name).name == name


def test_a_new_file_is_a_new_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coin.py").write_text(
        "from hil.tasks.task import Task\n"
        "TASK = Task('coin', 'heads or tails', lambda rng, fraction: None)\n"
    )
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    monkeypatch.setattr(discovery, "_find_defined", discovery._find_defined.__wrapped__)
    assert "coin" in tasks.names()
    assert tasks.get("coin").description == "heads or tails"


@pytest.mark.parametrize("name", ["digits-rows", "digits_rows"])
def test_words_of_a_name_are_joined_either_way(name: str) -> None:
    from hil import config

    assert tasks.get(name).name == "digits_rows"
    assert config.build({"task": name}).task == "digits_rows"  # kept one way


def test_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(ValueError, match="did you mean 'mnist'") as error:
        tasks.get("mnits")
    message = one_line(error)
    for name in [*tasks.names(), "npz:FILE"]:
        assert name in message


@pytest.mark.parametrize(
    ("task", "modules", "extra"),
    [
        ("parquet:own.txt", ["pyarrow"], "parquet"),
        ("hdf5:own.txt", ["pyfive"], "hdf5"),
        ("mnist1d", ["mnist1d", "mnist1d.data"], "mnist1d"),
        ("japanese_vowels", ["aeon", "aeon.datasets"], "aeon"),
    ],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, modules: list[str], extra: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.txt").write_text("anything")
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=rf'pip install "spikeloop\[{extra}\]"') as error:
        tasks.load(task)
    one_line(error)


# -- splitting --------------------------------------------------------------------------------


@given(
    y=st.lists(st.integers(0, 4), min_size=20, max_size=200),
    fraction=st.floats(0.05, 0.95),
    seed=SEEDS,
)
def test_split_is_a_stratified_partition(y: list[int], fraction: float, seed: int) -> None:
    labels = np.array(y)
    rest, taken = stratified_split(labels, fraction, generator(seed))
    np.testing.assert_array_equal(np.sort(np.concatenate([rest, taken])), np.arange(len(y)))
    assert len(taken) == round(fraction * len(y))
    share = len(taken) / len(y)
    for label in range(5):
        expected = share * np.count_nonzero(labels == label)
        assert abs(np.count_nonzero(labels[taken] == label) - expected) <= 1


def test_split_is_random_by_the_generator_alone() -> None:
    labels = np.repeat(np.arange(4), 50)
    first, again, other = (stratified_split(labels, 0.3, generator(s))[1] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_split_takes_every_sample_equally_often() -> None:
    labels = np.repeat(np.arange(3), [5, 7, 8])
    rng = generator(3)
    taken = np.concatenate([stratified_split(labels, 0.4, rng)[1] for _ in range(3000)])
    frequency = np.bincount(taken, minlength=20) / 3000
    for label in range(3):  # within a class no sample is preferred; 5 sigma of 3000 draws
        spread = frequency[labels == label]
        assert np.ptp(spread) < 2 * 5 * np.sqrt(0.25 / 3000)


def test_fraction_zero_leaves_all_to_training() -> None:
    data = tasks.get("digits").load(generator(), 0.0)
    assert data.x_validation.shape == (0, 64)
    assert len(data.x_train) == 1797 - len(data.x_test)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 1.5, float("nan"), 0.001])
def test_impossible_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="validation fraction"):
        stratified_split(np.zeros(10, dtype=np.int64), fraction, generator())


# -- data -------------------------------------------------------------------------------------


def small(**changes: object) -> Data:
    x, y = np.full((6, 4), 0.5, dtype=np.float32), np.array([0, 1, 2, 0, 1, 2])
    parts = {
        f"{k}_{p}": v for p in ("train", "validation", "test") for k, v in (("x", x), ("y", y))
    }
    return Data(**{**parts, "classes": 3, "image_shape": (2, 2), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"classes": 1}, "classes is 1"),
        ({"classes": 2}, "y_train has labels 0 to 2"),
        ({"x_test": np.zeros((6, 5), np.float32)}, r"x_test has samples of shape \(5,\)"),
        ({"x_train": np.zeros((0, 4), np.float32), "y_train": np.zeros(0, np.int64)}, "is empty"),
        ({"x_train": np.zeros((6, 4))}, "x_train is float64"),
        ({"x_train": np.full((6, 4), np.nan, np.float32)}, "NaN"),
        ({"x_validation": np.full((6, 4), 1.01, np.float32)}, r"x_validation.*outside \[0, 1\]"),
        ({"y_train": np.zeros(5, np.int64)}, "y_train"),
        ({"y_train": np.zeros(6)}, "y_train is float64"),
        ({"y_test": np.array([0, 1, 2, 0, 1, -1])}, "y_test has labels -1"),
        ({"image_shape": (3, 2)}, "image shape"),
        ({"weights_train": np.ones(5, np.float32)}, r"weights_train is .*\(5,\) for 6 samples"),
        ({"weights_train": np.ones(6)}, "weights_train is float64"),
        ({"weights_train": np.float32([1, 1, -1, 1, 1, 1])}, "weights_train: .* from 0 on"),
        ({"weights_train": np.zeros(6, np.float32)}, "weights_train: .* not all of them 0"),
    ],
)
def test_data_refuses_what_a_run_could_not_use(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        small(**changes)
    one_line(error)


def test_data_of_other_weights_are_other_data() -> None:
    weights = (None, np.ones(6, np.float32), np.full(6, 2, np.float32))
    assert len({small(weights_train=each).sha256 for each in weights}) == 3


def test_batch_scales_bytes_to_one_and_keeps_floats() -> None:
    scaled = Data.batch(np.arange(256, dtype=np.uint8).reshape(2, 128))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.ravel(), np.arange(256) / 255, rtol=1e-6)
    assert scaled.max() == 1
    floats = np.array([[0.25, 1.0]], dtype=np.float32)
    np.testing.assert_array_equal(Data.batch(floats), floats)


# -- digits -----------------------------------------------------------------------------------


def test_digits_are_the_same_samples_whatever_the_seed() -> None:
    from sklearn.datasets import load_digits

    one, two = (tasks.get("digits").load(generator(seed), 0.1) for seed in (1, 2))
    np.testing.assert_array_equal(one.x_test, two.x_test)
    assert not np.array_equal(one.x_validation, two.x_validation)
    for data in (one, two):
        parts = [data.x_train, data.x_validation, data.x_test]
        assert rows(np.concatenate(parts)) == rows((load_digits().data / 16).astype(np.float32))
        assert data.image_shape == (8, 8)
    assert abs(len(one.x_test) / 1797 - 0.2) < 0.001
    share = np.bincount(one.y_test) / np.bincount(load_digits().target)
    np.testing.assert_allclose(share, 0.2, atol=0.01)


def test_the_parts_of_a_task_are_given_to_programs_and_written_to_files(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    data = tasks.load("digits")
    rest, test = stratified_split(load_digits().target, 0.2, np.random.default_rng(1797))
    np.testing.assert_array_equal(data.x_test, (load_digits().data[test] / 16).astype(np.float32))
    assert len(data.x_train) + len(data.x_validation) == len(rest)
    for name in ("digits", "digits-rows", "yinyang"):
        path = tasks.save(name, tmp_path / f"{name}.npz", seed=3)
        assert tasks.load(f"npz:{path}").sha256 == tasks.load(name, 3).sha256


# -- Yin-Yang ---------------------------------------------------------------------------------


def test_yinyang_is_the_published_data_set() -> None:
    data = tasks.get("yinyang").load(generator(), 0.1)
    assert [len(data.x_train), len(data.x_validation), len(data.x_test)] == [5000, 1000, 1000]
    # The first points of the files that the authors published.
    published = [[0.23409665, 0.40172498], [0.75132902, 0.46824252], [0.13832531, 0.57095397]]
    np.testing.assert_allclose(data.x_test[:3, :2], published, atol=1e-7)
    np.testing.assert_array_equal(data.y_test[:8], [2, 2, 1, 1, 1, 2, 2, 0])


def test_yinyang_has_the_symmetries_of_the_sign() -> None:
    data = tasks.get("yinyang").load(generator(), 0.1)
    x, y = data.x_train, data.y_train
    np.testing.assert_allclose(x[:, :2] + x[:, 2:], 1, atol=1e-6)
    assert (np.hypot(*(x[:, :2] - 0.5).T) <= 0.5 + 1e-6).all()
    np.testing.assert_allclose(np.bincount(y) / 5000, 1 / 3, atol=0.03)
    dots = x[y == 2, :2]
    to_centre = [np.hypot(*(dots - centre).T) for centre in ([0.25, 0.5], [0.75, 0.5])]
    assert (np.minimum(*to_centre) <= 0.1 + 1e-6).all()
    # Half a turn about the centre exchanges the two halves and maps the dots on each other.
    neighbours = KNeighborsClassifier(1).fit(x[:, :2], y)
    turned = neighbours.predict(1 - data.x_test[:, :2])
    assert np.mean(turned == np.array([1, 0, 2])[data.y_test]) > 0.95
