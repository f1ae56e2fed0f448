"""The page of a run, and the page that compares several: each one file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.files import write_text
from hil.loop import diagnosis
from hil.reports import comparison, plots, rendering
from hil.runs.folder import ENVIRONMENT, REPORT
from hil.statistics import wilson

if TYPE_CHECKING:
    from hil.runs.folder import Arrays, Run

CURVES = {"Validation accuracy": "validation_accuracy", "Training accuracy": "train_accuracy"}


def write_report(run: Run) -> Path:
    """Write the page of a run, complete or not.

    Args:
        run: The run folder.

    Returns:
        `report.html` in that folder.
    """
    from hil.config import build

    config, evidence = run.config(), run.load_evidence()
    environment = json.loads((run.path / ENVIRONMENT).read_text(encoding="utf-8"))
    text = rendering.render(
        "run.html.j2",
        path=str(run.path),
        config=config,
        result=run.result(),
        findings=diagnosis.latest(run.metrics()),
        settings=comparison.settings(config),
        usual=comparison.settings(build({"task": config.task})),
        environment=environment,
        again=f"hil train --config {quote(f'{run.path}/config.toml')} "
        f"--out {quote(f'{run.path}-again')}",
        resume=f"hil resume {quote(str(run.path))}",
        **_learning(run.metrics()),
        **(_shown(evidence, len(config.network.hidden) + 1) if evidence else {}),
    )
    return write_text(run.path / REPORT, text)


def write_comparison(runs: Sequence[Run], path: Path) -> Path:
    """Write a page that compares runs.

    Runs with the same settings but for the seed form a group. Its interval is Student's t over
    its seeds (runs with the same seed are averaged first: they are not independent), so it speaks
    for further seeds on the same device.

    Args:
        runs: The run folders, complete or not.
        path: The page to write.

    Returns:
        The path.

    Raises:
        ValueError: For no run, or one given twice.
    """
    groups = comparison.grouped(runs)
    entries = [(group, entry) for group in groups for entry in group.entries]
    times = [(entry, _time(entry.metrics)) for _, entry in entries if entry.metrics]
    text = rendering.render(
        "comparison.html.j2",
        groups=groups,
        entries=entries,
        differing=comparison.differing(groups),
        times=times,
        longest=max((sum(time.values()) for _, time in times), default=0.0),
        accuracies=_accuracies(groups),
        curves=[
            (title, svg)
            for title, key in CURVES.items()
            if (svg := _together(groups, key)) is not None
        ],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, text)


# -- one run ----------------------------------------------------------------------------------


def _learning(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the epochs so far show."""
    if not metrics:
        return {"metrics": metrics}
    rows = {key: [row[key] for row in metrics] for key in metrics[0]}
    accuracy = [plots.Curve(rows["train_accuracy"], "training")]
    if None not in rows["validation_accuracy"]:
        accuracy.append(plots.Curve(rows["validation_accuracy"], "validation", 1))
    layers = list(zip(*rows["hidden_rates"], strict=True))
    hidden = [
        plots.Curve(rates, f"layer {layer + 1}" if len(layers) > 1 else None, layer)
        for layer, rates in enumerate(layers)
    ]
    return {
        "metrics": metrics,
        "accuracy": plots.curves(accuracy, "accuracy", percent=True),
        "loss": plots.curves([plots.Curve(rows["train_loss"])], "loss"),
        "hidden_rates": plots.curves(hidden, "spikes / step") if hidden else None,
        "output_rate": plots.curves([plots.Curve(rows["output_rate"])], "spikes / step"),
        "time": _time(metrics),
    }


def _time(metrics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of all epochs so far, by where they were spent."""
    return {
        part: sum(row[f"{part}_seconds"] for row in metrics)
        for part in ("device", "host", "transfer")
    }


@dataclass(frozen=True)
class Class:
    """How one class of the test set was answered; `recall` is None where it has no sample."""

    counts: list[int]
    recall: float | None
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, counts: NDArray[np.int64], label: int) -> Class:
        """From the number of its samples answered by each class."""
        right, total = int(counts[label]), int(counts.sum())
        if total == 0:
            return cls(counts.tolist(), None, None)
        return cls(counts.tolist(), right / total, wilson(right, total))


def _shown(evidence: Arrays, depth: int) -> dict[str, Any]:
    """What the trained network shows of itself."""
    labels = evidence["test_labels"].astype(np.int64)
    predictions = evidence["test_predictions"].astype(np.int64)
    classes = evidence["counts"].shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predictions), 1)
    every = int(evidence["membrane_every"]) if "membrane_every" in evidence else 1
    layers = [n for n in range(1, depth + 1) if f"membrane_{n}" in evidence]
    return {
        "tested": len(labels),
        "most_frequent": float(np.bincount(labels).max() / len(labels)),
        "confusion": [Class.of(row, label) for label, row in enumerate(confusion)],
        "samples": _samples(evidence),
        "membranes": [
            {
                "layer": _layer(n, depth),
                "neurons": evidence[f"membrane_{n}"].shape[2],
                "svg": plots.membranes(evidence[f"membrane_{n}"][:, 0], every),
            }
            for n in layers
        ],
        "every": every,
        "lowest": plots.LOWEST,
        "projections": [_projection(evidence, p, depth) for p in range(depth)],
    }


def _layer(number: int, depth: int) -> str:
    return "output layer" if number == depth else f"hidden layer {number}"


def _samples(evidence: Arrays) -> list[dict[str, Any]]:
    shape = tuple(int(side) for side in evidence["image_shape"])
    rasters = evidence.get("output_raster")
    found = []
    for s, (features, label) in enumerate(
        zip(evidence["samples"], evidence["sample_labels"].astype(int), strict=True)
    ):
        counts = evidence["counts"].astype(int)[s]
        found.append(
            {
                "label": int(label),
                "most": np.flatnonzero(counts == counts.max()).tolist() if counts.any() else [],
                "count": int(counts.max()),
                "svg": plots.sample(
                    features,
                    (shape[0], shape[1]) if shape else None,
                    int(label),
                    counts,
                    None if rasters is None else rasters[:, s],
                ),
            }
        )
    return found


def _projection(evidence: Arrays, number: int, depth: int) -> dict[str, Any]:
    asked = evidence[f"asked_{number}"].astype(float)
    stored = evidence[f"stored_{number}"].astype(float)
    return {
        "source": "input" if number == 0 else _layer(number, depth),
        "target": _layer(number + 1, depth),
        "cells": asked.size,
        "levels": len(np.unique(stored)),
        "distance": float(np.sqrt(np.mean((asked - stored) ** 2))),
        "spread": float(np.std(asked)),
        "outside": float(np.mean((asked < stored.min()) | (asked > stored.max()))),
        "svg": plots.weights(asked, stored),
    }


# -- several runs -----------------------------------------------------------------------------


def _accuracies(groups: Sequence[comparison.Group]) -> str | None:
    """Test accuracy of each run, and the mean of each group below its runs."""
    rows = []
    for group in groups:
        shade = group.number - 1
        for entry in group.entries:
            if entry.result is not None:
                name = f"{group.number} · seed {entry.config.seed}"
                low, high = entry.result["test_accuracy_ci95"]
                rows.append(plots.Estimate(name, entry.result["test_accuracy"], (low, high), shade))
        if group.mean is not None and group.interval is not None:
            name = f"{group.number} · mean"
            rows.append(plots.Estimate(name, group.mean, group.interval, shade, summary=True))
    return plots.estimates(rows) if rows else None


def _together(groups: Sequence[comparison.Group], key: str) -> str | None:
    """One metric of every run that has it, in one figure."""
    lines = []
    for group in groups:
        label: str | None = f"group {group.number}"
        for entry in group.entries:
            values = [row[key] for row in entry.metrics]
            if values and None not in values:
                lines.append(plots.Curve(values, label, group.number - 1))
                label = None
    return plots.curves(lines, "accuracy", percent=True) if lines else None
