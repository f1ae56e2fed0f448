"""Entrants side by side: the same network, in turn, and whether their spikes are the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from league.entrant import Entrant, Ready, ours
from league.network import Network


@dataclass(frozen=True)
class Row:
    """Result of an entrant.

    Attributes:
        name: Its name.
        contest: What was timed.
        does: What it does in that time.
        version: Version of its package; empty where it is not installed.
        ms: Milliseconds a sample, the median; None where it did not run.
        ratio: That over ours, the first of the contest.
        spikes: How its output spikes compare with ours.
        missing: Why it did not run, and what to do about it.
    """

    name: str
    contest: str
    does: str
    version: str
    ms: float | None = None
    ratio: float | None = None
    spikes: str = ""
    missing: str = ""

    def json(self) -> dict[str, Any]:
        """It as an object of JSON."""
        return asdict(self)


def held(entrants: Sequence[Entrant], network: Network, repeats: int) -> list[Row]:
    """Prepare all that are there, compare their spikes, and time them in turn.

    Args:
        entrants: Who takes part; the first of each contest is ours.
        network: What all are given.
        repeats: How often each is timed; one round goes through all of them.

    Returns:
        A row for each entrant, in order.
    """
    ready: dict[int, Ready] = {}
    missing: dict[int, str] = {}
    compared: dict[int, str] = {}
    reference: dict[str, NDArray[np.bool_]] = {}
    for number, entrant in enumerate(entrants):
        missing[number] = entrant.available()
        if missing[number]:
            continue
        try:
            prepared = entrant.prepare(network)
            spikes = prepared.spikes()
        except Exception as error:  # the software of others, of any version
            if ours(entrant):
                raise
            missing[number] = f"fails: {type(error).__name__}: {error}".splitlines()[0]
            continue
        ready[number] = prepared
        if entrant.other:
            compared[number] = f"not compared: {entrant.other}"
        elif entrant.contest in reference:
            expected = reference[entrant.contest]
            compared[number] = difference(expected, spikes, len(network.weights))
        reference.setdefault(entrant.contest, spikes)
    medians = timed(ready, repeats)
    for prepared in ready.values():
        prepared.close()
    return _rows(entrants, medians, compared, missing)


def timed(ready: dict[int, Ready], repeats: int) -> dict[int, float]:
    """Milliseconds a sample of each, the median of some, after a call that does not count."""
    times: dict[int, list[float]] = {number: [] for number in ready}
    for one in range(repeats + 1):
        for number, prepared in ready.items():
            began = time.perf_counter()
            prepared.work()
            if one:
                times[number].append((time.perf_counter() - began) / prepared.samples)
    return {number: 1e3 * float(np.median(found)) for number, found in times.items()}


def difference(expected: NDArray[np.bool_], found: NDArray[np.bool_], depth: int) -> str:
    """Describe how output spikes differ from ours.

    A model that fires in the step of its input is ahead by a step for each layer: the shift with
    the fewest differences is taken and told.

    Args:
        expected: Ours, `(T, B, C)`.
        found: Theirs, `(T, b, C)`, of the first b samples.
        depth: Number of layers of neurons.
    """
    steps, samples = found.shape[:2]
    ours_too = expected[:, :samples]
    wrong, ahead = min(
        (int(np.count_nonzero(ours_too[shift:] != found[: steps - shift])), shift)
        for shift in range(depth + 1)
    )
    total = int(np.count_nonzero(ours_too[ahead:]))
    same = int(np.count_nonzero(ours_too[ahead:] & found[: steps - ahead]))
    told = (
        f"{same} of {total} the same, {wrong + same - total} others"
        if wrong
        else f"all {total} the same"
    )
    return f"{told}, {ahead} steps earlier" if ahead else told


def _rows(
    entrants: Sequence[Entrant],
    medians: dict[int, float],
    compared: dict[int, str],
    missing: dict[int, str],
) -> list[Row]:
    ours_of: dict[str, float] = {}
    rows = []
    for number, entrant in enumerate(entrants):
        ms = medians.get(number)
        ratio = None
        if ms is not None:
            ratio = ms / ours_of.setdefault(entrant.contest, ms)
        rows.append(
            Row(
                entrant.name,
                entrant.contest,
                entrant.does,
                entrant.version,
                ms,
                ratio,
                compared.get(number, ""),
                missing[number],
            )
        )
    return rows
