"""MNIST and its like: IDX files in any spelling, damaged ones, and where they are looked for."""

import gzip
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hil import tasks
from hil.tasks.task import Data
from support.data_sets import generator, images, one_line, rows

FILES = {
    "train-images-idx3-ubyte": "x_train",
    "train-labels-idx1-ubyte": "y_train",
    "t10k-images-idx3-ubyte": "x_test",
    "t10k-labels-idx1-ubyte": "y_test",
}


def idx(array: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


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
