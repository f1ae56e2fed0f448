"""Sections of the page of a run: how it learned, what the network answers, what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.config import Config
from hil.figures import plots
from hil.plain_text import describe_score
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Statement, Table, words
from hil.statistics import proportion

# Things that a device pays, by their key in the costs of a result.
PAID = {
    "runs": "runs of a batch",
    "samples": "samples",
    "input_events": "events of the input",
    "spikes": "spikes of neurons",
    "synaptic_events": "synaptic events",
    "membrane_updates": "updates of a membrane",
    "energy": "joules, estimated",
    "line_bytes": "bytes on the line",
    "read_bits": "bits read",
    "write_calls": "writes of a projection",
    "cell_writes_mean": "writes of a cell, mean",
    "cell_writes_max": "writes of a cell, most",
}
OUTPUTS, FIRST = 4, 200  # outputs drawn of several numbers; test samples in order
Costs = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True, eq=False)
class RunRecord:
    """Everything that the page of a run is about.

    Attributes:
        path: Its folder.
        config: Its complete configuration.
        metrics: Metrics of each finished epoch.
        findings: What the host noticed, a sentence each.
        result: Its result; None while it is not complete.
        snapshot: What the trained network shows, by name; None before.
        confusion: Test samples `(C, C)`, by class and by answer; None before.
        class_names: Names of the classes.
    """

    path: Path
    config: Config
    metrics: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[str] = ()
    result: Mapping[str, Any] | None = None
    snapshot: Mapping[str, NDArray[Any]] | None = None
    confusion: NDArray[np.int64] | None = None
    class_names: Sequence[str] = ()


def build_findings(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """List the signs that something is amiss."""
    if not run.findings:
        return None
    claims = [Statement(finding, is_supported=True) for finding in run.findings]
    return PageSection(
        "What the host noticed", words.read_note("findings"), claims, template="findings.html.j2"
    )


def build_learning(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Draw accuracy and loss over the epochs."""
    if not run.metrics:
        return None
    last = run.metrics[-1]
    real = last["train_accuracy"] is None
    measure, what = ("nrmse", "NRMSE") if real else ("accuracy", "accuracy")
    lines, summary = [], []
    for shade, (part, name) in enumerate({"train": "training", "validation": "validation"}.items()):
        values = [
            row[key] for row in run.metrics if row.get(key := f"{part}_{measure}") is not None
        ]
        if len(values) == len(run.metrics):
            lines.append(_epoch_line(values, name, shade))
            summary.append(f"{name} {describe_score(last, part)}")
    loss = [_epoch_line([row["train_loss"] for row in run.metrics])]
    title = what if real else what.capitalize()
    score = Plot(
        title,
        partial(plots.plot_lines, lines, "epoch", what, percent=not real),
        description=f"{title} over epochs; at the end {', '.join(summary)}",
    )
    return PageSection(
        "Learning",
        words.read_note("learning"),
        plots=[
            *([score] if lines else []),
            Plot(
                "Loss",
                partial(plots.plot_lines, loss, "epoch", "loss"),
                description=f"Training loss over epochs, at the end {last['train_loss']:.3f}",
            ),
        ],
    )


def build_activity(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Draw the activity of the layers over the epochs."""
    if not run.metrics:
        return None
    layers = list(zip(*(row["hidden_rates"] for row in run.metrics), strict=True))
    hidden = [
        _epoch_line(rates, f"layer {layer + 1}" if len(layers) > 1 else None, layer)
        for layer, rates in enumerate(layers)
    ]
    output = [_epoch_line([row["output_rate"] for row in run.metrics])]
    figures = []
    if hidden:
        draw = partial(plots.plot_lines, hidden, "epoch", "spikes / step")
        description = "Activity of the hidden layers over epochs"
        figures.append(Plot("Hidden activity", draw, description=description))
    last = run.metrics[-1]["output_rate"]
    description = f"Output spikes per step over epochs, at the end {last:.4f}"
    draw = partial(plots.plot_lines, output, "epoch", "spikes / step")
    figures.append(Plot("Output rate", draw, description=description))
    note = words.read_note("activity", weight=run.config.homeostasis.weight)
    if run.config.observe != "spikes":
        note += " " + words.read_note("estimated_activity")
    return PageSection("Activity", note, plots=figures)


def _epoch_line(values: Sequence[float], label: str | None = None, shade: int = 0) -> plots.Line:
    return plots.Line(range(1, len(values) + 1), values, label, shade)


@dataclass(frozen=True)
class ClassRecall:
    """Answers to one class of the test set.

    Attributes:
        counts: Its samples by answer.
        recall: Share of right answers; None where it has no sample.
        interval: Its 95 % interval.
    """

    counts: list[int]
    recall: float | None = None
    interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, counts: NDArray[np.int64], label: int) -> ClassRecall:
        """Count the right answers among the samples of a class."""
        right, total = int(counts[label]), int(counts.sum())
        if total == 0:
            return cls(counts.tolist())
        return cls(counts.tolist(), right / total, proportion(right, total))


def build_confusion(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Tabulate the answers to each class, with its recall."""
    if run.confusion is None:
        return None
    classes = [ClassRecall.of(row, label) for label, row in enumerate(run.confusion)]
    rows = [
        (name, *map(str, own.counts), *(f"{each:.4g}" for each in (own.recall, *own.interval)))
        if own.recall is not None and own.interval
        else (name, *map(str, own.counts), "", "", "")
        for name, own in zip(run.class_names, classes, strict=True)
    ]
    header = ("class", *run.class_names, "recall", "recall from", "recall to")
    return PageSection(
        "What it confuses",
        words.read_note("confusion", samples=run.confusion.sum()),
        tables=[Table("Answers to each class", header, rows)],
        data={"classes": classes, "names": run.class_names},
        template="confusion.html.j2",
    )


def build_fit(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Draw the numbers that a network gives over those that it was asked for."""
    if run.snapshot is None or run.snapshot["test_labels"].ndim == 1:
        return None
    figures = []
    for number in range(min(run.snapshot["test_labels"].shape[1], OUTPUTS)):
        asked, given = (run.snapshot[f"test_{key}"][:, number] for key in ("labels", "predictions"))
        cloud = plots.Cloud(asked.tolist(), given.tolist(), "test samples", 0)
        ends = [float(asked.min()), float(asked.max())]
        ideal = plots.Cloud(ends, ends, "as asked", 1, has_line=True)
        first = range(1, min(len(asked), FIRST) + 1)
        lines = [
            plots.Line(first, values[:FIRST].tolist(), label, shade)
            for shade, (label, values) in enumerate({"asked": asked, "given": given}.items())
        ]
        name = run.class_names[number]
        draw = partial(plots.plot_scatter, [cloud, ideal], "asked", "given", percent=False)
        figures.append(Plot(f"Output {name}", draw))
        draw = partial(plots.plot_lines, lines, "test sample", f"output {name}")
        figures.append(Plot(f"Output {name}, sample by sample", draw))
    return PageSection("Numbers given and asked", words.read_note("fit"), plots=figures)


def build_samples(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Draw a few test samples, and how each is answered."""
    if run.snapshot is None or run.confusion is None:
        return None
    snapshot, names, figures = run.snapshot, run.class_names, []
    shape = tuple(int(side) for side in snapshot["image_shape"]) or None
    rasters, lengths = snapshot.get("output_raster"), snapshot.get("sample_lengths")
    for number, label in enumerate(snapshot["sample_labels"].astype(int).tolist()):
        features, counts = snapshot["samples"][number], snapshot["counts"].astype(int)[number]
        answer = int(snapshot["sample_predictions"][number])
        features = features if lengths is None else features[: int(lengths[number])]
        raster = None if rasters is None else rasters[:, number]
        draw = partial(plots.plot_sample, features, shape, label, counts, raster, names)
        description = f"Input and output spikes of a sample of class {names[label]}"
        title, caption = f"Sample {number + 1}", _describe_answer(label, answer, counts, names)
        title = f"{title}: class {names[label]}"
        figures.append(Plot(title, draw, description=description, caption=caption))
    source, where = run.config.readout.source, ""
    if source != "counts":
        where = f"; here membranes count for every sample (readout.source is {source})"
    return PageSection("A few test samples", words.read_note("samples", where=where), plots=figures)


def _describe_answer(label: int, answer: int, counts: NDArray[Any], names: Sequence[str]) -> str:
    said = f"Answer {names[answer]}: {'right' if answer == label else f'it is {names[label]}'}"
    most = np.flatnonzero(counts == counts.max()).tolist()
    if not counts.any():
        return f"{said}, by membranes: no output neuron fired."
    if most == [answer]:
        return f"{said}, by {_count_spikes(int(counts.max()))}."
    leaders = " and ".join(names[number] for number in most)
    return f"{said}, by membranes; most spikes, {int(counts.max())}, from {leaders}."


def _count_spikes(count: int) -> str:
    return f"{count} spike{'s' if count != 1 else ''}"


def build_membranes(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Draw the membranes of a few neurons of each layer."""
    depth, snapshot = len(run.config.network.hidden) + 1, run.snapshot or {}
    every, figures = int(snapshot["membrane_every"]) if "membrane_every" in snapshot else 1, []
    for number in range(1, depth + 1):
        traces = snapshot.get(f"membrane_{number}")
        if traces is None:
            continue
        layer = name_layer(number, depth)
        description = (
            f"Membranes of {traces.shape[2]} neurons of the {layer} in time, in units of the "
            "threshold"
        )
        draw = partial(plots.plot_membranes, traces[:, 0], every)
        figures.append(Plot(layer.capitalize(), draw, description=description))
    if not figures:
        return None
    sampled = f", sampled every {every} steps" if every > 1 else ""
    note = words.read_note("membranes", sampled=sampled, lowest=plots.LOWEST)
    return PageSection("Membranes", note, plots=figures)


def name_layer(number: int, depth: int) -> str:
    """Name a layer of a network of so many, by its number from 1."""
    return "output layer" if number == depth else f"hidden layer {number}"


def build_weights(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Draw the weights stored over those asked for, projection by projection."""
    if run.snapshot is None:
        return None
    depth, figures = len(run.config.network.hidden) + 1, []
    for number, (start, end) in enumerate(run.config.network.connections):
        asked = run.snapshot[f"asked_{number}"].astype(float)
        stored = run.snapshot[f"stored_{number}"].astype(float)
        source = "input" if start == 0 else name_layer(start, depth)
        target = name_layer(end, depth)
        figures.append(
            Plot(
                f"{source.capitalize()} to {target}",
                partial(plots.plot_weights, asked, stored),
                description=f"Stored over asked weights, {source} to {target}",
                caption=_describe_storage(asked, stored),
            )
        )
    return PageSection("Weights asked and stored", words.read_note("weights"), plots=figures)


def _describe_storage(asked: NDArray[np.float64], stored: NDArray[np.float64]) -> str:
    levels = len(np.unique(stored))
    on_levels = f" on {levels} level{'s' if levels != 1 else ''}" if levels <= 256 else ""
    distance = float(np.sqrt(np.mean((asked - stored) ** 2)))
    if not distance:
        return f"{asked.size} cells{on_levels}, each stored exactly as asked."
    outside = float(np.mean((asked < stored.min()) | (asked > stored.max())))
    return (
        f"{asked.size} cells{on_levels}, {distance:.3g} off on average (root mean square), where "
        f"the asked weights spread by {np.std(asked):.3g}; {100 * outside:.2f} % were asked beyond "
        "the stored range."
    )


def build_time(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Show the shares of the time of the training."""
    if not run.metrics:
        return None
    speed = run.result and run.result["samples_per_second"]
    data = {"time": time_by_part(run.metrics), "samples_per_second": speed}
    return PageSection(
        "Where the time went", words.read_note("time"), data=data, template="time.html.j2"
    )


def time_by_part(metrics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Add up the training time of all epochs so far.

    Args:
        metrics: Metrics of each finished epoch.

    Returns:
        Seconds in the device, on the host and in transfer.
    """
    return {
        part: sum(row[f"{part}_seconds"] for row in metrics)
        for part in ("device", "host", "transfer")
    }


def build_paid(settings: SectionSettings, run: RunRecord) -> PageSection | None:
    """Tabulate what the device paid for an inference, and for the training."""
    if run.result is None:
        return None
    note = words.read_note("paid", verb="estimates" if run.config.observe != "spikes" else "sees")
    table = Table("", ("", "an inference", "the training"), list_costs(run.result["costs"]))
    return PageSection("What the device paid", note, tables=[table])


def list_costs(costs: Costs) -> list[tuple[str, str, str]]:
    """Tell what the device paid, thing by thing, for one sample and for the training.

    Args:
        costs: `costs` of a result.
    """
    one = {"samples": 1.0, **costs["inference"]}
    return [
        (what, _number(one[key]) if key in one else "", _number(costs["training"][key]))
        for key, what in PAID.items()
    ]


def inference_costs(costs: Costs) -> str:
    """Tell what the device paid for one sample, in a line.

    Args:
        costs: `costs` of a result.
    """
    paid = costs["inference"]
    return ", ".join(f"{PAID[key]} {_number(paid[key])}" for key in PAID if key in paid)


def _number(value: float | None) -> str:
    """A number to be read: whole and in groups of three digits, or with three digits in all."""
    if value is None:
        return "not known"
    if 0 < value < 1e-3:
        return f"{value:.2e}"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"


SECTIONS = {
    name: SectionKind(build, page="run")
    for name, build in {
        "findings": build_findings,
        "learning": build_learning,
        "activity": build_activity,
        "fit": build_fit,
        "confusion": build_confusion,
        "samples": build_samples,
        "membranes": build_membranes,
        "weights": build_weights,
        "time": build_time,
        "paid": build_paid,
    }.items()
}
"""Those of every run, in the order of the page."""
