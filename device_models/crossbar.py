"""The synapses between two layers: what they store of a weight, and what they transmit of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Normals, sequence
from device_models.mismatch import Cells, draw_factors
from device_models.neurons import NeuronModel
from device_models.nonidealities import Programming
from device_models.places import Places
from machine_code import CompiledFunction

# Weights looked at together: what is read and written of them stays in the processor's cache.
PART = 1 << 15
# Does for levels what `Crossbar._find_moved` does; gives how many it found.
FIND = CompiledFunction(
    lambda: (
        """
import numba
import numpy as np


@numba.njit(error_model="numpy", nogil=True, _nrt=False)
def function(asked, stored, near, full_scale, step, places, aims):
    number = 0
    for first in range(0, asked.size, 32):  # of which most have none, as is seen at once
        own, kept, away = asked[first : first + 32], stored[first : first + 32], np.int32(0)
        for i in range(own.size):
            away += np.int32(abs(own[i] - kept[i]) > near)
        for i in range(own.size if away else 0):
            if abs(own[i] - kept[i]) > near:
                aim = np.rint(min(max(own[i], -full_scale), full_scale) / step) * step
                if aim != kept[i]:
                    places[number] = first + i
                    aims[number] = aim
                    number += 1
    return number
"""
    )
)


def storable_full_scale(full_scale: float, model: NeuronModel, programming: Programming) -> float:
    """The full scale at which levels are whole units of the model times a power of two.

    Args:
        full_scale: What was asked for, in swings.
        model: The model of the receiving neurons.
        programming: How weights are stored.
    """
    levels, unit = programming.levels, model.weight_unit / model.swing
    if not unit or levels is None or programming.weight_grid:
        return full_scale
    largest = unit * (levels // 2)
    return float(largest * 2.0 ** max(0, math.ceil(math.log2(full_scale / largest))))


class Crossbar:
    """The synapses between two layers.

    With F the full scale, and a write that moves a stored weight by d:

    - Pulses move the cell by `d (1 - update_nonlinearity sign(d) w / F)`, where w is what earlier
      pulses reached, less the share `update_asymmetry` when d < 0, and never beyond F. Pulses are
      counted, not verified, so that what they miss adds up from write to write. Soft bounds:
      Fusi & Abbott 2007, Nat. Neurosci. 10, 485; as pulsed devices of IBM's aihwkit (Rasch et al.
      2021, arXiv 2104.02184).
    - Programming noise is about the value reached, and drawn anew when a cell is written.
    - A differential weight is `g+ - g-`, each counted from its least. Noise, drift and retention
      act on both cells.
    - At the age t after its write a cell has drifted by `((t0 + t) / t0)^-nu`, with its own nu and
      t0 = `drift_start` (Joshi et al. 2020, Nat. Commun. 11, 2473; aihwkit's model of phase-change
      memory has t0 = 20 s), and has kept `exp(-retention t)` of its weight.

    Attributes:
        stored: In the shape of `Places`, float32, what the device believes is stored.
        writes: Number of writes so far.
    """

    def __init__(
        self,
        places: Places,
        full_scale: float,
        programming: Programming,
        cells: Cells,
        chip: int,
        projection: int,
        transmitted: NDArray[np.float32] | None = None,
    ) -> None:
        """Begin unprogrammed: every weight exactly zero, but for frozen cells.

        Args:
            places: Where the synapses are; all that is kept of them has the shape of its values.
            full_scale: Largest |weight|, in nominal thresholds.
            programming: How weights are stored.
            cells: The fixed pattern of the synapses.
            chip: Chip seed.
            projection: Which projection, from 0.
            transmitted: Where to keep what synapses transmit, zero.
        """
        p, shape = programming, places.shape
        self._full_scale, self._programming = np.float32(full_scale), p
        self._seed = (chip, "write", projection)
        self._grid = np.asarray(p.weight_grid, np.float32) * self._full_scale
        self._step = np.float32(0)
        if p.levels is not None:
            self._step = self._full_scale * np.float32(2.0 / (p.levels - 1))
        # A weight that is as near to what is stored does not change it.
        self._near = 0.4999 * float(np.diff(self._grid).min() if self._grid.size else self._step)
        self._gain = None if cells.gain is None else cells.gain.reshape(-1)
        self._frozen, self._frozen_weight = cells.frozen, cells.value * self._full_scale
        if self._gain is not None:
            self._frozen_weight *= self._gain[cells.frozen]

        noisy = bool(p.programming_noise or p.programming_noise_relative)
        pulsed = bool(p.update_nonlinearity or p.update_asymmetry)
        varied = bool(p.drift and p.drift_cv)
        # The two cells of a pair that do not differ act as one.
        paired = bool(p.differential) and (noisy or varied)
        self._exact = not (noisy or pulsed or paired)
        self._reached = np.zeros(shape, np.float32) if pulsed else None
        self._nu: list[np.float32 | NDArray[np.float32]] = [np.float32(p.drift)] * (1 + paired)
        if varied:
            each = places.repeat(1 + paired)
            nu = np.float32(p.drift) * draw_factors(chip, "drift_cv", projection, each, p.drift_cv)
            self._nu = list(nu.reshape(-1, *shape))
        self._written = np.zeros(shape) if p.drift or p.retention else None
        self._seconds = 0.0
        self._moved: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None  # room to find in
        self.writes = 0
        self._transmitted = np.zeros(shape, np.float32) if transmitted is None else transmitted
        plain = self._gain is None and not cells.frozen.size
        # What is the same is kept once.
        one = plain and not paired and self._written is None
        self._cells = [
            self._transmitted if one else np.zeros(shape, np.float32) for _ in range(1 + paired)
        ]
        self.stored = self._cells[0] if self._exact else np.zeros(shape, np.float32)
        self._transmit(slice(None))

    @property
    def ages(self) -> bool:
        """Tell whether time alone changes what is stored."""
        return self._written is not None

    @property
    def programmed_weights(self) -> NDArray[np.float32]:
        """Weights that writes left in cells that are not frozen, undrifted."""
        return self._cells[0] if len(self._cells) == 1 else self._cells[0] - self._cells[1]

    @property
    def effective(self) -> NDArray[np.float32]:
        """Weights that synapses transmit now, float32, in nominal thresholds.

        It is not to be changed, and to be asked for anew after a write or after time has passed.
        """
        self.age_transmitted()
        return self._transmitted

    def write(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Program the cells whose stored value changes; the others keep what they have.

        Args:
            weights: In the shape of `stored`, in nominal thresholds.

        Returns:
            `stored`: the values after clipping and rounding, which later writes change.
        """
        asked, stored = weights.reshape(-1), self.stored.reshape(-1)
        changed: NDArray[np.int64] | slice = slice(None)
        if self._exact and self._written is None and not self._near:
            np.clip(asked, -self._full_scale, self._full_scale, out=stored)
        else:
            moved, aim = self._find_moved(asked, stored)
            if not self._exact:
                self._program(moved, aim)
            if self._written is not None:
                self._written.reshape(-1)[moved] = self._seconds
            stored[moved] = aim
            changed = moved
        self.writes += 1
        self._aged = self._written is not None
        if not self._aged:
            self._transmit(changed)
        return self.stored

    def advance(self, seconds: float) -> None:
        """Let time pass, in which cells drift and decay.

        Args:
            seconds: How much, at least 0.

        Raises:
            ValueError: For a time below 0 or not finite.
        """
        if not 0 <= seconds < np.inf:
            raise ValueError(f"advance by {seconds} s: give a finite time of at least 0 s")
        if self._written is not None and seconds:
            self._seconds += seconds
            self._aged = True

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what later writes and reads depend on besides the fixed pattern, as copies."""
        state: dict[str, NDArray[np.generic]] = {
            "stored": self.stored.copy(),
            "writes": np.asarray(self.writes),
        }
        if not self._exact:
            state["cells"] = np.stack(self._cells)
        if self._reached is not None:
            state["reached"] = self._reached.copy()
        if self._written is not None:
            state["written"] = self._written.copy()
            state["seconds"] = np.asarray(self._seconds)
        return state

    def age_transmitted(self) -> None:
        """Bring what synapses transmit to what is left of it now."""
        if self._aged:
            self._transmit(slice(None))

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return to a state of this crossbar, or of one made with the same arguments."""
        self.stored[...] = state["stored"]
        self.writes = int(state["writes"])
        if not self._exact:
            for cell, value in zip(self._cells, state["cells"], strict=True):
                cell[...] = value
        if self._reached is not None:
            self._reached[...] = state["reached"]
        if self._written is not None:
            self._written[...] = state["written"]
            self._seconds = float(state["seconds"])
        self._transmit(slice(None))

    def scale_frozen(self, where: NDArray[np.int64], value: float) -> NDArray[np.float32]:
        """Find what synapses at flat positions transmit, stuck at a value in full scales."""
        levels = np.full(where.size, np.float32(value) * self._full_scale, np.float32)
        return levels if self._gain is None else levels * self._gain[where]

    def flip_bit(self, where: NDArray[np.int64], bit: int) -> NDArray[np.float32]:
        """Find what synapses transmit more where a bit of the stored code is flipped.

        The code is the number of steps as a two's complement of as many bits as weights have.

        Args:
            where: Flat positions of the synapses.
            bit: Which bit, 0 being the least.
        """
        codes = np.rint(self.stored.reshape(-1)[where] / self._step).astype(np.int64)
        sign = bit == (self._programming.levels or 0).bit_length() - 1
        step = (1 << bit) * np.where(codes >> bit & 1, -1, 1) * (-1 if sign else 1)
        more = step.astype(np.float32) * self._step
        more[np.isin(where, self._frozen)] = 0
        return more if self._gain is None else more * self._gain[where]

    def _find_moved(
        self, asked: NDArray[np.float32], stored: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the cells whose stored value changes, ascending, and what is to be stored in them.

        Those near what they store do not. The others are looked for in compiled code where there
        is any, else in parts that stay in the processor's cache.
        """
        near = self._near if self.writes else -1.0  # what is there at first may not be storable
        if self._step and asked.size >= PART:
            room = self._moved or (np.empty(asked.size, np.int64), np.empty_like(asked))
            if self.writes:  # of which only a part is ever used, unlike by the first write
                self._moved = room
            arguments = asked, stored, np.float32(near), self._full_scale, self._step, *room
            function: Any = FIND.find(arguments)
            if function is not None:
                number = function(*arguments)
                return room[0][:number], room[1][:number]
        places, away = [], np.empty(min(PART, asked.size), np.float32)
        for start in range(0, asked.size, PART):
            part = asked[start : start + PART]
            off = np.subtract(part, stored[start : start + PART], out=away[: part.size])
            places.append((np.abs(off, out=off) > near).nonzero()[0] + start)
        distant = np.concatenate(places)
        aim = self._quantise(asked[distant])
        differs = aim != stored[distant]
        return distant[differs], aim[differs]

    def _quantise(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._grid.size:
            return self._grid[np.searchsorted((self._grid[1:] + self._grid[:-1]) / 2, weights)]
        target: NDArray[np.float32] = weights.clip(-self._full_scale, self._full_scale)
        if self._step:
            target /= self._step
            np.rint(target, out=target)
            target *= self._step
        return target

    def _program(self, changed: NDArray[np.int64], aim: NDArray[np.float32]) -> None:
        """Bring the cells at flat positions `changed` to their aim, as well as can be."""
        if self._reached is not None:
            reached = self._reached.reshape(-1)
            step = aim - self.stored.reshape(-1)[changed]
            aim = reached[changed] = self._apply_pulses(reached[changed], step)
        absolute = np.float32(self._programming.programming_noise) * self._full_scale
        relative = np.float32(self._programming.programming_noise_relative)
        normals = Normals(sequence(*self._seed, self.writes))
        aims = [aim] if len(self._cells) == 1 else [np.maximum(aim, 0), np.maximum(-aim, 0)]
        for cell, value in zip(self._cells, aims, strict=True):
            draw = normals.draw(changed.size)
            draw *= np.hypot(absolute, relative * value) if relative else absolute
            cell.reshape(-1)[changed] = value + draw

    def _apply_pulses(
        self, weight: NDArray[np.float32], step: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Find where pulses meant for a step bring a weight."""
        kept = np.where(step < 0, np.float32(1 - self._programming.update_asymmetry), np.float32(1))
        beta = np.float32(self._programming.update_nonlinearity) / self._full_scale
        moved: NDArray[np.float32] = weight + step * kept * (1 - beta * np.sign(step) * weight)
        return moved.clip(-self._full_scale, self._full_scale)

    def _transmit(self, changed: NDArray[np.int64] | slice) -> None:
        """Bring what synapses transmit up to date where cells changed, or age."""
        self._aged = False
        if self._cells[0] is self._transmitted:
            return
        transmitted = self._transmitted.reshape(-1)
        if self._written is not None:
            changed, weights = slice(None), self._age_cells(self._written).reshape(-1)
        else:
            weights = self._cells[0].reshape(-1)[changed]
            if len(self._cells) == 2:
                weights = weights - self._cells[1].reshape(-1)[changed]
        transmitted[changed] = weights if self._gain is None else weights * self._gain[changed]
        # Last, since what is frozen neither drifts nor decays.
        transmitted[self._frozen] = self._frozen_weight

    def _age_cells(self, written: NDArray[np.float64]) -> NDArray[np.float32]:
        """Let cells drift and decay for their age, before gain."""
        age: NDArray[np.float32] = (self._seconds - written).astype(np.float32)
        time = np.log1p(age / np.float32(self._programming.drift_start))
        decay = np.float32(self._programming.retention) * age
        aged: list[NDArray[np.float32]] = [
            cell * np.exp(-nu * time - decay)
            for cell, nu in zip(self._cells, self._nu, strict=True)
        ]
        return aged[0] if len(aged) == 1 else aged[0] - aged[1]
