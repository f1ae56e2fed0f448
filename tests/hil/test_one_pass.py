"""Loops that are compiled where numba is installed: what they give is the same where it is not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hil.learning import optimisers, wiring
from hil.learning.nominal_neuron import NominalNeuron
from hil.learning.rate_estimators import fused
from hil.loop import costs
from hil.one_pass import OnePass, parts
from hil.tasks import augmentation

SIZE = 40_000  # more than a slice holds
NEURON = NominalNeuron(0.9, steps=10)
DRAWN = np.random.default_rng(0).normal(0, 1, (7, SIZE)).astype(np.float32)
PLACES = np.random.default_rng(0).uniform(0, 9, (2, SIZE)).astype(np.float32)


def numbers(*values: float) -> list[np.float32]:
    return [np.float32(value) for value in values]


LOOPS: dict[str, tuple[OnePass, Sequence[Any]]] = {
    "adamw": (
        optimisers.descend_by_moments,
        [DRAWN[0], DRAWN[1], DRAWN[2] ** 2, DRAWN[3], *numbers(2, 0.01, 1.3, 0.999)],
    ),
    "sgd": (optimisers.descend_with_momentum, [*DRAWN[:3], *numbers(2, 0.9, 0.01, 0.999)]),
    "homeostasis": (
        wiring.add_outer,
        [DRAWN[0].reshape(400, 100), DRAWN[1, :400, np.newaxis], DRAWN[2, :100]],
    ),
    "sparse gradients": (
        wiring.add_products,
        [
            DRAWN[0],
            DRAWN[1:4, :400],
            DRAWN[4:7, :100],
            np.arange(SIZE, dtype=np.int32) // 100,
            np.arange(SIZE, dtype=np.int32) % 100,
        ],
    ),
    "writes": (
        costs.count_changes,
        [np.arange(SIZE, dtype=np.int32), np.rint(DRAWN[0]), np.rint(DRAWN[1])],
    ),
    "fused": (
        fused.fuse,
        [
            *DRAWN[:2],
            *abs(DRAWN[2:4]),
            *(NEURON.table[name].reshape(-1) for name in ("mean_before", "rate")),
            fused.BOUNDS,
            NEURON.axis,
            *numbers(0.01, 1),
            *DRAWN[4:6],
        ],
    ),
    "augmentation": (
        augmentation.interpolate,
        [
            DRAWN[0, : 300 * 121],
            np.arange(300)[:, np.newaxis] * 121,
            DRAWN[1, : 3 * 300 * 2].reshape(3, 300, 2, 1),
            *PLACES[:, :64],
            tuple(numbers(9, 9)),
            DRAWN[2, : 300 * 64].reshape(300, 64),
            11,
        ],
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_gives_the_same_bits_compiled_and_in_slices(name: str) -> None:
    pytest.importorskip("numba")
    loop, given = LOOPS[name]
    outcomes: list[list[Any]] = []
    for way in (None, loop.compiled.find(given, wait=True), loop.loop):
        arguments = [a.copy() if isinstance(a, np.ndarray) else a for a in given]
        if way is not None:
            way(*arguments)
        outcomes.append([a.view(np.uint8) for a in arguments if isinstance(a, np.ndarray)])
    before, compiled, sliced = outcomes
    assert not all(map(np.array_equal, before, compiled))
    for one, other in zip(compiled, sliced, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loop_is_run_in_slices_where_numba_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met: list[slice] = []
    monkeypatch.setitem(sys.modules, "numba", None)
    OnePass(lambda size: met.extend(parts(size, 1000)))(100)
    assert np.concatenate([np.arange(100)[each] for each in met]).tolist() == list(range(100))
    assert len(met) > 1
