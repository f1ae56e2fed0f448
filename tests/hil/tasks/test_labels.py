"""Labels as people have them: one meaning, or one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight

from hil.tasks import labels
from support.data_sets import one_line


def numbers(y: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The number of each label's class, and the label of each class."""
    plain = labels.read_labels(y, "y")
    single = labels.check_single(plain, len(plain), "y")
    classes = labels.find_classes(single, plain)
    return labels.number_labels(single, classes, "y"), classes


whole = st.integers(-(2**52), 2**52)


@given(st.lists(whole, min_size=2).filter(lambda y: len(set(y)) > 1))
def test_whole_numbers_are_numbered_as_scikit_learn_does(y: list[int]) -> None:
    encoder = LabelEncoder().fit(y)
    for given_y in (y, np.array(y, float), np.array(y, object), np.array(y)[:, None]):
        codes, classes = numbers(given_y)
        np.testing.assert_array_equal(codes, encoder.transform(y))
        np.testing.assert_array_equal(classes, encoder.classes_)
        np.testing.assert_array_equal(classes[codes], y)


words = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=9)


@given(st.lists(words, min_size=2).filter(lambda y: len(set(y)) > 1))
def test_texts_are_labels(y: list[str]) -> None:
    for given_y in (y, np.array(y, object)):
        codes, classes = numbers(given_y)
        assert classes[codes].tolist() == y
        assert classes.tolist() == sorted(set(y))


@given(st.lists(st.integers(0, 4), min_size=1))
def test_one_hot_rows_are_labels_with_a_class_for_each_column(y: list[int]) -> None:
    for kind in (bool, np.uint8, int, np.float32):
        codes, classes = numbers(np.eye(5, dtype=kind)[y])
        assert codes.tolist() == y
        assert classes.tolist() == [0, 1, 2, 3, 4]


def test_truth_values_are_labels() -> None:
    codes, classes = numbers([True, False, True])
    assert codes.tolist() == [1, 0, 1] and classes.tolist() == [False, True]


@pytest.mark.parametrize(
    ("y", "complaint"),
    [
        ([0.5, 1, 2], "holds 0.5, which is a measurement"),
        ([0, np.nan], "holds NaN"),
        ([1.0, 2.0**60], r"floats of 2\^53"),
        (["a", 1], None),  # numpy makes texts of both
        (np.array(["a", 1], object), "mixes labels of int, str"),
        (np.array(["a", None], object), "mixes labels of NoneType, str"),
        ([1j, 2], "is complex128"),
        ([b"a", b"b"], "is |S1"),
        ([[1, 0], [1, 1]], "is not one-hot"),
        ([[2, 0], [0, 2]], "is not one-hot"),
        ([[0.3, 0.7], [1, 0]], "holds 0.3, which is a measurement"),
        ([["a", "b"], ["b", "a"]], "is not one-hot"),
        (np.zeros((2, 2, 2)), r"has shape \(2, 2, 2\) for 2 samples"),
        ([1, 1], "holds 1 alone"),
        ([[1, 0], [1]], "is no array"),
    ],
)
def test_what_may_mean_something_else_is_refused(y: Any, complaint: str | None) -> None:
    if complaint is None:
        assert numbers(y)[1].tolist() == ["1", "a"]
        return
    with pytest.raises(ValueError, match=complaint) as error:
        numbers(y)
    one_line(error)


def test_labels_that_training_does_not_know_are_refused() -> None:
    for y, classes in (([3], [0, 1]), (["c"], ["a", "b"]), ([1], ["a", "b"])):
        with pytest.raises(ValueError, match="y_test") as error:
            labels.number_labels(np.array(y), np.array(classes), "y_test")
        one_line(error)


@given(st.lists(whole, min_size=2).filter(lambda y: len(set(y)) > 1))
def test_balanced_weights_are_scikit_learns(y: list[int]) -> None:
    codes, classes = numbers(y)
    expected = compute_class_weight("balanced", classes=classes, y=np.array(y))
    np.testing.assert_allclose(labels.class_weights("balanced", classes, codes), expected, 1e-6)
    assert labels.class_weights("none", classes, codes) is None
    first = {str(classes[0]): 3.0}
    np.testing.assert_array_equal(
        labels.class_weights(first, classes, codes), [3.0] + [1.0] * (len(classes) - 1)
    )


def test_a_weight_of_what_is_no_class_is_refused() -> None:
    codes, classes = numbers(["rare", "common"])
    with pytest.raises(ValueError, match=r"no class 'rere': did you mean 'rare'") as error:
        labels.class_weights({"rere": 2.0}, classes, codes)
    one_line(error)
