"""The page that compares several runs: groups by the settings that differ, pairs of equal seed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from hil import statistics
from hil.reports import rendering
from hil.reports.run_facts import settings_as_text
from hil.runs.folder import REPORT
from hil.sections import PageSection, Statement, Table, curves, means, pairs, words
from hil.sections.trials import PAID, Cell, Level, Row, Trials, Unit, estimate

if TYPE_CHECKING:
    from hil.runs.folder import Run

SEED, FACTOR = ("run", "seed"), "settings"


class ComparedRun:
    """A run in a comparison.

    Attributes:
        run: The run.
        path: Its folder.
        config: Its configuration.
        settings: All settings but the seed, as text.
        metrics: Metrics of each finished epoch.
        result: Its result; None while it is not complete.
    """

    def __init__(self, run: Run) -> None:
        """Read a run folder, complete or not."""
        self.run, self.path, self.config = run, run.path, run.config()
        self.metrics, self.result = run.metrics(), run.result()
        self.settings = {
            key: text for key, text in settings_as_text(self.config).items() if key != SEED
        }

    @property
    def outcome(self) -> dict[str, Any]:
        """What was measured, as of a trial of a study."""
        curve, result = [row["validation_accuracy"] for row in self.metrics], self.result
        if result is None:
            return {"curve": curve}
        paid, inference = result["costs"]["training"], result["costs"]["inference"]
        return {
            "curve": curve,
            "seconds": result["train_seconds"],
            **{key: result[key] for key in ("test_accuracy", "device_seconds", "transfer_seconds")},
            **{key: inference[key] for key in ("spikes", "synaptic_events")},
            **{measure: paid[key] for measure, key in PAID.items()},
        }

    def find_right(self) -> tuple[bytes, Any]:
        """Find which test samples it answers right, after their labels; none before the test."""
        snapshot = self.run.load_snapshot() or {}
        labels = snapshot.get("test_labels", np.empty(0)).astype(np.int64)
        return labels.tobytes(), snapshot.get("test_predictions", labels) == labels


Group = list[ComparedRun]
"""Runs with the same settings but for the seed."""


def group_runs(runs: Sequence[ComparedRun]) -> list[Group]:
    """Group runs by all settings but the seed.

    Args:
        runs: The runs, complete or not.

    Returns:
        The groups, in the order in which their first runs are given.

    Raises:
        ValueError: For no run, or one given twice.
    """
    if not runs:
        raise ValueError("no run to compare: give at least one run folder")
    places = [run.path.resolve() for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise ValueError(f"{place} is given twice: give each run once")
    alike: dict[tuple[object, ...], Group] = {}
    for run in runs:
        alike.setdefault(tuple(run.settings.items()), []).append(run)
    return list(alike.values())


def find_differing_settings(groups: Sequence[Group]) -> dict[str, list[str | None]]:
    """Find the settings in which groups differ.

    Args:
        groups: The groups.

    Returns:
        By `section.key`, the value in each group; None where a group has no such setting, because
        its rule or encoding has none. That alone is no difference: the name of the rule is one.
    """
    keys = dict.fromkeys(key for group in groups for key in group[0].settings)
    table = {key: [group[0].settings.get(key) for group in groups] for key in keys}
    return {
        ".".join(part for part in key if part != "run"): values
        for key, values in table.items()
        if len(set(values) - {None}) > 1
    }


def name_groups(
    groups: Sequence[Group], differing: Mapping[str, Sequence[str | None]]
) -> tuple[str, list[str]]:
    """Name groups by the fewest settings that tell them apart.

    Returns:
        What the names are of, and the name of each group.
    """
    chosen: dict[str, Sequence[str | None]] = {}
    for key, values in sorted(differing.items(), key=lambda item: -len(set(item[1]))):
        before = set(zip(*chosen.values(), strict=True)) or {()}
        if len(set(zip(*chosen.values(), values, strict=True))) > len(before):
            chosen[key.removesuffix(".name").rpartition(".")[2].replace("_", " ")] = values
    if len(chosen) == 1:
        ((heading, values),) = chosen.items()
        return heading, [value or "none" for value in values]
    parts = [[f"{key} {value or 'none'}" for value in values] for key, values in chosen.items()]
    return "settings", [", ".join(each) for each in zip(*parts, strict=True)] or ["all runs"]


def write_comparison(
    runs: Sequence[Run], path: Path, attempts: rendering.Attempts | None = None
) -> Path:
    """Write a page that compares runs.

    Runs with the same settings but for the seed form a group, and are to it what repetitions are
    to a combination of levels of a study: runs of one seed are averaged first, those of equal seed
    are compared in pairs, and intervals speak for further seeds on the same device.

    Args:
        runs: The run folders, complete or not.
        path: The page to write.
        attempts: Learns what could not be made.

    Returns:
        The path.

    Raises:
        ValueError: For no run, or one given twice, or one that gives numbers.
    """
    attempts = attempts or rendering.Attempts()
    groups = group_runs([ComparedRun(run) for run in runs])
    members = [run for group in groups for run in group]
    for run in members:
        if (run.result or {}).get("test_nrmse") is not None:
            raise ValueError(f"{run.path} gives numbers, and accuracies are compared: leave it out")
    differing = find_differing_settings(groups)
    heading, names = name_groups(groups, differing)
    trials = read_trials(groups, heading, names)
    of_groups = {"by": (FACTOR,)}
    pairing = pairs.PairsSettings(factor=FACTOR, reference=names[0], title=f"Against {names[0]}")
    makers = {
        "Test accuracy": partial(means.build_means, means.MeansSettings(**of_groups), trials),
        "Against the first": partial(pairs.build_pairs, pairing, trials),
        "Answers": partial(build_answers, groups, names),
        "Learning": partial(curves.build_epochs, curves.CurvesSettings(lines=(FACTOR,)), trials),
        "Costs": partial(means.build_costs, means.MeansSettings(**of_groups), trials),
        "Runs": partial(build_runs, groups, differing, path.parent),
    }
    made = [attempts.make_section(*maker) for maker in makers.items()]
    shown = (part for part in made if part is not None)
    parts = [p for p in shown if p.plots or p.failure or any(table.rows for table in p.tables)]
    answers = [part.answer for part in parts if part.answer]
    mean = estimate(trials.rows, "test_accuracy")
    if len(groups) == 1 and mean is not None:
        answers = [f"mean test accuracy {words.format_mean(mean, 'test_accuracy')}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    return rendering.write_page(
        path,
        "comparison.html.j2",
        attempts,
        names=names,
        runs=members,
        differing=differing,
        claims=[claim for part in parts for claim in part.claims if claim.is_supported],
        answer=words.make_sentence(answers[-1] if answers else ""),
        content=[attempts.draw_section(part) for part in parts],
    )


def read_trials(groups: Sequence[Group], heading: str, names: Sequence[str]) -> Trials:
    """Read runs as trials of a study, with a level for each group."""
    rows: list[Row] = []
    for group, name in zip(groups, names, strict=True):
        cell = Cell("", {FACTOR: Level(name, display=name, about=heading)})
        for run in group:
            unit = Unit(run.config.seed, run.config.seed, None)
            rows.append(Row(len(rows), cell, unit, run.outcome))
    return Trials(rows, (FACTOR,))


def build_answers(groups: Sequence[Group], names: Sequence[str]) -> PageSection:
    """Count the test samples that a run of the first group or one of another alone answers right.

    Runs of equal seed are paired; where there are none, the first ones of both groups.
    """
    table, tests = [], []
    for group, name in zip(groups[1:], names[1:], strict=True):
        for one, other in _pair_runs(groups[0], group):
            first, second = one.find_right(), other.find_right()
            if not first[0] or first[0] != second[0]:
                continue
            a, b = first[1], second[1]
            counts = [int(each.sum()) for each in (a & b, a & ~b, ~a & b, ~a & ~b)]
            tests.append(statistics.mcnemar(counts[1], counts[2]))
            seeds = dict.fromkeys(str(run.config.seed) for run in (one, other))
            table.append([name, " and ".join(seeds), *map(str, counts)])
    adjusted = statistics.holm(tests)
    claims = [
        Statement(
            f"of the same {sum(map(int, row[2:]))} test samples {names[0]} alone is right on "
            f"{row[3]}, and {row[0]} alone on {row[4]} (seed {row[1]}; p = {p:.2g})",
            True,
        )
        for row, p in zip(table, adjusted, strict=True)
        if p < words.SIGNIFICANCE
    ]
    rows = [[*row, words.format_probability(p)] for row, p in zip(table, adjusted, strict=True)]
    counted = ("both right", f"{names[0]} alone", "the other alone", "neither")
    header = ("against", "seed", *counted, "p")
    note = words.read_note("same_samples", first=names[0])
    return PageSection("The same test samples", note, claims, tables=[Table("", header, rows)])


def _pair_runs(first: Group, second: Group) -> Iterator[tuple[ComparedRun, ComparedRun]]:
    alike = [(a, b) for a in first for b in second if a.config.seed == b.config.seed]
    yield from alike or [(first[0], second[0])]


def build_runs(
    groups: Sequence[Group], differing: Mapping[str, Sequence[str | None]], folder: Path
) -> PageSection:
    """Tabulate runs and settings that differ, with links to their pages as seen from a folder."""
    rows, links = [], {}
    for number, group in enumerate(groups):
        settings = [values[number] or "none" for values in differing.values()]
        for run in group:
            done = f"{len(run.metrics)} of {run.config.training.epochs}"
            cells = ["not complete", ""]
            if run.result is not None:
                ends = run.result["test_accuracy_ci95"]
                cells = [f"{100 * share:.2f}" for share in (run.result["test_accuracy"], *ends)]
                cells[1:] = [" to ".join(cells[1:])]
            if (run.path / REPORT).exists():
                links[str(run.path)] = quote(os.path.relpath(run.path / REPORT, folder))
            rows.append([str(run.path), *settings, str(run.config.seed), done, *cells])
    header = ("run", *differing, "seed", "epochs", "test accuracy, %", "95 % interval, %")
    table = Table("", header, rows, links)
    return PageSection("Runs", words.read_note("compared_runs"), tables=[table])
