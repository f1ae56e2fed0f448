"""Files at the door: what was saved comes back, and nothing else gets in."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

import drivers
from drivers import Network, Probe, Readout, Stimulus
from drivers.contract.messages import write_npz
from drivers.files.writing import write_text

ANYWHERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


@ANYWHERE
@given(
    kind=st.sampled_from(["current", "current_trace", "spikes"]),
    steps=st.integers(1, 6),
    batch=st.integers(1, 4),
    channels=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_stimuli_come_back(
    tmp_path: Path, kind: str, steps: int, batch: int, channels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    if kind == "current":
        item = Stimulus.current(rng.normal(size=(batch, channels)), steps=steps)
    elif kind == "current_trace":
        item = Stimulus.current_trace(rng.normal(size=(steps, batch, channels)))
    else:
        counts = csr_matrix(rng.poisson(0.5, (steps * batch, channels)))
        item = Stimulus.spikes(counts, steps=steps)
    back = drivers.load(drivers.save(tmp_path / "item.npz", item))
    assert isinstance(back, Stimulus)
    assert (back.kind, back.steps, back.batch, back.channels) == (kind, steps, batch, channels)
    if kind == "spikes":
        np.testing.assert_array_equal(back.data.toarray(), item.data.toarray())  # type: ignore[union-attr]
    else:
        np.testing.assert_array_equal(back.data, item.data)


def test_readouts_come_back(tmp_path: Path) -> None:
    with drivers.open("emulator:mixed-signal") as device:
        device.configure(Network.feed_forward((4, 6, 3), (2.0, 2.0)))
        device.write_weights(0, np.full((4, 6), 0.5))
        probes = [Probe(1), Probe(1, neurons=(2, 0), every=3), Probe(2, "spikes", reduce="mean")]
        item = device.run(Stimulus.current(np.ones((2, 4)), steps=9), probes)
    back = drivers.load(drivers.save(tmp_path / "item.npz", item))
    assert isinstance(back, Readout)
    assert (back.steps, back.membrane_sampled) == (9, "before_reset")
    np.testing.assert_array_equal(back.counts, item.counts)
    assert list(back.samples) == probes
    for probe in probes:
        np.testing.assert_array_equal(back.samples[probe], item.samples[probe])


def test_weights_come_back_in_order(tmp_path: Path) -> None:
    weights = [np.full((2, 3), p, np.float32) for p in range(12)]
    back = drivers.load(drivers.save(tmp_path / "item.npz", weights))
    assert isinstance(back, tuple)
    for found, expected in zip(back, weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_file_cut_anywhere_is_refused_in_one_line(tmp_path: Path) -> None:
    path = drivers.save(tmp_path / "item.npz", [np.ones((3, 3), np.float32)])
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(drivers.FileFormatError, match=r"item\.npz") as caught:
            drivers.load(path)
        assert "\n" not in str(caught.value)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (Path.touch, (tmp_path / "exploded",))

    path = tmp_path / "item.npz"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(drivers.FileFormatError):
        drivers.load(path)
    np.savez(path, __kind__=np.array(Bomb(), dtype=object), __version__=1)
    with pytest.raises(drivers.FileFormatError):
        drivers.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        member = io.BytesIO()
        np.save(member, np.array([Bomb()], dtype=object), allow_pickle=True)
        archive.writestr("__kind__.npy", member.getvalue())
    with pytest.raises(drivers.FileFormatError):
        drivers.load(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("kind", "version", "arrays", "words"),
    [
        ("weights", 99, {"w0": np.ones((2, 2))}, "version 99"),
        ("checkpoint", 1, {}, "holds checkpoint"),
        ("stimulus", 1, {"kind": "current", "steps": 0, "data": np.ones((1, 1))}, "at least 1"),
        ("stimulus", 1, {"kind": "spikes", "steps": 1}, "damaged stimulus"),
        ("readout", 1, {"counts": np.ones((1, 1)), "steps": 1, "probes": "{"}, "damaged readout"),
        ("weights", 1, {"w1": np.ones((2, 2))}, "damaged weights"),
    ],
)
def test_foreign_and_damaged_contents_are_refused(
    tmp_path: Path, kind: str, version: int, arrays: dict[str, object], words: str
) -> None:
    path = write_npz(tmp_path / "item.npz", kind, arrays, version)
    with pytest.raises(drivers.FileFormatError, match=words):
        drivers.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(drivers.FileFormatError, match="no such file"):
        drivers.load(tmp_path / "none.npz")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drivers.save(tmp_path / "item.npz", [np.ones((3, 3), np.float32)])
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        drivers.save(path, [np.zeros((3, 3), np.float32)])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["item.npz"]


def test_a_text_is_written_as_utf_8_and_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    assert write_text(path, "µ\n") == path
    assert path.read_bytes() == b"\xc2\xb5\n"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [
        ("page.html", b"\xc2\xb5\n")
    ]


def test_nothing_but_a_file_or_a_link_is_replaced(tmp_path: Path) -> None:
    """A device would be lost, even to one who may: to a program of root, `/dev/null`."""
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "link"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to(pipe)
    for place in (pipe, folder):
        with pytest.raises(OSError, match="no file to write") as error:
            write_text(place, "x")
        assert error.value.filename == str(place)
    write_text(link, "x")
    assert link.read_text(encoding="utf-8") == "x" and not link.is_symlink()
    assert pipe.is_fifo() and sorted(p.name for p in tmp_path.iterdir()) == [
        "folder",
        "link",
        "pipe",
    ]
