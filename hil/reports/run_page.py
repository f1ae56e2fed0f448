"""The page of one run: one file that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil import tasks
from hil.config import Config, NetworkSection, build
from hil.loop.findings import latest
from hil.reports import plots
from hil.reports.rendering import Attempts, render, write_page
from hil.reports.run_facts import (
    class_names,
    inputs,
    paid,
    ranges,
    settings,
    summary,
    time_by_part,
)
from hil.runs.data import preparation
from hil.runs.folder import PREPARATION, REPORT, SAMPLES
from hil.runs.snapshot import confusion
from hil.statistics import proportion
from hil.tasks import own_file
from hil.trust import REPORT_SECTIONS

if TYPE_CHECKING:
    from hil.runs.folder import Arrays, Run


def write_report(run: Run, attempts: Attempts | None = None) -> Path:
    """Write the page of a run, complete or not; a part that fails is noted in its place.

    Args:
        run: The run folder.
        attempts: Learns what could not be made.

    Returns:
        `report.html` in that folder.
    """
    attempts = attempts or Attempts()
    config, snapshot, result = run.config(), run.load_snapshot(), run.result()
    metrics = run.metrics()
    begun = (run.path / PREPARATION).exists()
    prepared = attempts.made("scaling", lambda: preparation(run)) if begun else None
    learning = attempts.made("section 'Learning'", lambda: _learning(metrics, attempts.drawn))
    shown = snapshot and attempts.made(
        "what the trained network shows", lambda: _shown(snapshot, config.network, attempts.drawn)
    )
    return write_page(
        run.path / REPORT,
        "run.html.j2",
        attempts,
        path=str(run.path),
        config=config,
        result=result,
        paid=paid(result["costs"]) if result else [],
        inputs=inputs(prepared) if prepared else None,
        ranges=ranges(prepared) if prepared else [],
        names=class_names(prepared, snapshot["counts"].shape[1] if snapshot else 0),
        findings=(result or {}).get("findings", latest(metrics)),
        settings=settings(config),
        usual=settings(_usual(run, config.task)),
        environment=run.environment(),
        again=_again(run, config.task),
        own=[
            attempts.shown(f"section {name!r}", partial(_own, name, run.path))
            for name in config.report.sections
        ],
        resume=f"hil resume {quote(str(run.path))}",
        **(learning or {"metrics": ()}),
        **(shown or {}),
    )


def _own(name: str, path: Path) -> str:
    """A section of the user's own, as it gives it."""
    html = REPORT_SECTIONS.get(name)(path)
    if not isinstance(html, str):
        raise ValueError(f"it gives a {type(html).__name__}: give HTML as text")
    return html


def _usual(run: Run, task: str) -> Config:
    """What nobody has to ask for; a task of the user's own is not run to tell its defaults."""
    known = (*tasks.names(), tasks.ARRAYS)
    asked = {"task": task} if task in known or own_file.parse_address(task) else {}
    return build(_suited(run), asked)


def _suited(run: Run) -> Mapping[str, Any]:
    """What suits the samples that are kept with a run; nothing where there are none."""
    if not (run.path / SAMPLES).exists():
        return {}
    return tasks.get(f"npz:{run.path / SAMPLES}").defaults


def _again(run: Run, task: str) -> str:
    """The command that repeats a run; samples that are kept with it are named by their file."""
    own = quote(f"npz:{run.path / SAMPLES}") + " " if task == tasks.ARRAYS else ""
    made = f"--config {quote(f'{run.path}/config.toml')} --out {quote(f'{run.path}-again')}"
    return f"hil train {own}{made}"


def summary_html(run: Run, result: Mapping[str, Any]) -> str:
    """What a notebook shows of a finished run: its figures, and its accuracy by epoch."""
    learning = _learning(run.metrics(), Attempts().drawn)
    return render(
        "run_summary.html.j2",
        rows=summary(result),
        accuracy=learning.get("accuracy"),
        page=str(run.path / REPORT),
    )


Drawn = Callable[[str, Callable[[], str]], str]


def _learning(metrics: Sequence[Mapping[str, Any]], drawn: Drawn) -> dict[str, Any]:
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
        "accuracy": drawn("Accuracy", partial(plots.curves, accuracy, "accuracy", percent=True)),
        "loss": drawn("Loss", partial(plots.curves, [plots.Curve(rows["train_loss"])], "loss")),
        "hidden_rates": drawn("Hidden activity", partial(plots.curves, hidden, "spikes / step"))
        if hidden
        else None,
        "output_rate": drawn(
            "Output rate",
            partial(plots.curves, [plots.Curve(rows["output_rate"])], "spikes / step"),
        ),
        "time": time_by_part(metrics),
    }


@dataclass(frozen=True)
class ClassRecall:
    """How one class of the test set was answered; `recall` is None where it has no sample."""

    counts: list[int]
    recall: float | None
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, counts: NDArray[np.int64], label: int) -> ClassRecall:
        """From the number of its samples answered by each class."""
        right, total = int(counts[label]), int(counts.sum())
        if total == 0:
            return cls(counts.tolist(), recall=None, interval=None)
        return cls(counts.tolist(), recall=right / total, interval=proportion(right, total))


def _shown(snapshot: Arrays, network: NetworkSection, drawn: Drawn) -> dict[str, Any]:
    """What the trained network shows of itself."""
    depth = len(network.hidden) + 1
    labels = snapshot["test_labels"].astype(np.int64)
    every = int(snapshot["membrane_every"]) if "membrane_every" in snapshot else 1
    layers = [n for n in range(1, depth + 1) if f"membrane_{n}" in snapshot]
    return {
        "tested": len(labels),
        "most_frequent": float(np.bincount(labels).max() / len(labels)),
        "confusion": [ClassRecall.of(row, label) for label, row in enumerate(confusion(snapshot))],
        "samples": _samples(snapshot, drawn),
        "membranes": [
            {
                "layer": _layer(n, depth),
                "neurons": snapshot[f"membrane_{n}"].shape[2],
                "svg": drawn(
                    f"Membranes of the {_layer(n, depth)}",
                    partial(plots.membranes, snapshot[f"membrane_{n}"][:, 0], every),
                ),
            }
            for n in layers
        ],
        "every": every,
        "lowest": plots.LOWEST,
        "projections": [
            _projection(snapshot, p, ends, depth, drawn)
            for p, ends in enumerate(network.connections)
        ],
    }


def _layer(number: int, depth: int) -> str:
    return "output layer" if number == depth else f"hidden layer {number}"


def _samples(snapshot: Arrays, drawn: Drawn) -> list[dict[str, Any]]:
    shape = tuple(int(side) for side in snapshot["image_shape"])
    rasters, lengths = snapshot.get("output_raster"), snapshot.get("sample_lengths")
    shown = []
    for s, (features, label) in enumerate(
        zip(snapshot["samples"], snapshot["sample_labels"].astype(int), strict=True)
    ):
        counts = snapshot["counts"].astype(int)[s]
        features = features if lengths is None else features[: int(lengths[s])]
        shown.append(
            {
                "label": int(label),
                "most": np.flatnonzero(counts == counts.max()).tolist() if counts.any() else [],
                "count": int(counts.max()),
                "svg": drawn(
                    f"Sample {s + 1}",
                    partial(
                        plots.sample,
                        features,
                        shape or None,
                        int(label),
                        counts,
                        None if rasters is None else rasters[:, s],
                    ),
                ),
            }
        )
    return shown


def _projection(
    snapshot: Arrays, number: int, ends: tuple[int, int], depth: int, drawn: Drawn
) -> dict[str, Any]:
    asked = snapshot[f"asked_{number}"].astype(float)
    stored = snapshot[f"stored_{number}"].astype(float)
    return {
        "source": "input" if ends[0] == 0 else _layer(ends[0], depth),
        "target": _layer(ends[1], depth),
        "cells": asked.size,
        "levels": len(np.unique(stored)),
        "distance": float(np.sqrt(np.mean((asked - stored) ** 2))),
        "spread": float(np.std(asked)),
        "outside": float(np.mean((asked < stored.min()) | (asked > stored.max()))),
        "svg": drawn(f"Weights of projection {number}", partial(plots.weights, asked, stored)),
    }
