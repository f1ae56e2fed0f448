"""Entrants as data, and the search for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from league.network import Network

Contest = Literal["training step", "emulation"]


@dataclass(frozen=True)
class Ready:
    """An entrant with a network laid out and nothing left to prepare.

    Attributes:
        work: Does what is timed, once.
        samples: How many samples that takes in.
        spikes: Output spikes of the first samples, `(T, b, C)`, by the weights as given; called
            before any work.
        close: Gives back what it holds.
    """

    work: Callable[[], object]
    samples: int
    spikes: Callable[[], NDArray[np.bool_]]
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Entrant:
    """One way to do what is timed.

    Attributes:
        name: What the table calls it.
        contest: What is timed.
        does: What it does in that time, in a few words.
        packages: Distributions that it needs; the first is the one whose version is told.
        prepare: Lays out a network.
        lacks: What else it lacks on this machine, and how to get it; empty for nothing.
        compiles: Whether it first compiles for a minute.
        other: In what its neurons are of another kind, so that its spikes are not compared.
    """

    name: str
    contest: Contest
    does: str
    packages: tuple[str, ...]
    prepare: Callable[[Network], Ready]
    lacks: Callable[[], str] = lambda: ""
    compiles: bool = False
    other: str = ""

    def available(self) -> str:
        """Name what is missing, with the command that installs it; empty when nothing is."""
        missing = [name for name in self.packages if not _version(name)]
        if missing:
            return f"not installed: pip install {' '.join(missing)}"
        return self.lacks()

    @property
    def version(self) -> str:
        """Version of its package, or nothing where it is not installed."""
        return _version(self.packages[0])


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def found(only: str = "") -> list[Entrant]:
    """All entrants, ours first in each contest.

    Args:
        only: Part of the name of those to take, besides ours.

    Raises:
        ValueError: When no entrant has such a name.
    """
    modules = iter_modules(import_module("league.entrants").__path__)
    entrants: list[Entrant] = [
        entrant
        for module in modules
        for entrant in import_module(f"league.entrants.{module.name}").ENTRANTS
    ]
    entrants.sort(key=lambda e: (e.contest != "training step", not ours(e)))
    if not any(only.lower() in entrant.name.lower() for entrant in entrants):
        known = ", ".join(sorted({entrant.name for entrant in entrants}))
        raise ValueError(f"no entrant is called {only!r}: known are {known}")
    return [e for e in entrants if ours(e) or only.lower() in e.name.lower()]


def ours(entrant: Entrant) -> bool:
    """Tell if it is of this project."""
    return entrant.packages[0] == "spikeloop"
