"""Samples in time: what holds them, how they are scaled, and the digits row by row."""

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
from hil.tasks.task import Data, suggest_settings
from support.data_sets import generator, one_line

LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=9)


def pieces(lengths: list[int], channels: int = 3, seed: int = 0) -> list[Any]:
    rng = generator(seed)
    return [rng.random((length, channels), np.float32) for length in lengths]


def signals(lengths: list[int], channels: int = 3) -> Signals:
    return Signals.from_rows(np.concatenate(pieces(lengths, channels)), np.array(lengths))


def data(x: Any, layout: str | None = None, **more: Any) -> Data:
    given = SampleSet.of_program(x, np.arange(len(x)) % 2, layout=layout, **more)
    return given.build(generator(), 0.0)


# -- what holds them ----------------------------------------------------------------------------


@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_signals_of_any_length_keep_their_steps_and_nothing_else(
    lengths: list[int], seed: int
) -> None:
    each, batch = pieces(lengths), signals(lengths)
    assert batch.shape == (len(lengths), max(lengths), 3)
    np.testing.assert_array_equal(batch.steps, np.concatenate(each))
    assert batch.mask.sum() == sum(lengths)
    assert not batch.values[~batch.mask].any()
    chosen = generator(seed).integers(len(lengths), size=5)
    some = batch[chosen]
    assert len(some) == 5
    for row, number in enumerate(chosen):
        np.testing.assert_array_equal(some[row : row + 1].steps, each[number])


@pytest.mark.parametrize(
    ("values", "lengths", "complaint"),
    [
        (np.zeros((2, 3)), [3, 3], r"shape \(2, 3\): give \(N, steps, channels\)"),
        (np.zeros((2, 0, 3)), [0, 0], "at least one step"),
        (np.zeros((2, 3, 4)), [3], "give one int64 for each"),
        (np.zeros((2, 3, 4)), [3, 4], "lengths of signals are 3 to 4: give 1 to 3"),
        (np.zeros((2, 3, 4)), [0, 3], "lengths of signals are 0 to 3"),
    ],
)
def test_what_are_no_signals_is_refused(values: Any, lengths: list[int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        Signals(values, np.array(lengths))
    one_line(error)


def test_data_in_time_are_known_by_their_values_and_lengths() -> None:
    def of(x: Signals) -> Data:
        y = np.array([0, 1, 1])
        return Data(x, y, x[:0], y[:0], x, y, classes=2)

    one = signals([4, 2, 4])
    longer = Signals(one.values, np.array([4, 3, 4]))  # ends with a step of zeros
    assert of(one).sha256 == of(signals([4, 2, 4])).sha256 != of(longer).sha256
    assert of(one).spec.steps == 4
    assert of(one).spec.kind == "signals"
    with pytest.raises(ValueError, match=r"x_test has samples of shape \(3, 3\)"):
        Data(one, np.array([0, 1, 1]), one[:0], np.zeros(0, int), signals([3]), np.zeros(1, int), 2)
    with pytest.raises(ValueError, match="or Signals of float32"):
        of(Signals(one.values.astype(np.uint8), one.lengths))


# -- how they are scaled ------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["TC", "CT"])
def test_each_channel_is_scaled_by_its_range_in_the_training_part(layout: str) -> None:
    raw = generator().standard_normal((20, 5, 3)) * [1.0, 100.0, 0.01] + [0.0, 7.0, -3.0]
    test = raw[:4] * 2
    x, other = (np.swapaxes(a, 1, 2) if layout == "CT" else a for a in (raw, test))
    dataset = data(x, layout, test=(other, np.arange(4) % 2))
    low, high = raw.min(axis=(0, 1)), raw.max(axis=(0, 1))
    np.testing.assert_allclose(dataset.x_train.values, (raw - low) / (high - low), atol=1e-6)
    expected = np.clip((test - low) / (high - low), 0, 1)
    np.testing.assert_allclose(dataset.x_test.values, expected, atol=1e-6)
    assert dataset.spec.features == 3
    assert dataset.spec.steps == 5


@pytest.mark.parametrize(
    ("unit", "scaled"), [(1e-3, True), (0.4, True), (0.6, False), (1.0, False)]
)
def test_a_small_unit_is_scaled_and_what_fills_half_of_the_unit_interval_is_not(
    unit: float, scaled: bool
) -> None:
    x = generator().random((10, 5, 2))
    x[0, 0], x[0, 1] = 0, 1
    values = data(unit * x, "TC", test=(x, np.arange(10) % 2)).x_train.values
    np.testing.assert_allclose(values, x if scaled else unit * x, rtol=1e-5)


@pytest.mark.parametrize(("steps", "hold"), [(8, 2), (49, 2), (50, 1)])
def test_a_short_signal_is_held_for_longer_however_it_is_given(
    tmp_path: Path, steps: int, hold: int
) -> None:
    x, y = generator().random((4, steps, 3)), np.arange(4) % 2
    np.savez(tmp_path / "whole.npz", x=x, y=y, layout="TC")
    np.savez(tmp_path / "rows.npz", x=x.reshape(-1, 3), y=y, lengths=np.full(4, steps))
    given = (
        SampleSet.of_program(x, y, layout="TC", test=(x, y)),
        SampleSet.of_program([*x, x[0, 1:]], [*y, 0]),
    )
    for variant in (
        *(tasks.get(f"npz:{tmp_path / name}.npz").defaults for name in ("whole", "rows")),
        *(suggest_settings(each.size) for each in given),
    ):
        assert variant["encoding"]["hold"] == hold


def test_a_network_that_learns_from_few_short_signals_is_told_the_time_and_remembers_less() -> None:
    y = np.arange(100) % 2
    for samples, steps, is_timed in ((99, 49, True), (100, 49, False), (99, 50, False)):
        x = generator().random((samples, steps, 1))
        given = SampleSet.of_program(x, y[:samples], test=(x, y[:samples]))
        variant = suggest_settings(given.size)
        assert ("time_fields" in variant["encoding"]) == is_timed
        assert variant["network"]["recurrent"] != is_timed


def test_a_single_channel_needs_no_axis_and_one_of_length_one_says_so() -> None:
    x = generator().random((20, 6)).astype(np.float32)
    expected = data(x, "T")
    assert expected.x_train.shape == (16, 6, 1)
    for other in (x[:, :, None], x[:, None, :]):
        assert data(other).sha256 == expected.sha256
    assert data(x).spec.kind == "features"


def test_new_signals_come_as_the_first_ones_did_and_may_be_shorter() -> None:
    raw = generator().standard_normal((20, 3, 6))
    prepared = data(raw, "CT").preparation
    kept = Preparation.from_json(prepared.as_json(), "kept")
    whole = kept.apply(raw)
    assert isinstance(whole, Signals)
    np.testing.assert_array_equal(whole.values, prepared.apply(raw).values)
    short = kept.apply(raw[:, :, :4])
    np.testing.assert_array_equal(short.values[:, :4], whole.values[:, :4])
    assert (short.lengths == 4).all()
    assert not short.values[:, 4:].any()
    for wrong, complaint in (
        (raw[:, :2], "x has 2 channels: the network was trained on 3"),
        (np.moveaxis(raw, 1, 2), "x has 6 channels"),
        (raw.reshape(20, 18), r"is not \(N, C, T\)"),
        (np.concatenate([raw, raw], axis=2), r"of 12 steps: .* trained on up to 6: cut them"),
    ):
        with pytest.raises(ValueError, match=complaint) as error:
            kept.apply(wrong)
        one_line(error)


# -- signals of different lengths ---------------------------------------------------------------


def several(seed: int = 0, samples: int = 20, channels: int = 3) -> tuple[list[Any], Any]:
    rng = generator(seed)
    lengths = rng.integers(2, 8, samples)
    lengths[0] = 8
    return [rng.standard_normal((length, channels)) * 5 for length in lengths], lengths


def test_a_list_of_signals_is_kept_padded_and_scaled_by_its_own_steps() -> None:
    x, lengths = several()
    dataset = data(x, test=(x[:4], np.arange(4) % 2))
    np.testing.assert_array_equal(dataset.x_train.lengths, lengths)
    every = np.concatenate(x)
    low, high = every.min(axis=0), every.max(axis=0)
    np.testing.assert_allclose(dataset.x_train.steps, (every - low) / (high - low), atol=1e-6)
    assert not dataset.x_train.values[~dataset.x_train.mask].any()
    prepared = Preparation.from_json(dataset.preparation.as_json(), "kept")
    np.testing.assert_array_equal(prepared.apply(x[:4]).values, dataset.x_test.values)
    np.testing.assert_array_equal(prepared.apply(x[1:2]).steps, dataset.x_test[1:2].steps)
    turned = data([one.T for one in x], "CT", test=([one.T for one in x[:4]], np.arange(4) % 2))
    assert turned.sha256 == dataset.sha256
    flat = data([one[:, 0] for one in x])
    assert flat.spec.features == 1
    assert flat.spec.steps == 8


def test_nan_ends_a_signal_and_is_refused_within_it() -> None:
    x = generator().random((20, 6, 2))
    x[3, 4:], x[5, 2:, 1] = np.nan, np.nan
    with pytest.raises(ValueError, match="x_train holds NaN"):
        data(x, "TC")
    x[5] = 0.5
    dataset = data(x, "TC", test=(x[:4], np.arange(4) % 2))
    assert dataset.x_train.lengths.tolist() == [6, 6, 6, 4, *[6] * 16]
    assert dataset.x_test.lengths.tolist() == [6, 6, 6, 4]


def test_the_longest_signal_of_any_part_is_how_long_a_run_lasts() -> None:
    x, _ = several()
    longer = [np.concatenate([one, one]) for one in x[:4]]
    dataset = data(x, test=(longer, np.arange(4) % 2))
    assert dataset.spec.steps == 16 == dataset.preparation.steps
    assert dataset.x_train.shape[1] == 16


def archives(folder: Path) -> dict[str, Path]:
    """The same signals in each form in which a file may have them."""
    x, lengths = several()
    padded = np.full((20, 8, 3), np.nan)
    for row, one in zip(padded, x, strict=True):
        row[: len(one)] = one
    ends = np.cumsum(lengths)
    forms: dict[str, dict[str, Any]] = {
        "joined": {"x": np.concatenate(x), "lengths": lengths},
        "offsets": {"x": np.concatenate(x), "offsets": np.append(0, ends)},
        "starts": {"X": np.concatenate(x), "x_offsets": ends - lengths},
        "padded": {"signals": padded, "seq_lens": lengths},
        "turned": {"data": np.swapaxes(padded, 1, 2), "lens": lengths.astype(np.uint8)},
    }
    forms["between"] = {"x_train": padded, "x_train_lengths": lengths}
    forms["nan"] = {"x": padded, "layout": np.array("TC")}
    for name, form in forms.items():
        np.savez(folder / f"{name}.npz", **form, y=np.arange(20) % 2)
    return {name: folder / f"{name}.npz" for name in forms}


def test_files_of_signals_of_different_lengths_need_no_option(tmp_path: Path) -> None:
    x, lengths = several()
    expected = data(x)
    for name, path in archives(tmp_path).items():
        task = tasks.get(f"npz:{path}")
        dataset = task.load(generator(), 0.0)
        assert dataset.sha256 == expected.sha256, name
        assert task.defaults["rule"]["clock"] == "trace"
        assert task.defaults["encoding"]["name"] == "receptive_fields"
    kept = tasks.get(f"npz:{path}?test={tmp_path / 'joined.npz'}").load(generator(), 0.0)
    np.testing.assert_array_equal(kept.x_test.lengths, lengths)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lengths": np.full(20, 3)}, "its 20 lengths sum to 60: give all steps one after the"),
        ({"lengths": np.full(19, 3)}, r"lengths_train is int64 of shape \(19,\): give the length"),
        ({"lengths": np.zeros(20, int)}, "lengths_train holds 0 to 0: give 1 to"),
        ({"lengths": np.full(20, 3.0)}, "lengths_train is float64"),
        ({"lengths": np.full(20, 2**62)}, "give 1 to"),
        ({"layout": np.array("HW")}, "layout 'HW': x_train has lengths, as signals have"),
        ({"x": np.zeros((20, 5, 5))}, r"has shape \(20, 5, 5\), and lengths of up to 8"),
        ({"x": np.zeros((20, 9, 9))}, r"say which: 'npz:.*layout=TC'"),
        ({"x_test": np.zeros((9, 3)), "y_test": np.arange(9) % 2}, "x_test has no lengths"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    x, lengths = several()
    path = tmp_path / "own.npz"
    own = {"x": np.concatenate(x), "lengths": lengths, "y": np.arange(20) % 2}
    np.savez(path, **(own | changes))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=complaint) as error:
        tasks.get(f"npz:{path}").load(generator(), 0.0)
    one_line(error)


@pytest.mark.parametrize(
    ("x", "complaint"),
    [
        ([np.zeros((3, 2)), np.zeros((3, 4))], "all of the same channels"),
        ([np.zeros((3, 2)), np.zeros(3)], "all of the same channels"),
        ([np.zeros((3, 2, 2)), np.zeros((4, 2, 2))], "all of the same channels"),
        ([[[1.0, 2.0], [3.0]], [[1.0, 2.0]]], "x_train is no array: give an array, or a list"),
        ([1.0, [1.0, 2.0]], "give an array, or a list"),
    ],
)
def test_lists_that_are_no_signals_are_refused(x: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        data(x)
    one_line(error)


# -- digits -------------------------------------------------------------------------------------


def test_rows_of_digits_are_the_digits_in_the_same_parts() -> None:
    whole, rows = (tasks.get(n).load(generator(), 0.1) for n in ("digits", "digits_rows"))
    for part in ("train", "validation", "test"):
        x = getattr(rows, f"x_{part}")
        np.testing.assert_array_equal(x.values.reshape(len(x), 64), getattr(whole, f"x_{part}"))
        np.testing.assert_array_equal(getattr(rows, f"y_{part}"), getattr(whole, f"y_{part}"))
        assert (x.lengths == 8).all()


# -- tasks of other packages --------------------------------------------------------------------


def test_mnist1d_is_what_its_package_generates_and_leaves_the_generators_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mnist1d import data as package

    made: dict[str, Any] = {}
    make_dataset = package.make_dataset

    def make_once(arguments: Any) -> dict[str, Any]:
        assert vars(arguments) == vars(package.get_dataset_args())
        if not made:  # which takes long
            made.update(make_dataset(arguments))
        return made

    monkeypatch.setattr(package, "make_dataset", make_once)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    one = tasks.get("mnist1d").load(generator(1), 0.1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    two = tasks.get("mnist1d").load(generator(2), 0.1)
    assert [len(one.y_train), len(one.y_validation), len(one.y_test)] == [3600, 400, 1000]
    np.testing.assert_array_equal(one.y_test, made["y_test"])
    np.testing.assert_array_equal(one.x_test.values, two.x_test.values)
    low, high = made["x"].min(), made["x"].max()
    expected = np.clip((made["x_test"] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(one.x_test.values[:, :, 0], expected, atol=1e-6)
    assert not np.array_equal(one.y_validation, two.y_validation)


def test_japanese_vowels_are_those_of_the_package() -> None:
    from aeon.datasets import load_japanese_vowels

    vowels = tasks.get("japanese_vowels").load(generator(), 0.0)
    for part, split in (("train", "TRAIN"), ("test", "TEST")):
        raw, labels = load_japanese_vowels(split=split)
        x, y = getattr(vowels, f"x_{part}"), getattr(vowels, f"y_{part}")
        np.testing.assert_array_equal(x.lengths, [one.shape[1] for one in raw])
        np.testing.assert_array_equal(vowels.preparation.labels[y], labels)
        scaled, given = x.steps, np.concatenate([one.T for one in raw])
        for channel in range(12):
            inside = (scaled[:, channel] > 0) & (scaled[:, channel] < 1)
            fit = np.corrcoef(scaled[inside, channel], given[inside, channel])[0, 1]
            assert fit > 1 - 1e-6
    assert vowels.spec.steps == 29
