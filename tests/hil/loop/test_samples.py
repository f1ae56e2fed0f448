"""Which samples a device is shown, when, and in which order."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers import Probe, Readout, Stimulus, registry
from drivers.emulator.device import Emulator
from hil import config as configuration
from hil import tasks
from hil.loop import epochs, training
from hil.runs.folder import Run

EPOCHS, BATCH = 2, 300
SMALL: dict[str, Any] = {
    "task": "digits",
    "device": "shown:ideal",
    "network": {"hidden": [5], "steps": 4},
    "rule": {"name": "output_only"},
    "training": {"epochs": EPOCHS, "batch": BATCH},
}


class Shown(Emulator):
    """An emulated chip, and all samples that it was shown, by batch."""

    batches: list[NDArray[np.float32]]

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        type(self).batches.append(np.array(stimulus.data))
        return super()._run(stimulus, probes, trial, carry)


@pytest.fixture(autouse=True)
def _plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("plugged_in")
    module.Shown = Shown  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(registry.BUILTIN, "shown", "plugged_in:Shown")
    Shown.batches = []


def trained(folder: Path, **sections: Any) -> tuple[Run, dict[str, Any]]:
    run = Run.create(folder, configuration.build(configuration.merge_layers(SMALL, sections)))
    return run, training.train(run)


def shown_rows() -> list[bytes]:
    return [row.tobytes() for batch in Shown.batches for row in batch]


def test_each_part_of_the_samples_is_shown_for_what_it_is_for(tmp_path: Path) -> None:
    run, _ = trained(tmp_path / "run")
    config = run.config()
    data = tasks.load("digits", config.seed, config.training.validation_fraction)
    train, validation, test = (
        [row.tobytes() for row in data.batch(x)]
        for x in (data.x_train, data.x_validation, data.x_test)
    )
    parts = {"train": set(train), "validation": set(validation), "test": set(test)}
    blocks = [
        (part, list(rows))
        for part, rows in groupby(
            shown_rows(), key=lambda row: next(name for name, own in parts.items() if row in own)
        )
    ]
    assert [part for part, _ in blocks] == ["train", "validation"] * EPOCHS + ["test"]
    assert all(rows == validation for part, rows in blocks if part == "validation")
    # A few of them are shown once more, for the page.
    assert blocks[-1][1][: len(test)] == test


def test_an_epoch_is_all_training_samples_in_an_order_of_its_own(tmp_path: Path) -> None:
    run, _ = trained(tmp_path / "run")
    config = run.config()
    data = tasks.load("digits", config.seed, config.training.validation_fraction)
    train = [row.tobytes() for row in data.batch(data.x_train)]
    size, known = len(train), set(train)
    shown = [row for row in shown_rows() if row in known]
    # The last of them: some are shown before the first step.
    orders = [train, shown[-2 * size : -size], shown[-size:]]
    assert sorted(orders[1]) == sorted(orders[2]) == sorted(train)
    for one, other in combinations(orders, 2):
        assert sum(a == b for a, b in zip(one, other, strict=True)) < 0.02 * size


def test_every_batch_is_augmented_by_randomness_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, affine = list[bytes](), epochs.augmentation.affine

    def watched(x: Any, shape: Any, rng: np.random.Generator, **bounds: Any) -> Any:
        drawn.append(rng.bytes(16))
        return affine(x, shape, rng, **bounds)

    monkeypatch.setattr(epochs.augmentation, "affine", watched)
    run, _ = trained(tmp_path / "run", augmentation={"shift": 0.5})
    arrays = run.load_checkpoint()
    assert arrays is not None
    assert len(set(drawn)) == len(drawn) == int(arrays["optimiser/step"]) == 2 * 5
