import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from hil.tasks.augmentation import affine, resample

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))
SEEDS = st.integers(0, 2**32 - 1)
STILL = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}


def batch(seed: int, shape: tuple[int, int], size: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((size, *shape), dtype=np.float32)


@given(shape=SHAPES, seed=SEEDS)
def test_no_change_gives_the_images_back_exactly(shape: tuple[int, int], seed: int) -> None:
    x = batch(seed, shape).reshape(5, -1)
    np.testing.assert_array_equal(affine(x, shape, np.random.default_rng(seed), **STILL), x)


@given(shape=SHAPES, seed=SEEDS, down=st.integers(-4, 4), right=st.integers(-4, 4))
def test_whole_shift_moves_pixels_and_fills_with_zero(
    shape: tuple[int, int], seed: int, down: int, right: int
) -> None:
    images = batch(seed, shape)
    shifts = np.tile([float(down), float(right)], (5, 1))
    moved = resample(images, np.tile(np.eye(2), (5, 1, 1)), shifts)
    wide = np.pad(images, ((0, 0), (4, 4), (4, 4)))
    rolled = np.roll(wide, (down, right), axis=(1, 2))[:, 4:-4, 4:-4]
    np.testing.assert_array_equal(moved, rolled)


@given(shape=SHAPES, seed=SEEDS)
def test_resampling_agrees_with_scipy(shape: tuple[int, int], seed: int) -> None:
    images = batch(seed, shape)
    rng = np.random.default_rng(seed)
    matrices = np.eye(2) + rng.normal(0, 0.5, (5, 2, 2))
    shifts = rng.normal(0, 2, (5, 2))
    centre = (np.array(shape) - 1) / 2
    ours = resample(images, matrices, shifts)
    for image, matrix, shift, got in zip(images, matrices, shifts, ours, strict=True):
        offset = centre - matrix @ (centre + shift)
        expected = ndimage.affine_transform(
            image.astype(np.float64), matrix, offset, order=1, mode="grid-constant", cval=0.0
        )
        np.testing.assert_allclose(got, expected, atol=1e-4)


def moments(image: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of mass and covariance of (row, column), in pixels."""
    grid = np.indices(image.shape).reshape(2, -1)
    weight = image.ravel() / image.sum()
    mean = grid @ weight
    centred = grid - mean[:, None]
    return mean, centred * weight @ centred.T


def angle(image: NDArray[np.float32]) -> float:
    """Angle between the long axis and the vertical, in radians."""
    rows, columns = np.linalg.eigh(moments(image)[1])[1][:, 1]
    return float(np.arctan(columns / rows))


@pytest.fixture(scope="module")
def bar() -> NDArray[np.float32]:
    """A smooth upright bar, well inside 41x41 pixels."""
    rows, columns = np.indices((41, 41)) - 20
    image: NDArray[np.float64] = np.exp(-((rows / 6) ** 2 + (columns / 2) ** 2))
    return image.astype(np.float32)


def changed(bar: NDArray[np.float32], **bounds: float) -> list[NDArray[np.float32]]:
    x = np.tile(bar.reshape(1, -1), (300, 1))
    rng = np.random.default_rng(0)
    return list(affine(x, (41, 41), rng, **(STILL | bounds)).reshape(-1, 41, 41))


def assert_uniform(values: NDArray[np.float64], bound: float, slack: float) -> None:
    assert np.abs(values).max() <= bound + slack
    assert np.abs(values).max() >= 0.95 * bound - slack
    assert abs(values.mean()) < 5 * bound / np.sqrt(3 * 300) + slack
    np.testing.assert_allclose(values.std(), bound / np.sqrt(3), rtol=0.15)


def test_shift_moves_the_centre_of_mass_by_up_to_its_bound(bar: NDArray[np.float32]) -> None:
    shifts = [moments(i)[0] - 20 for i in changed(bar, shift=3)]
    assert_uniform(np.array(shifts)[:, 0], 3, 0.01)
    assert_uniform(np.array(shifts)[:, 1], 3, 0.01)
    assert abs(np.corrcoef(np.array(shifts).T)[0, 1]) < 0.25


def test_rotation_turns_the_long_axis_by_up_to_its_bound(bar: NDArray[np.float32]) -> None:
    turned = changed(bar, rotation=0.4)
    assert_uniform(np.array([angle(image) for image in turned]), 0.4, 0.01)
    for image in turned:
        assert np.trace(moments(image)[1]) == pytest.approx(18 + 2, rel=0.05)


def test_scale_changes_the_size_by_up_to_its_bound(bar: NDArray[np.float32]) -> None:
    covariances = [moments(i)[1] for i in changed(bar, scale=0.3)]
    sizes = np.array([np.sqrt(c[0, 0] / 18) - 1 for c in covariances])
    assert_uniform(sizes, 0.3, 0.02)
    assert np.abs([c[0, 1] for c in covariances]).max() < 0.05


def test_shear_slants_columns_with_rows_by_up_to_its_bound(bar: NDArray[np.float32]) -> None:
    covariances = [moments(i)[1] for i in changed(bar, shear=0.3)]
    slants = np.array([c[0, 1] / c[0, 0] for c in covariances])
    assert_uniform(slants, 0.3, 0.01)
    np.testing.assert_allclose([c[0, 0] for c in covariances], 18, rtol=0.02)


def test_changes_combine_into_a_map_that_keeps_what_none_of_them_changes(
    bar: NDArray[np.float32],
) -> None:
    for image in changed(bar, rotation=0.5, shear=0.4, shift=2):  # area, but for the blur
        assert np.linalg.det(moments(image)[1]) == pytest.approx(18 * 2, rel=0.2)
    turned = changed(bar, rotation=0.5, scale=0.3)
    sizes = np.array([np.sqrt(np.linalg.eigvalsh(moments(i)[1])[1] / 18) - 1 for i in turned])
    assert_uniform(np.array([angle(i) for i in turned]), 0.5, 0.01)
    assert_uniform(sizes, 0.3, 0.02)


@given(shape=SHAPES, seed=SEEDS)
def test_values_stay_within_the_images_range(shape: tuple[int, int], seed: int) -> None:
    x = np.round(batch(seed, shape)).reshape(5, -1)
    rng = np.random.default_rng(seed)
    out = affine(x, shape, rng, rotation=1, scale=0.9, shear=1, shift=3)
    assert out.dtype == np.float32
    assert out.shape == x.shape
    assert out.min() >= 0
    assert out.max() <= x.max()


@settings(max_examples=20)
@given(seed=SEEDS)
def test_result_depends_on_the_generator_alone(seed: int) -> None:
    x = batch(0, (8, 8)).reshape(5, -1)
    kept = x.copy()
    one, two, other = (affine(x, (8, 8), np.random.default_rng(s)) for s in (seed, seed, seed + 1))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(x, kept)
    assert not np.array_equal(one, other)


def test_images_of_a_batch_change_differently() -> None:
    x = np.tile(batch(0, (8, 8), 1).reshape(1, -1), (6, 1))
    assert len(np.unique(affine(x, (8, 8), np.random.default_rng(0)), axis=0)) == 6


def test_empty_batch_stays_empty() -> None:
    empty = np.zeros((0, 12), dtype=np.float32)
    assert affine(empty, (3, 4), np.random.default_rng(0)).shape == (0, 12)


@pytest.mark.parametrize(
    "bounds", [{"rotation": -0.1}, {"scale": 1.0}, {"shear": -1.0}, {"shift": -1.0}]
)
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give bounds of at least 0"):
        affine(batch(0, (2, 2)).reshape(5, 4), (2, 2), np.random.default_rng(0), **bounds)


def test_a_batch_of_mnist_takes_a_fraction_of_its_run() -> None:
    x = batch(0, (28, 28), 100).reshape(100, -1)
    rng = np.random.default_rng(0)
    took = []
    for _ in range(20):
        start = time.perf_counter()
        affine(x, (28, 28), rng)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.010  # about 2 ms on one core; the emulated run of a batch takes 25
