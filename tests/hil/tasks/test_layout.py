"""What the axes of samples mean: images with channels, or signals in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import hil
from hil.tasks.augmentation import affine
from hil.tasks.preparation import Preparation
from hil.tasks.sample_set import SampleSet
from support.data_sets import generator, one_line

SIDES = st.integers(5, 9)


def loaded(x: Any, layout: str | None = None) -> Any:
    given = SampleSet.of_program(
        x, np.arange(x.shape[0] if hasattr(x, "shape") else len(x)) % 2, layout=layout
    )
    return given.build(generator(), 0.0)


@given(height=SIDES, width=SIDES, channels=st.sampled_from([1, 3, 4]), seed=st.integers(0, 99))
def test_channels_first_or_last_are_the_same_images(
    height: int, width: int, channels: int, seed: int
) -> None:
    last = generator(seed).random((20, height, width, channels)) * 7 - 3
    one, two = loaded(last), loaded(np.moveaxis(last, 3, 1))
    np.testing.assert_array_equal(one.x_train, two.x_train)
    shape = (height, width) if channels == 1 else (height, width, channels)
    assert one.image_shape == two.image_shape == shape
    assert one.x_train.min() >= 0 and one.x_train.max() <= 1
    if channels == 1:
        grey = loaded(last[..., 0], "HW")
        np.testing.assert_array_equal(grey.x_train, one.x_train)
        assert grey.image_shape == shape


def test_a_pixel_has_its_channels_side_by_side_and_one_range_scales_all() -> None:
    x = np.zeros((20, 5, 6, 3), np.float32)
    x[:, 2, 4] = [0.0, 5.0, 10.0]
    rows = loaded(x).x_train.reshape(-1, 5, 6, 3)
    np.testing.assert_allclose(rows[0, 2, 4], [0, 0.5, 1])
    assert np.count_nonzero(rows[0]) == 2
    data = loaded((x * 20).astype(np.uint8))
    assert data.x_train.dtype == np.uint8  # bytes are kept


def test_new_samples_come_as_the_first_ones_did() -> None:
    first = generator().random((20, 3, 5, 6))
    prepared = loaded(first).preparation
    kept = Preparation.from_json(prepared.as_json(), "kept")
    flat = kept.apply(first.reshape(20, -1))
    np.testing.assert_array_equal(kept.apply(first), flat)
    np.testing.assert_array_equal(kept.apply(first), prepared.apply(first))
    with pytest.raises(ValueError, match=r"give \(samples, 3, 5, 6\)"):
        kept.apply(np.moveaxis(first, 1, 3))


@pytest.mark.parametrize(
    ("shape", "layout", "complaint"),
    [
        (
            (20, 50, 6),
            None,
            r'TC for signals .*HW for images .*say which: hil.train\(x, y, layout="TC"\)',
        ),
        (
            (20, 10, 34, 36),
            None,
            "HWC for images .*CHW for images .*frames in time.*TC.*HWC",
        ),
        ((20, 3, 5, 3), None, "HWC for .*CHW for .*say which"),
        ((20, 10, 2, 34, 34), None, "of frames in time, give .*with layout TC"),
        ((20, 4), "HW", r"is not \(N, H, W\)"),
        ((20, 5, 6), "CHW", r"is not \(N, C, H, W\)"),
        ((20, 5, 6), "TH", "layout 'TH': give HW, HWC, CHW for images, or TC, CT, T for signals"),
        ((20, 5, 6), "T", r"is not \(N, T\)"),
        ((20, 5, 5), None, 'hil.train\\(x, y, layout="HW"\\)'),
        ((20, 6, 500), None, 'hil.train\\(x, y, layout="CT"\\)'),
        ((20,), None, r"give features \(N, n\)"),
    ],
)
def test_axes_that_may_mean_several_things_are_refused_by_name(
    shape: tuple[int, ...], layout: str | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        loaded(generator().random(shape), layout)
    one_line(error)


def test_a_word_decides_what_shape_and_type_leave_open() -> None:
    x = generator().random((20, 5, 6))
    assert loaded(x, "HW").image_shape == (5, 6)
    assert loaded((x * 255).astype(np.uint8)).image_shape == (5, 6)
    wide = generator().random((20, 5, 6, 2))
    assert loaded(wide, "HWC").image_shape == (5, 6, 2)
    np.testing.assert_array_equal(
        loaded(wide, "HWC").x_train, loaded(np.moveaxis(wide, 3, 1), "CHW").x_train
    )


@given(channels=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_all_channels_of_an_image_move_together(channels: int, seed: int) -> None:
    grey = generator(seed).random((4, 6, 7), dtype=np.float32)
    moved = affine(grey.reshape(4, -1), (6, 7), generator(seed))
    many = np.repeat(grey[..., None], channels, axis=3).reshape(4, -1)
    images = affine(many, (6, 7, channels), generator(seed)).reshape(4, -1, channels)
    for channel in range(channels):
        np.testing.assert_array_equal(images[..., channel], moved)


def test_colour_images_are_trained_on_kept_and_shown(tmp_path: Path) -> None:
    x = generator().integers(0, 256, (60, 3, 6, 5), np.uint8)
    y = np.arange(60) % 2
    x[y == 1, 0] //= 4  # the one class has less red
    run = hil.train(
        x,
        y,
        device="emulator:ideal",
        out=tmp_path / "run",
        network={"hidden": [20]},
        augmentation={"shift": 1.0},
        training={"epochs": 12, "batch": 10},
    )
    assert run.test_accuracy > 0.8
    assert np.mean(run.predict(x) == y) > 0.8
    page = run.report.read_text()
    assert "images of 6 by 5 with 3 channels, as they come" in page
    assert page.count("<image") >= 3
    assert hil.evaluate(run.path)["test_accuracy"] == run.test_accuracy


@pytest.mark.parametrize("scale", ["bytes", "unit"])
def test_images_of_another_scale_than_the_first_are_refused(scale: str) -> None:
    images = generator().integers(0, 256, (20, 5, 6, 3), np.uint8)
    both = {"bytes": images, "unit": images / 255}
    prepared = loaded(both.pop(scale)).preparation
    (other,) = both.values()
    with pytest.raises(ValueError, match=r"trained on (bytes|numbers in \[0, 1\]): give") as error:
        prepared.apply(other)
    one_line(error)
    prepared.apply((images * 0).astype(other.dtype))  # black whatever the scale
    helped = (255 * other).astype("uint8") if scale == "bytes" else other / 255
    assert prepared.apply(helped).shape == (20, 90)


@pytest.mark.parametrize("kind", ["csr_matrix", "csr_array", "coo_matrix"])
def test_a_sparse_matrix_is_an_array(kind: str) -> None:
    x = generator().integers(0, 3, (20, 5)) * 0.7
    sparse = getattr(scipy.sparse, kind)(x)
    result, expected = loaded(sparse), loaded(x)
    assert result.sha256 == expected.sha256
    np.testing.assert_array_equal(result.preparation.apply(sparse), expected.preparation.apply(x))


def test_a_sparse_matrix_that_is_too_large_as_an_array_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sparse matrix of shape .* takes 7629 MiB") as error:
        loaded(scipy.sparse.eye(1000, 10**6).tocsr())
    one_line(error)
