"""Random affine changes of images: other handwriting from the same samples."""

from __future__ import annotations

from functools import cache
from math import prod

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.one_pass import OnePass, parts

ZERO = np.float32(0)


def affine(
    x: NDArray[np.float32],
    image_shape: tuple[int, ...],
    rng: Generator,
    *,
    rotation: float = 0.2,
    scale: float = 0.1,
    shear: float = 0.1,
    shift: float = 1.0,
) -> NDArray[np.float32]:
    """Change each image of a batch by an affine map of its own, the same for all of its channels.

    Each parameter of the map is uniform in plus or minus its bound; with all bounds 0 the images
    come back exactly.

    Args:
        x: `(B, n)` images, row-major.
        image_shape: `(height, width)`, or `(height, width, channels)`.
        rng: Draws the maps.
        rotation: Bound of the angle, in radians.
        scale: Bound of the relative change of size, below 1.
        shear: Bound of the shear, in columns per row.
        shift: Bound of the shift along each axis, in pixels.

    Returns:
        `(B, n)` float32; what was outside the image is 0.

    Raises:
        ValueError: For a bound below 0, or a scale that would turn images inside out.
    """
    if min(rotation, scale, shear, shift) < 0 or scale >= 1:
        raise ValueError(
            f"augmentation has {rotation=}, {scale=}, {shear=}, {shift=}: "
            "give bounds of at least 0, and a scale below 1"
        )
    angle, size, slant, down, right = (
        rng.uniform(-bound, bound, len(x)) for bound in (rotation, scale, shear, shift, shift)
    )
    cos, sin = np.cos(angle) / (1 + size), np.sin(angle) / (1 + size)
    # Rotation times shear, divided by the size: maps the new image's grid to the old one's.
    matrices = np.array([[cos - slant * sin, -sin], [sin + slant * cos, cos]]).transpose(2, 0, 1)
    shifts = np.stack([down, right], axis=1)
    images = x.reshape(len(x), *image_shape[:2], prod(image_shape[2:]))
    channels = [resample(image, matrices, shifts) for image in np.moveaxis(images, 3, 0)]
    return np.stack(channels, axis=3).reshape(x.shape)


def resample(
    images: NDArray[np.float32], matrices: NDArray[np.float64], shifts: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Sample images at affine images of their own grid, between pixels bilinearly.

    The pixel at `p` takes its value from `M (p - c - s) + c`, with `c` the centre of the image.
    Outside the image all is 0.

    Args:
        images: `(B, height, width)`.
        matrices: `(B, 2, 2)`, M of each image, on (row, column) coordinates in pixels.
        shifts: `(B, 2)`, s of each image, in pixels.

    Returns:
        `(B, height, width)` float32.
    """
    batch, height, width = images.shape
    # A margin of zeros, 1 before and 2 after, keeps all four neighbours of a clipped point inside.
    padded = np.zeros((batch, height + 3, width + 3), dtype=np.float32)
    padded[:, 1:-2, 1:-2] = images

    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    offsets = centre + 1 - np.einsum("bij,bj->bi", matrices, centre + shifts)
    maps = np.stack([matrices[:, :, 0], offsets, matrices[:, :, 1]]).astype(np.float32)
    changed = np.empty((batch, height * width), np.float32)
    interpolate(
        padded.reshape(-1),
        np.arange(batch)[:, None] * padded[:1].size,
        maps[..., None],
        *_grid(height, width),
        (np.float32(height + 1), np.float32(width + 1)),
        changed,
        width + 3,
    )
    return changed.reshape(images.shape)


@cache
def _grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Row and column of each pixel, `(height * width,)`."""
    rows, columns = np.indices((height, width), np.float32).reshape(2, -1)
    return rows, columns


def _interpolate_parts(
    padded: NDArray[np.float32],
    first: NDArray[np.int64],
    maps: NDArray[np.float32],
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    ends: tuple[np.float32, np.float32],
    moved: NDArray[np.float32],
    width: int,
) -> None:
    for i in parts(len(moved), rows.size):
        for z in parts(1):
            for j in parts(rows.size):
                row = maps[0, i, 0, z] * rows[j] + maps[1, i, 0, z] + maps[2, i, 0, z] * columns[j]
                row = np.minimum(np.maximum(row, ZERO), ends[0])
                column = (
                    maps[0, i, 1, z] * rows[j] + maps[1, i, 1, z] + maps[2, i, 1, z] * columns[j]
                )
                column = np.minimum(np.maximum(column, ZERO), ends[1])
                top, left = np.int64(row), np.int64(column)
                down, right = np.float32(row - top), np.float32(column - left)
                at = first[i, z] + top * width + left
                upper = padded[at] + right * (padded[at + 1] - padded[at])
                at = at + width
                lower = padded[at] + right * (padded[at + 1] - padded[at])
                moved[i, j] = upper + down * (lower - upper)


interpolate = OnePass(_interpolate_parts)
