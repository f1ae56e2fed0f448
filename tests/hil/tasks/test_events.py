"""Records of events: what becomes of each, what is lost, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import tasks
from hil.tasks.preparation import Preparation
from hil.tasks.sample_set import SampleSet
from hil.tasks.samples import Signals
from support.data_sets import generator, one_line

FIELDS = [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]


def records(seed: int = 0, count: int = 20, start: int = 0) -> list[Any]:
    rng = generator(seed)
    made = []
    for _ in range(count):
        one = np.zeros(rng.integers(5, 40), FIELDS)
        one["t"] = np.sort(rng.integers(0, 1000, len(one))) + start
        one["x"], one["y"] = rng.integers(0, 4, len(one)), rng.integers(0, 3, len(one))
        one["p"] = rng.random(len(one)) < 0.5
        made.append(one)
    return made


def loaded(x: Any, **more: Any) -> Any:
    given = SampleSet.of_program(x, np.arange(len(x)) % 2, test=(x, np.arange(len(x)) % 2))
    given = SampleSet.read({**given.arrays(), **more})
    return given.build(generator(), 0.0)


def by_hand(record: Any, bins: int, until: float, start: float, sides: tuple[int, ...]) -> Any:
    """Bin by bin, with numpy's own histogram."""
    edges = [np.linspace(start, start + until, bins + 1)]
    edges += [np.arange(side + 1) - 0.5 for side in sides]
    points = np.stack([record[key].astype(float) for key in "tpyx"], axis=1)
    counts, _ = np.histogramdd(points, edges)
    return counts.reshape(bins, -1)


@given(seed=st.integers(0, 99), bins=st.sampled_from([1, 7, 64]))
def test_an_event_falls_into_the_bin_of_its_time_and_address(seed: int, bins: int) -> None:
    x = records(seed, count=4)
    data = loaded(x, bins=np.asarray(bins))
    until = max(record["t"].max() for record in x)
    sides = tuple(int(max(record[key].max() for record in x)) + 1 for key in "pyx")
    counts = [by_hand(record, bins, until, 0, sides) for record in x]
    assert data.spec.kind == "events"
    assert data.x_train.dtype == np.uint8
    np.testing.assert_array_equal(data.x_train.values, np.minimum(counts, 1))
    events = sum(len(record) for record in x)
    kept = np.count_nonzero(counts)
    assert data.preparation.binning.merged == pytest.approx(1 - kept / events)
    for row, length in zip(data.x_train.values, data.x_train.lengths, strict=True):
        assert row[length - 1].any()  # the last event is in the last step
        assert not row[length:].any()


def test_time_counts_from_the_first_event_where_records_begin_late() -> None:
    early, late = loaded(records()), loaded(records(start=10**9))
    assert not early.preparation.binning.from_first_event
    assert late.preparation.binning.from_first_event
    assert (late.x_train.values[:, 0].any(axis=1)).all()


def test_new_records_are_counted_as_the_first_ones() -> None:
    first, new = records(), records(1, 3)
    kept = Preparation.from_json(loaded(first).preparation.as_json(), "kept")
    np.testing.assert_array_equal(kept.apply(first).values, loaded(first).x_train.values)
    assert isinstance(kept.apply(new), Signals)
    outside = records(1, 3)
    outside[1]["x"][0] = 9
    with pytest.raises(ValueError, match=r"events at x = 9: .* trained on x below 4") as error:
        kept.apply(outside)
    one_line(error)
    outside = records(1, 3)
    outside[1]["t"][-1] = 9000
    with pytest.raises(ValueError, match="trained on 0 to 9"):
        kept.apply(outside)


def test_a_file_of_events_needs_no_option(tmp_path: Path) -> None:
    x = records()
    lengths = [len(record) for record in x]
    joined = {"events": np.concatenate(x), "labels": np.arange(20) % 2}
    np.savez(tmp_path / "lengths.npz", **joined, lengths=lengths)
    np.savez(tmp_path / "offsets.npz", **joined, offsets=np.cumsum([0, *lengths]))
    renamed = np.concatenate(x)
    renamed.dtype.names = ("timestamp", "x", "y", "polarity")
    np.savez(tmp_path / "renamed.npz", X=renamed, y=np.arange(20) % 2, lens=lengths)
    digests = {
        tasks.get(f"npz:{path}").load(generator(), 0.0).sha256 for path in tmp_path.iterdir()
    }
    assert len(digests) == 1
    task = tasks.get(f"npz:{tmp_path / 'lengths.npz'}?bins=7")
    assert task.load(generator(), 0.0).spec.steps == 7


def test_rasters_are_events_already() -> None:
    raster = generator().random((20, 6, 3)) < 0.3
    for given_as in (raster, raster.astype(np.int64), raster.astype(np.uint8)):
        given = SampleSet.of_program(given_as, np.arange(20) % 2, layout="TC")
        data = given.build(generator(), 0.0)
        assert data.spec.kind == "events"
        assert set(np.unique(data.x_train.values)) == {0, 1}
    with pytest.raises(ValueError, match=r"holds more than 0 and 1: .* trained on events"):
        data.preparation.apply(raster * 2)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"x": -1}, "events at x = -1 to"),
        ({"t": np.nan}, "holds no events, or NaN"),
        ({"x": 2**21}, "give whole numbers from 0"),
    ],
)
def test_values_that_are_no_events_are_refused(changes: dict[str, Any], complaint: str) -> None:
    x = []
    for record in records():
        x.append(np.zeros(len(record), [("t", "<f8"), ("x", "<i8")]))
        x[-1]["t"], x[-1]["x"] = record["t"], record["x"]
    for key, value in changes.items():
        x[3][key][1] = value
    with pytest.raises(ValueError, match=complaint) as error:
        loaded(x)
    one_line(error)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ([("time_of_day", "<f8"), ("x", "<i8")], "records of time_of_day, x: give events with t"),
        ([("t", "<U3"), ("x", "<i8")], "all of them numbers"),
    ],
)
def test_records_of_something_else_are_refused(fields: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        loaded([np.zeros(n, fields) for n in (3, 4, 5)])
    one_line(error)


@pytest.mark.parametrize("bins", ["many", "0", "1000000"])
def test_bins_that_are_none_are_refused(tmp_path: Path, bins: str) -> None:
    x = records()
    np.savez(
        tmp_path / "own.npz",
        x=np.concatenate(x),
        y=np.arange(20) % 2,
        lengths=[len(record) for record in x],
    )
    with pytest.raises(ValueError, match=r"bins is .*: give a whole number, 1 to 100000") as error:
        tasks.get(f"npz:{tmp_path / 'own.npz'}?bins={bins}").load(generator(), 0.0)
    one_line(error)


# -- rows of plain numbers ----------------------------------------------------------------------


def plain(record: Any, columns: str) -> Any:
    return np.stack([record[key].astype(float) for key in columns], axis=1)


@pytest.mark.parametrize("columns", ["txyp", "xytp", "tx"])
def test_rows_of_plain_numbers_are_events_where_it_is_said(tmp_path: Path, columns: str) -> None:
    x, y = records(), np.arange(20) % 2
    expected = loaded([record[[*columns]] for record in x])
    rows = [plain(record, columns) for record in x]
    given = SampleSet.of_program(rows, y, test=(rows, y), layout=columns)
    data = given.build(generator(), 0.0)
    assert data.sha256 == expected.sha256
    kept = Preparation.from_json(data.preparation.as_json(), "kept")
    np.testing.assert_array_equal(kept.apply(rows[:3]).values, data.x_train.values[:3])
    own = {"x": np.concatenate(rows), "lengths": [len(record) for record in x], "y": y}
    np.savez(tmp_path / "own.npz", **own)  # type: ignore[arg-type]
    task = tasks.get(f"npz:{tmp_path / 'own.npz'}?layout={columns}")
    assert task.defaults["encoding"] == {"name": "events"}
    assert task.load(generator(), 0.0).spec.kind == "events"
    with pytest.raises(ValueError, match=f"events of layout {columns} are rows of") as error:
        kept.apply([row[:, :1] for row in rows])
    one_line(error)


@pytest.mark.parametrize(("columns", "guess"), [("txyp", "txyp"), ("xytp", "xytp"), ("tx", "tx")])
def test_rows_that_look_like_events_are_no_signals_without_a_word(
    tmp_path: Path, columns: str, guess: str
) -> None:
    rows, y = [plain(record, columns) for record in records()], np.arange(20) % 2
    with pytest.raises(ValueError, match=rf'events, .* or signals, TC.*layout="{guess}"') as error:
        SampleSet.of_program(rows, y)
    one_line(error)
    assert SampleSet.of_program(rows, y, layout="TC").size.features == len(columns)
    own = {"events": np.concatenate(rows), "lengths": [len(row) for row in rows], "y": y}
    np.savez(tmp_path / "own.npz", **own)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"own.npz\?layout={guess}"):
        tasks.load(f"npz:{tmp_path / 'own.npz'}", 0, 0.0)
