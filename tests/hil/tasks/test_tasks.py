import gzip
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from hil import tasks
from hil.tasks.task import Data, stratified_split

SEEDS = st.integers(0, 2**32 - 1)
FILES = {
    "train-images-idx3-ubyte": "x_train",
    "train-labels-idx1-ubyte": "y_train",
    "t10k-images-idx3-ubyte": "x_test",
    "t10k-labels-idx1-ubyte": "y_test",
}


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def idx(array: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def rows(x: NDArray[np.generic]) -> Counter[bytes]:
    return Counter(row.tobytes() for row in x)


def one_line(error: pytest.ExceptionInfo[ValueError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


# -- finding tasks ----------------------------------------------------------------------------


def test_names_are_the_shipped_tasks() -> None:
    assert tasks.names() == ["digits", "fashion_mnist", "mnist", "yinyang"]
    for name in tasks.names():
        assert tasks.get(name).name == name


def test_a_new_file_is_a_new_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coin.py").write_text(
        "from hil.tasks.task import Task\n"
        "TASK = Task('coin', 'heads or tails', lambda rng, fraction: None)\n"
    )
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    assert "coin" in tasks.names()
    assert tasks.get("coin").description == "heads or tails"


def test_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(ValueError, match="did you mean 'mnist'") as error:
        tasks.get("mnits")
    message = one_line(error)
    for name in [*tasks.names(), "npz:FILE"]:
        assert name in message


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
        ({"x_test": np.zeros((6, 5), np.float32)}, "x_test has 5 features"),
        ({"x_test": np.zeros((0, 4), np.float32), "y_test": np.zeros(0, np.int64)}, "is empty"),
        ({"x_train": np.zeros((6, 4))}, "x_train is float64"),
        ({"x_train": np.full((6, 4), np.nan, np.float32)}, "NaN"),
        ({"x_validation": np.full((6, 4), 1.01, np.float32)}, r"x_validation.*outside \[0, 1\]"),
        ({"y_train": np.zeros(5, np.int64)}, "y_train"),
        ({"y_train": np.zeros(6)}, "y_train is float64"),
        ({"y_test": np.array([0, 1, 2, 0, 1, -1])}, "y_test has labels -1"),
        ({"image_shape": (3, 2)}, "image shape"),
    ],
)
def test_data_refuses_what_a_run_could_not_use(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        small(**changes)
    one_line(error)


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


# -- IDX files --------------------------------------------------------------------------------


def images(seed: int = 0, shape: tuple[int, int] = (5, 7)) -> dict[str, NDArray[np.uint8]]:
    rng = generator(seed)
    return {
        "x_train": rng.integers(0, 256, (40, *shape), dtype=np.uint8),
        "y_train": np.tile(np.arange(10, dtype=np.uint8), 4),
        "x_test": rng.integers(0, 256, (20, *shape), dtype=np.uint8),
        "y_test": np.tile(np.arange(10, dtype=np.uint8), 2),
    }


def write(folder: Path, parts: dict[str, NDArray[np.uint8]], ending: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in FILES.items():
        content = idx(parts[part])
        path = folder / f"{name}{ending}"
        path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIL_DATA_DIR", str(tmp_path))
    return tmp_path / "fashion_mnist"


def load(validation_fraction: float = 0.25) -> Data:
    return tasks.get("fashion_mnist").load(generator(), validation_fraction)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_round_trip_in_every_spelling(folder: Path, ending: str, dotted: bool) -> None:
    parts = images()
    write(folder, parts, ending)
    if dotted:
        for path in list(folder.iterdir()):
            path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    data = load()
    assert data.image_shape == (5, 7)
    assert data.classes == 10
    assert data.x_train.dtype == np.uint8
    np.testing.assert_array_equal(data.x_test, parts["x_test"].reshape(20, 35))
    np.testing.assert_array_equal(data.y_test, parts["y_test"])

    def pairs(x: NDArray[np.generic], y: NDArray[np.generic]) -> Counter[bytes]:
        return rows(np.hstack([x.reshape(len(x), -1), y[:, None].astype(np.uint8)]))

    validation = pairs(data.x_validation, data.y_validation)
    assert validation.total() == 10
    assert pairs(data.x_train, data.y_train) + validation == pairs(
        parts["x_train"], parts["y_train"]
    )


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("compressed", [False, True])
def test_truncated_idx_file_is_named(folder: Path, name: str, compressed: bool) -> None:
    write(folder, images(), ".gz" if compressed else "")
    path = folder / (name + ".gz" * compressed)
    content = path.read_bytes()
    for length in (0, 2, 3, 4, 7, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=str(path)) as error:
            load()
        one_line(error)
    path.write_bytes(content)
    load()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("train-images-idx3-ubyte", b"\x89PNG....", "begins with 89504e47"),
        ("train-images-idx3-ubyte", b"\x1f\x8b" + b"x" * 40, "cannot be read"),
        ("train-images-idx3-ubyte", b"\0\0\x0d\3" + bytes(12), "begins with 00000d03"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((20, 35), np.uint8)), "has 2 dimensions"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros((20, 1), np.uint8)), "has 2 dimensions"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((20, 7, 5), np.uint8)), r"\(7, 5\) pixels"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((0, 5, 7), np.uint8)), "is empty"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((20, 5, 7), np.uint8)) + b"x", "damaged"),
        ("train-labels-idx1-ubyte", idx(np.zeros((1,) * 64, np.uint8)), "64 dimensions"),
        ("train-labels-idx1-ubyte", idx(np.zeros(39, np.uint8)), "39 labels for the 40 images"),
        ("train-labels-idx1-ubyte", idx(np.full(40, 10, np.uint8)), "the label 10"),
    ],
)
def test_wrong_idx_file_is_named(folder: Path, name: str, content: bytes, complaint: str) -> None:
    write(folder, images())
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{folder / name}: .*{complaint}") as error:
        load()
    one_line(error)


def test_missing_idx_file_is_named_and_not_taken_from_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, images())
    (folder / "t10k-labels-idx1-ubyte").unlink()
    monkeypatch.setattr("pooch.retrieve", lambda *_: pytest.fail("looked elsewhere"))
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte is missing") as error:
        load()
    assert str(folder) in one_line(error)


def test_without_own_files_the_cache_is_asked_with_checksums(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = write(tmp_path / "cache" / "fashion_mnist", images(), ".gz")

    def retrieve(url: str, known_hash: str, fname: str, path: Path) -> str:
        assert url.startswith("http")
        assert url.endswith(fname)
        assert known_hash.startswith("sha256:")
        assert len(known_hash) == len("sha256:") + 64
        return str(path / fname)

    monkeypatch.setattr("pooch.os_cache", lambda _: cache.parent)
    monkeypatch.setattr("pooch.retrieve", retrieve)
    np.testing.assert_array_equal(load().y_test, images()["y_test"])


@pytest.mark.parametrize("failure", [ConnectionError("no route"), ValueError("hash mismatch")])
def test_failed_download_says_where_to_put_the_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def retrieve(*_: object) -> str:
        raise failure

    monkeypatch.setattr("pooch.retrieve", retrieve)
    with pytest.raises(ValueError, match="train-images-idx3-ubyte is neither in") as error:
        load()
    assert "put the four IDX files in $HIL_DATA_DIR/fashion_mnist" in one_line(error)


@pytest.mark.skipif("HIL_DATA_DIR" not in os.environ, reason="HIL_DATA_DIR is not set")
def test_mnist_is_mnist() -> None:
    data = tasks.get("mnist").load(generator(), 1 / 6)
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (50000, 10000, 10000)
    assert data.image_shape == (28, 28)
    np.testing.assert_array_equal(data.y_test[:10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
    known = np.bincount(np.concatenate([data.y_train, data.y_validation]))
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_array_equal(known, counts)
    np.testing.assert_allclose(np.bincount(data.y_validation), known / 6, atol=1)
    assert abs(Data.batch(data.x_test).mean() - 0.1325) < 1e-4


# -- the user's own archive -------------------------------------------------------------------


def table(seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = generator(seed)
    return {
        "x_train": rng.random((30, 4)),
        "y_train": np.tile(np.arange(3), 10),
        "x_test": rng.random((9, 4)),
        "y_test": np.tile(np.arange(3), 3),
    }


def load_npz(path: Path, arrays: dict[str, NDArray[np.generic]], fraction: float = 0.2) -> Data:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return tasks.get(f"npz:{path}").load(generator(), fraction)


def test_npz_in_range_is_kept_and_split(tmp_path: Path) -> None:
    arrays = table()
    data = load_npz(tmp_path / "own.npz", arrays)
    np.testing.assert_array_equal(data.x_test, arrays["x_test"].astype(np.float32))
    assert rows(data.x_train) + rows(data.x_validation) == rows(
        arrays["x_train"].astype(np.float32)
    )
    np.testing.assert_array_equal(np.bincount(data.y_validation), [2, 2, 2])
    assert data.classes == 3
    assert data.image_shape is None


def test_npz_with_a_validation_part_is_not_split(tmp_path: Path) -> None:
    arrays = table()
    arrays |= {"x_validation": arrays["x_test"][:5], "y_validation": arrays["y_test"][:5]}
    data = load_npz(tmp_path / "own.npz", arrays)
    np.testing.assert_array_equal(data.x_validation, data.x_test[:5])
    np.testing.assert_array_equal(data.y_train, arrays["y_train"])


def test_npz_images_of_bytes_stay_bytes(tmp_path: Path) -> None:
    parts = images(shape=(3, 5))
    data = load_npz(tmp_path / "own.npz", dict(parts))
    assert data.image_shape == (3, 5)
    assert data.x_test.dtype == np.uint8
    np.testing.assert_array_equal(data.x_test, parts["x_test"].reshape(20, 15))


def test_npz_columns_are_scaled_by_their_training_range(tmp_path: Path) -> None:
    arrays = table()
    units, origin = np.array([100.0, 0.01, 7.0, 0.0]), np.array([-50.0, 3.0, 0.0, 5.0])
    raw = arrays | {k: arrays[k] * units + origin for k in ("x_train", "x_test")}
    data = load_npz(tmp_path / "own.npz", raw, 0)
    np.testing.assert_allclose(data.x_train[:, :3].min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train[:, :3].max(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(data.x_train[:, 3], 0)  # a constant says nothing
    for column in range(3):  # the scaling is affine, whatever the unit was
        correlation = np.corrcoef(data.x_train[:, column], arrays["x_train"][:, column])[0, 1]
        assert correlation > 1 - 1e-9
    assert data.x_test.min() >= 0
    assert data.x_test.max() <= 1


def test_npz_images_are_scaled_as_a_whole(tmp_path: Path) -> None:
    arrays = table()
    levels = np.arange(30 * 4).reshape(30, 2, 2) * 2 - 10
    raw = arrays | {"x_train": levels, "x_test": np.full((9, 2, 2), 500)}
    data = load_npz(tmp_path / "own.npz", raw, 0)
    expected = np.linspace(0, 1, 120).reshape(30, 4)
    np.testing.assert_allclose(data.x_train, expected, atol=1e-6)
    np.testing.assert_array_equal(data.x_test, 1)  # brighter than any training pixel: clipped


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"x_train": np.full((30, 4), np.nan)}, "x_train holds NaN"),
        ({"x_test": np.full((9, 4), np.inf)}, "x_test holds NaN or infinity"),
        ({"x_train": np.zeros(30)}, r"x_train has shape \(30,\)"),
        ({"x_train": np.zeros((30, 2, 2, 1))}, "x_train has shape"),
        ({"x_test": np.zeros((9, 5))}, "x_test has samples of shape"),
        ({"x_test": np.zeros((9, 2, 2))}, "x_test has samples of shape"),
        ({"x_test": np.zeros((9, 4), np.uint8)}, "x_test is uint8 and x_train float64"),
        ({"x_train": np.full((30, 4), "a")}, "x_train is <U1"),
        ({"x_train": np.zeros((30, 4), complex)}, "x_train is complex128"),
        ({"x_train": np.zeros((0, 4)), "y_train": np.zeros(0, int)}, "x_train is empty"),
        ({"x_test": np.zeros((0, 4)), "y_test": np.zeros(0, int)}, "x_test is empty"),
        ({"y_train": np.tile(np.arange(3), 9)}, r"y_train has shape \(27,\) for 30 samples"),
        ({"y_test": np.zeros((9, 1), int)}, r"y_test has shape \(9, 1\)"),
        ({"y_train": np.tile(np.arange(3.0), 10)}, "y_train is float64: give integers"),
        ({"y_test": np.full(9, 3)}, "y_test has labels 3 to 3: give 0 to 2"),
        ({"y_test": np.full(9, -1)}, "y_test has labels -1"),
        ({"y_train": np.tile(np.arange(1, 4), 10)}, "number the classes 0 to 2"),
        ({"y_train": np.tile([0, 1, 10**9], 10)}, "number the classes 0 to 2"),
        ({"y_train": np.zeros(30, int), "y_test": np.zeros(9, int)}, "classes is 1"),
        ({"x_validation": np.zeros((3, 4))}, "holds no y_validation"),
        ({"y_train": np.array([{}] * 30)}, "cannot be read"),
    ],
)
def test_npz_that_cannot_be_used_is_named(
    tmp_path: Path, changes: dict[str, NDArray[np.generic]], complaint: str
) -> None:
    path = tmp_path / "own.npz"
    with pytest.raises(ValueError, match=f"{path}: .*{complaint}") as error:
        load_npz(path, table() | changes)
    one_line(error)


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_npz_without_a_key_names_it(tmp_path: Path, key: str) -> None:
    arrays = table()
    del arrays[key]
    with pytest.raises(ValueError, match=f"holds no {key}") as error:
        load_npz(tmp_path / "own.npz", arrays)
    one_line(error)


def test_what_is_no_npz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, **table())  # type: ignore[arg-type]
    whole = path.read_bytes()
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    for content in (b"", b"no archive", single.read_bytes(), whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path}: is no npz archive") as error:
            tasks.get(f"npz:{path}").load(generator(), 0.1)
        one_line(error)
    damaged = bytearray(whole)
    damaged[300] ^= 255  # inside the first array, so that its checksum is wrong
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=f"{path}: cannot be read"):
        tasks.get(f"npz:{path}").load(generator(), 0.1)
    for missing in (tmp_path / "nowhere.npz", tmp_path):
        with pytest.raises(ValueError, match=f"{missing}: no such file"):
            tasks.get(f"npz:{missing}").load(generator(), 0.1)
    with pytest.raises(ValueError, match="names no file"):
        tasks.get("npz:")
