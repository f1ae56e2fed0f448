"""Tier 2, drawn at each write: what a synapse stores of the weight that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.figures import figure
from device_models.fixed_pattern import factors
from device_models.generators import Normals, sequence


@dataclass(frozen=True)
class Programming:
    """How weights are stored. Every figure is 0 on an ideal chip."""

    weight_bits: int = figure(
        0,
        "bit",
        0,
        16,
        "Resolution of stored weights, sign included: 2^bits - 1 values; 0 is exact.",
    )
    programming_noise: float = figure(
        0.0, "full scale", 0.0, 0.5, "Standard deviation of a programmed weight about its target."
    )

    @property
    def levels(self) -> int | None:
        """Number of stored values, symmetric about zero; None when continuous."""
        return None if self.weight_bits == 0 else max(3, 2**self.weight_bits - 1)


class Crossbar:
    """The synapses between two layers.

    Attributes:
        effective: `(n_pre, n_post)` float32, what the synapses transmit: the programmed weight
            times each synapse's own gain, in nominal thresholds.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        full_scale: float,
        programming: Programming,
        weight_cv: float,
        chip: int,
        projection: int,
    ) -> None:
        """An unprogrammed crossbar, every weight exactly zero."""
        self._full_scale = np.float32(full_scale)
        self._programming = programming
        self._seed = (chip, "write", projection)
        self._gain = factors(chip, "weight_cv", projection, shape, weight_cv) if weight_cv else None
        self.stored = np.zeros(shape, np.float32)
        self.programmed = self.stored if programming.programming_noise == 0 else self.stored.copy()
        self.effective = np.zeros(shape, np.float32)
        self.writes = 0

    def write(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Program the cells whose stored value changes; the others keep what they have.

        Args:
            weights: `(n_pre, n_post)`, in nominal thresholds.

        Returns:
            The stored values after clipping and rounding, a fresh array of the same shape.
        """
        target = self._quantise(weights)
        noise = self._programming.programming_noise
        if noise == 0:
            self.programmed = target
        else:
            cells = np.flatnonzero(target != self.stored)
            draw = Normals(sequence(*self._seed, self.writes)).draw(cells.size)
            draw *= np.float32(noise) * self._full_scale
            self.programmed.reshape(-1)[cells] = target.reshape(-1)[cells] + draw
        self.writes += 1
        self.stored = target
        self._transmit()
        return target.copy()

    def restore(self, stored: NDArray[np.float32], programmed: NDArray[np.float32], n: int) -> None:
        """Return to an earlier state: stored and programmed values, and the number of writes."""
        self.stored, self.programmed, self.writes = stored.copy(), programmed.copy(), n
        self._transmit()

    def _quantise(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        target: NDArray[np.float32] = np.clip(weights, -self._full_scale, self._full_scale)
        levels = self._programming.levels
        if levels is not None:
            step = self._full_scale * np.float32(2.0 / (levels - 1))
            target /= step
            np.rint(target, out=target)
            target *= step
        return target

    def _transmit(self) -> None:
        if self._gain is None:
            self.effective = self.programmed
        else:
            np.multiply(self.programmed, self._gain, out=self.effective)
