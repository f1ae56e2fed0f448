"""A model on an ideal chip does what NIR's equations say, integrated independently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from drivers import Stimulus
from support.nir_models import (
    chain,
    cuba,
    lif,
    linear,
    recurrent,
    spikes_of_equations,
    spikes_on_device,
)

SIZES, STEPS, BATCH = (8, 16, 4), 50, 6


def network(path: Path, rng: np.random.Generator, neurons: Any) -> tuple[Path, Any]:
    matrices = [
        (rng.normal(size=(a, b)) * scale / np.sqrt(a)).astype(np.float32)
        for a, b, scale in zip(SIZES, SIZES[1:], (0.4, 1.2), strict=False)
    ]
    nodes = [node for w in matrices for node in (linear(w), neurons(w.shape[1]))]
    chain(path, *nodes)
    return path, nir.read(path)


def alike(counts: list[Any], others: list[Any], lively: float = 5) -> None:
    """Within one spike in every neuron, of a network that does fire."""
    for ours, theirs in zip(counts, others, strict=True):
        assert theirs.max() >= lively
        assert np.abs(ours - theirs).max() <= 1.01


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("kind", ["current", "spikes"])
def test_lif(tmp_path: Path, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    path, graph = network(tmp_path / "m.nir", rng, lif)
    if kind == "current":
        shown = rng.random((BATCH, SIZES[0]))
        stimulus = Stimulus.current(shown, steps=STEPS)
    else:
        shown = (rng.random((STEPS, BATCH, SIZES[0])) < 0.5).astype(float)
        stimulus = Stimulus.spikes(shown.reshape(STEPS * BATCH, -1), steps=STEPS)
    counts = spikes_on_device(path, "emulator:ideal", stimulus)
    alike(counts, spikes_of_equations(graph, shown, STEPS))


@pytest.mark.parametrize("seed", [2, 3])
def test_lif_behind_synapses(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path, graph = network(tmp_path / "m.nir", rng, cuba)
    shown = (rng.random((STEPS, BATCH, SIZES[0])) < 0.6).astype(float)
    stimulus = Stimulus.spikes(shown.reshape(STEPS * BATCH, -1), steps=STEPS)
    counts = spikes_on_device(path, "emulator:ideal?neuron=lif-exp", stimulus)
    alike(counts, spikes_of_equations(graph, shown, STEPS), lively=3)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_lif_that_lead_to_themselves(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, own = (
        rng.normal(size=shape) * scale / np.sqrt(shape[0])
        for shape, scale in (((8, 16), 0.4), ((16, 4), 1.0), ((16, 16), 0.8))
    )
    cells = lif(16), lif(4)
    path = recurrent(tmp_path / "m.nir", [(a, cells[0], [linear(own)]), (b, cells[1], [])])
    graph = nir.read(chain(tmp_path / "chain.nir", linear(a), cells[0], linear(b), cells[1]))
    shown = rng.random((BATCH, SIZES[0]))
    counts = spikes_on_device(path, "emulator:ideal", Stimulus.current(shown, steps=STEPS))
    wanted = spikes_of_equations(graph, shown, STEPS, back=own)
    without = spikes_of_equations(graph, shown, STEPS)
    for ours, theirs, other in zip(counts, wanted, without, strict=True):
        # A spike that comes a step late comes back a step late, too.
        assert np.abs(ours - theirs).max() <= 2.01 and np.abs(ours - theirs).mean() < 0.5
        assert np.abs(theirs - other).max() >= 5
