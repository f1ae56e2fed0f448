"""The user's own archive: what is kept, what is scaled, what is refused."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hil import tasks
from hil.tasks.task import Data
from support.data_sets import generator, images, one_line, rows


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
    raw = arrays | {"x_train": levels, "x_test": np.full((9, 2, 2), 500), "layout": np.array("HW")}
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
        ({"x_train": np.zeros((30, 2, 2, 1))}, "x_test has samples of shape"),
        ({"x_test": np.zeros((9, 5))}, "x_test has samples of shape"),
        ({"x_test": np.zeros((9, 2, 2))}, "x_test has samples of shape"),
        ({"x_test": np.zeros((9, 4), np.uint8)}, "x_test is uint8 and x_train float64"),
        ({"x_train": np.full((30, 4), "a")}, "x_train is <U1"),
        ({"x_train": np.zeros((30, 4), complex)}, "x_train is complex128"),
        ({"x_train": np.zeros((0, 4)), "y_train": np.zeros(0, int)}, "x_train is empty"),
        ({"x_test": np.zeros((0, 4)), "y_test": np.zeros(0, int)}, "x_test is empty"),
        ({"y_train": np.tile(np.arange(3), 9)}, r"y_train has shape \(27,\) for 30 samples"),
        ({"y_test": np.zeros((9, 2), int)}, r"y_test has shape \(9, 2\) and is not one-hot"),
        (
            {"y_train": np.tile(np.arange(3) / 2, 10), "problem": np.array("classification")},
            "y_train holds 0.5, which is a measurement",
        ),
        ({"y_train": np.tile([0.5, np.nan, 1], 10)}, "y_train holds NaN or infinity"),
        ({"y_train": np.full((30, 2), 0.5)}, "1 numbers for each sample: give 2"),
        ({"problem": np.array("regresion")}, "did you mean 'regression'"),
        ({"y_test": np.full(9, 3)}, "y_test has labels 3 that y_train has not: give 0, 1, 2"),
        ({"y_test": np.full(9, -1)}, "y_test has labels -1"),
        ({"y_train": np.tile(np.arange(1, 4), 10)}, "y_test has labels 0 that y_train has not"),
        ({"y_train": np.zeros(30, int), "y_test": np.zeros(9, int)}, "y_train holds 0 alone"),
        ({"class_names": np.array(["a", "b"])}, r"class_names has shape \(2,\): give 3 texts"),
        ({"x_validation": np.zeros((3, 4))}, "holds no y_validation"),
        ({"y_train": np.array([{}] * 30)}, r"save it with y_train=y_train.astype\(str\)"),
        ({"x_train": np.array([[1], [2, 3]], object)}, r"lengths_train=\[len\(one\) for"),
        (
            {"x_train": np.zeros(30, [("t", int), ("p", bool)])},
            "holds 30 events: say how many",
        ),
        ({"layout": np.array("WH")}, "layout 'WH': give HW, HWC, CHW for images"),
        ({"layout": np.array("HW")}, r"is not \(N, H, W\)"),
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
        with pytest.raises(
            ValueError, match=f"{path}: cannot be read, it is no npz archive"
        ) as error:
            tasks.get(f"npz:{path}").load(generator(), 0.1)
        one_line(error)
    damaged = bytearray(whole)
    damaged[300] ^= 255  # inside the first array, so that its checksum is wrong
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=f"{path}: cannot be read"):
        tasks.get(f"npz:{path}").load(generator(), 0.1)
    for missing in (tmp_path / "nowhere.npz", tmp_path):
        with pytest.raises(ValueError, match=f"{missing}: (no such file|is a folder)"):
            tasks.get(f"npz:{missing}").load(generator(), 0.1)
    with pytest.raises(ValueError, match="names no file"):
        tasks.get("npz:")


# -- the names that arrays usually have -------------------------------------------------------

USUAL = {
    "keras": ("x_train", "y_train", "x_test", "y_test"),
    "medmnist": ("train_images", "train_labels", "test_images", "test_labels"),
    "capital": ("X_train", "Y_train", "X_test", "Y_test"),
    "reversed": ("train_x", "train_y", "test_x", "test_y"),
    "joined": ("trainX", "trainY", "testX", "testY"),
    "features": ("features_train", "target_train", "features_test", "target_test"),
}


@pytest.mark.parametrize("names", USUAL.values(), ids=USUAL)
def test_arrays_are_known_by_the_names_that_they_usually_have(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    arrays = table()
    expected = load_npz(tmp_path / "expected.npz", arrays)
    own = dict(zip(names, arrays.values(), strict=True)) | {"ids": np.arange(30)}
    assert load_npz(tmp_path / "own.npz", own).sha256 == expected.sha256


def test_a_validation_part_is_known_too(tmp_path: Path) -> None:
    arrays = table() | {"val_images": np.zeros((3, 4)), "val_labels": np.arange(3)[:, None]}
    data = load_npz(tmp_path / "own.npz", arrays)
    np.testing.assert_array_equal(data.y_validation, [0, 1, 2])
    assert len(data.y_train) == 30


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("data", "target"), ("image", "label")])
def test_without_a_test_part_a_share_is_set_aside(tmp_path: Path, names: tuple[str, str]) -> None:
    arrays = table()
    own = {names[0]: arrays["x_train"], names[1]: arrays["y_train"]}
    one = load_npz(tmp_path / "own.npz", own, 0.0)
    assert [len(one.y_train), len(one.y_test)] == [24, 6]
    assert rows(one.x_train) + rows(one.x_test) == rows(arrays["x_train"].astype(np.float32))
    half = tasks.get(f"npz:{tmp_path / 'own.npz'}?test=0.5").load(generator(), 0.0)
    np.testing.assert_array_equal(np.bincount(half.y_test), [5, 5, 5])


def test_names_that_could_be_several_are_told_apart_by_an_option(tmp_path: Path) -> None:
    arrays, path = table(), tmp_path / "own.npz"
    own = {"data": arrays["x_train"], "images": arrays["x_train"], "target": arrays["y_train"]}
    with pytest.raises(ValueError, match=r"data, images may all .*x_train=data'") as error:
        load_npz(path, own)
    one_line(error)
    assert tasks.get(f"npz:{path}?x_train=images").load(generator(), 0.0).features == 4
    with pytest.raises(ValueError, match="holds no 'dada', but data, images, target"):
        tasks.get(f"npz:{path}?x_train=dada").load(generator(), 0.0)


def test_arrays_without_names_are_refused_with_the_options_that_name_them(tmp_path: Path) -> None:
    arrays, path = table(), tmp_path / "own.npz"
    np.savez(path, arrays["x_train"], arrays["y_train"])
    with pytest.raises(ValueError, match=r"arr_0, arr_1: .*x_train=arr_0&y_train=arr_1'") as error:
        tasks.get(f"npz:{path}").load(generator(), 0.0)
    one_line(error)
    data = tasks.get(f"npz:{path}?x_train=arr_0&y_train=arr_1").load(generator(), 0.0)
    assert data.features == 4


def test_what_may_be_a_signal_or_an_image_is_refused_with_the_address_that_says_which(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=np.random.default_rng(0).random((20, 3, 2)), y=np.arange(20) % 2)
    with pytest.raises(
        ValueError, match=r"for signals .*for images .*say which: '.*own\.npz\?layout=TC'"
    ) as error:
        tasks.get(f"npz:{path}").load(generator(), 0.0)
    helps = one_line(error).split("'")[-2]
    assert tasks.get(helps).load(generator(), 0.0).x_train.shape == (16, 3, 2)


def test_a_dictionary_of_scikit_learn_is_read(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits, load_wine

    for name, loaded in (("wine", load_wine()), ("digits", load_digits())):
        path = tmp_path / f"{name}.npz"
        arrays = {key: value for key, value in loaded.items() if isinstance(value, np.ndarray)}
        np.savez(path, **arrays)
        data = tasks.get(f"npz:{path}?x_train=data").load(generator(), 0.0)
        names = [str(name) for name in loaded.target_names]
        assert data.preparation.class_names.tolist() == names


def test_a_test_part_and_a_share_for_it_are_refused(tmp_path: Path) -> None:
    load_npz(tmp_path / "own.npz", table())
    with pytest.raises(ValueError, match="has a test part of its own: leave test= out"):
        tasks.get(f"npz:{tmp_path / 'own.npz'}?test=0.5").load(generator(), 0.0)


@pytest.mark.parametrize("shape", ["(True, 6)", "(6, True)", "(-1, 6)", "(6.0, 6)"])
def test_a_header_with_what_is_no_shape_is_refused(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "own.npz"
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
    np.savez(path, y=np.arange(6) % 2)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x.npy", start + text.encode() + bytes(48))
    with pytest.raises(ValueError, match=r"own.npz: cannot be read") as error:
        tasks.get(f"npz:{path}").load(generator(), 0.0)
    one_line(error)
