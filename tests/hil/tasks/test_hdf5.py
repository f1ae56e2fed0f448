"""Files of HDF5 with samples: the same as archives, and spikes as the Heidelberg Digits come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hil import tasks
from support.data_sets import generator, one_line

LENGTHS = np.tile([3, 5, 2], 10)
LABELS = np.tile(np.arange(3), 10)


def written(path: Path, arrays: dict[str, Any], **packing: Any) -> str:
    """A file of HDF5 with these data sets, and its address."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(packing if np.ndim(array) else {}))
    return f"hdf5:{path}"


def own(kind: str) -> dict[str, Any]:
    rng = generator()
    if kind == "features":
        return {"x": rng.standard_normal((30, 4)), "y": np.array([b"no", b"yes", b"why"])[LABELS]}
    if kind == "signals":
        return {"data": rng.random((30, 2, 6)), "target": LABELS, "layout": "CT"}
    if kind == "lengths":
        return {"signals": rng.standard_normal((100, 2)), "lengths": LENGTHS, "labels": LABELS}
    events = np.zeros(100, [("t", "<f4"), ("x", "<i4"), ("p", "?")])
    events["t"], events["x"] = rng.random(100), rng.integers(0, 3, 100)
    return {"events": events, "offsets": np.cumsum(LENGTHS) - LENGTHS, "y": LABELS}


@pytest.mark.parametrize("kind", ["features", "signals", "lengths", "events"])
@pytest.mark.parametrize(
    "packing", [{}, {"chunks": True}, {"compression": "gzip", "shuffle": True}]
)
def test_data_sets_are_read_as_arrays_of_an_archive(
    tmp_path: Path, kind: str, packing: dict[str, Any]
) -> None:
    arrays = own(kind)
    address = written(tmp_path / "own.h5", arrays, **packing)
    plain = arrays | ({"y": arrays["y"].astype(str)} if kind == "features" else {})
    np.savez(tmp_path / "own.npz", **plain)
    one, two = tasks.get(address), tasks.get(f"npz:{tmp_path / 'own.npz'}")
    assert one.load(generator(), 0.1).sha256 == two.load(generator(), 0.1).sha256
    assert one.defaults == two.defaults != {}


def heidelberg(path: Path, seed: int = 0, **chunks: Any) -> tuple[list[Any], list[Any]]:
    """Spikes of 30 samples as the Spiking Heidelberg Digits keep them."""
    rng = generator(seed)
    times = [np.sort(rng.random(n)).astype(np.float16) for n in rng.integers(1, 90, 30)]
    units = [rng.integers(0, 700, len(each)).astype(np.uint16) for each in times]
    with h5py.File(path, "w") as file:
        for name, lists, dtype in (("times", times, np.float16), ("units", units, np.uint16)):
            held = file.create_dataset(f"spikes/{name}", (30,), h5py.vlen_dtype(dtype), **chunks)
            for number, each in enumerate(lists):
                held[number] = each
        file["labels"] = LABELS.astype(np.uint16)
        file["extra/speaker"] = np.zeros(30, np.uint16)
    return times, units


@pytest.mark.parametrize("chunks", [{}, {"chunks": (7,), "maxshape": (None,)}])
def test_spikes_of_the_heidelberg_digits_are_events(tmp_path: Path, chunks: Any) -> None:
    times, units = heidelberg(tmp_path / "train.h5", **chunks)
    heidelberg(tmp_path / "test.h5", 1)
    address = f"hdf5:{tmp_path / 'train.h5'}?test={tmp_path / 'test.h5'}&bins=20"
    data = tasks.get(address).load(generator(), 0.0)
    assert data.spec.features == max(int(each.max()) for each in units) + 1
    assert data.spec.steps == 20
    latest = max(float(each.max()) for each in times)
    for record in (0, 17):
        steps = np.minimum((times[record] / latest * 20).astype(int), 19)
        expected = np.zeros(data.x_train.shape[1:], np.uint8)
        expected[steps, units[record]] = 1
        assert (data.x_train.values[record] != expected).sum() <= 2  # of rounded times
    assert data.preparation.binning is not None
    assert tasks.get(address).defaults["encoding"] == {"name": "events"}


def test_what_is_no_such_file_is_named(tmp_path: Path) -> None:
    whole = written(tmp_path / "own.h5", own("features"))
    heidelberg(tmp_path / "uneven.h5")
    with h5py.File(tmp_path / "uneven.h5", "a") as file:
        file["spikes/times"][3] = np.zeros(200, np.float16)
    with h5py.File(tmp_path / "ragged.h5", "w") as file:
        held = file.create_dataset("x", (2,), h5py.vlen_dtype(np.float32))
        held[0], file["y"] = np.zeros(3), np.arange(2)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "own.h5").read_bytes()[:900])
    for address, complaint in {
        f"hdf5:{tmp_path / 'uneven.h5'}": "spikes/units: has not one unit for each of times",
        f"hdf5:{tmp_path / 'ragged.h5'}": "x: is no array of numbers: give signals of different",
        f"hdf5:{tmp_path / 'cut.h5'}": "cannot be read, it is no file of HDF5, or cut short",
        f"hdf5:{tmp_path / 'none.h5'}": "no such file",
        f"{whole}?x_train=other": "holds no 'other', but x, y",
    }.items():
        with pytest.raises(ValueError, match=complaint) as error:
            tasks.get(address).load(generator(), 0.0)
        one_line(error)


@pytest.mark.parametrize("packing", [{}, {"chunks": (40_000_000,), "compression": "gzip"}])
@pytest.mark.parametrize("kind", ["S1", h5py.string_dtype()])
def test_more_texts_than_a_file_can_hold_are_refused(
    tmp_path: Path, kind: Any, packing: dict[str, Any]
) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["x"] = np.zeros((30, 4))
        file.create_dataset("y", (40_000_000,), kind, **packing)
    with pytest.raises(ValueError, match=r"own.h5: y: .* more than is read") as error:
        tasks.load(f"hdf5:{tmp_path / 'own.h5'}", 0, 0.0)
    one_line(error)


def test_one_long_text_for_many_samples_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["x"] = np.zeros((90_000, 1), np.uint8)
        texts = file.create_dataset("y", (90_000,), h5py.string_dtype())
        texts[0] = "a" * 50_000
    content = (tmp_path / "own.h5").read_bytes()
    entry = (50_000).to_bytes(4, "little")
    start = content.index(entry)
    whole = content[:start] + content[start : start + 16] * 90_000 + content[start + 1_440_000 :]
    (tmp_path / "own.h5").write_bytes(whole)
    with pytest.raises(ValueError, match=r"own.h5: y: .* more than is read") as error:
        tasks.load(f"hdf5:{tmp_path / 'own.h5'}", 0, 0.0)
    one_line(error)
