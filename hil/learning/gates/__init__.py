"""A gate: a function g that aDFA puts in place of the neuron's derivative; and gates by name.

It does not have to be the derivative of anything; see arXiv 2409.07776. A module here that defines
`GATE`, a `Gate`, is one; `GATES`, several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.discovery import Catalogue

Matrix = NDArray[np.float32]
Drawn = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Gate:
    """A family of functions g(x), where x = gain * (z - shift) for a membrane z in thresholds.

    Attributes:
        function: g of x of any shape, and of what was drawn; same shape, float32.
        draw: Draws once what g is made of, by name, from a generator and the number of terms;
            None for a g that is the same for every seed.
        description: What it is, in a sentence, where its module has several.
    """

    function: Callable[[Matrix, Drawn], Matrix]
    draw: Callable[[Generator, int], dict[str, NDArray[np.generic]]] | None = None
    description: str = ""

    def draw_terms(self, rng: Generator, terms: int = 4) -> dict[str, NDArray[np.generic]]:
        """Draw what g is made of, which a rule keeps in its state; nothing for most gates.

        Args:
            rng: Where it is drawn from.
            terms: Number of terms, for a gate that is a series.
        """
        return self.draw(rng, terms) if self.draw is not None else {}

    def evaluate(self, z: Matrix, gain: float, shift: float, drawn: Drawn) -> Matrix:
        """Evaluate the gate at `x = gain * (z - shift)`.

        Args:
            z: Membranes of any shape, in nominal thresholds.
            gain: Steepness, or angular frequency in rad per threshold.
            shift: Centre, or phase, in thresholds.
            drawn: What `draw_terms` gave; other entries are passed over.

        Returns:
            Same shape, float32.
        """
        x = np.float32(gain) * (z - np.float32(shift))
        return np.asarray(self.function(x, drawn), dtype=np.float32)


def with_checks(gate: Gate, what: str) -> Gate:
    """Wrap a gate, to be refused at its first value that is of another shape than asked, or none.

    Args:
        gate: The gate.
        what: Which one it is, for the refusal.
    """

    def function(x: Matrix, drawn: Drawn) -> Matrix:
        values = np.asarray(gate.function(x, drawn), dtype=np.float32)
        if values.shape != x.shape:
            raise ValueError(f"{what} gives shape {values.shape} for {x.shape}: give the same")
        if not np.isfinite(values).all():
            raise ValueError(f"{what} gives values that are not finite")
        return values

    return replace(gate, function=function)


__all__ = ["CATALOGUE", "get", "names"]

CATALOGUE: Catalogue[Gate] = Catalogue(
    "gate (rule.g)", Gate, "hil.gates", __name__, "GATE", with_checks=with_checks
)
names, get = CATALOGUE.names, CATALOGUE.get
