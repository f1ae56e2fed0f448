"""Sections of the page of a search: its front, its best settings, and whether it was worth it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from hil.figures import plots
from hil.figures.svg import WIDTH
from hil.sections import PageSection, Plot, Table, words
from hil.sections.comparisons import Comparison, adjust
from hil.sections.trials import (
    Row,
    compare_pairs,
    compare_rows,
    estimate,
    estimate_mean,
    group_by_level,
    is_share,
)
from hil.sections.words import CONFIDENCE
from hil.studies.plan import flatten
from hil.studies.schema import Study
from hil.studies.strategies import SAMPLERS, WORST, Arm, SearchResult, find_front, objectives

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy

MEASURE = "test_accuracy"


def search_sections(
    study: Study, best: Path, result: SearchResult
) -> list[tuple[str, Callable[[], PageSection]]]:
    """Plan each section of a search, with its name.

    Args:
        study: The study.
        best: File of the best settings.
        result: Its trials.
    """
    return [
        ("The best settings", partial(build_best, best, result)),
        ("Pareto front", partial(build_front, study.names(), result)),
        ("Against random search", partial(build_convergence, result)),
        ("Importance of the settings", partial(build_importances, result)),
    ]


def build_best(file: Path, result: SearchResult) -> PageSection:
    """Compare the best settings, trained anew on seeds that the search has not seen, by test."""
    groups = group_by_level(result.confirmation, "settings")
    usual = groups["usual"]
    claims = adjust(
        [
            Comparison(f"the best of {name}", "the usual settings", change, MEASURE)
            for name, rows in groups.items()
            if name != "usual" and (change := compare_rows(rows, usual, MEASURE)) is not None
        ]
    )
    table = []
    for name, rows in groups.items():
        settings = flatten(result.best[name].cell.settings) if name in result.best else []
        texts = [f"{key} = {_setting_text(value)}" for key, value in settings]
        cells = words.format_cells(estimate(rows, MEASURE), MEASURE)
        table.append([name, *cells, ", ".join(texts) or "as it comes"])
    interval = f"{CONFIDENCE} interval"
    header = ("settings", "test accuracy, %", interval, "fresh seeds", "what they are")
    return PageSection(
        "The best settings",
        words.read_note("best_settings", file=file),
        claims=claims,
        answer=words.make_text(claims),
        tables=[Table("", header, table)],
        data={"settings": table},
    )


def _setting_text(value: object) -> str:
    """A setting with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def build_front(factors: Sequence[str], result: SearchResult) -> PageSection:
    """Show the trials that no other one dominates."""
    rows = result.search_rows
    front = find_front(result.search, rows)
    front.sort(key=lambda row: objectives(result.search, row))
    first, *others = result.measures
    figures = []
    for other in others:
        clouds = []
        for number, sampler in enumerate(SAMPLERS):
            own = [row for arm in result.arms if arm.sampler == sampler for row in arm.rows]
            clouds.append(plots.Cloud(*_points(own, other, first), sampler, number))
        ordered = _points(sorted(front, key=lambda row: row.measure(other) or 0), other, first)
        clouds.append(plots.Cloud(*ordered, "front", len(SAMPLERS), has_line=len(others) == 1))
        axes = words.name_axis(other), words.name_measure(first)
        draw = partial(plots.plot_scatter, clouds, *axes, is_share(first))
        figures.append(Plot(f"{words.name_measure(first)} over {words.name_measure(other)}", draw))
    header = (
        *map(words.name_column, result.measures),
        *words.name_quantities(rows, factors),
    )
    table = list(
        dict.fromkeys(
            (
                *(words.format_value(row.measure(m), m) for m in result.measures),
                *(row.level(f).display or row.text(f) for f in factors),
            )
            for row in front
        )
    )
    return PageSection(
        "Pareto front",
        words.read_note("front"),
        tables=[Table("", header, table)],
        plots=figures,
        data={"front": table},
    )


def _points(rows: Sequence[Row], x: str, y: str) -> tuple[list[float], list[float]]:
    measured = [(row.measure(x), row.measure(y)) for row in rows]
    both = [(a, b) for a, b in measured if a is not None and b is not None]
    return [a for a, _ in both], [b for _, b in both]


def build_convergence(result: SearchResult) -> PageSection:
    """Draw the best so far of each sampler, and compare their ends."""
    first = result.measures[0]
    lines, ends = [], dict[str, list[float]]()
    for number, sampler in enumerate(SAMPLERS):
        curves = [_best_so_far(arm, result) for arm in result.arms if arm.sampler == sampler]
        means = [estimate_mean(at, first) for at in zip(*curves, strict=True)]
        ends[sampler] = [curve[-1] for curve in curves]
        places, intervals = range(1, len(means) + 1), [m.interval for m in means]
        lines.append(plots.Line(places, [m.value for m in means], sampler, number, intervals))
    gain = compare_pairs(ends["nsga2"], ends["random"], first)
    best = "the best of nsga2 on validation", "that of random search on the same budget"
    (better,) = adjust([Comparison(*best, gain, first)])
    title = f"best {words.name_measure(first)} so far"
    draw = partial(plots.plot_lines, lines, "generation", title, is_share(first))
    return PageSection(
        "Against random search",
        words.read_note("convergence", measure=words.name_measure(first)),
        claims=[better],
        answer=str(better),
        plots=[Plot(f"B{title[1:]}", draw)],
        data={"best": ends},
    )


def _best_so_far(arm: Arm, result: SearchResult) -> list[float]:
    """The best of the first objective after each generation."""
    best, after_each = float("-inf"), []
    for number, row in enumerate(arm.rows, start=1):
        best = max(best, objectives(result.search, row)[0])
        if number % result.search.population == 0:
            after_each.append(best)
    return after_each


def build_importances(result: SearchResult) -> PageSection:
    """Estimate importances by fANOVA over each repetition (Hutter et al. 2014, ICML)."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    title, shares = "Importance of the settings", dict[str, list[float]]()
    for repeat in range(result.search.repeats):
        together = _together([arm for arm in result.arms if arm.repeat == repeat])
        if together is None:
            continue
        evaluator = FanovaImportanceEvaluator(seed=0)
        weights = get_param_importances(together, evaluator=evaluator, target=lambda t: t.values[0])
        for name, share in weights.items():
            shares.setdefault(name, []).append(share)
    ranked = sorted(shares.items(), key=lambda item: -fmean(item[1]))
    if not ranked:
        return PageSection(title, "All trials came out alike: there is none.")
    spans = [
        plots.ShareInterval(
            words.name_quantity(result.arms[0].rows, name),
            fmean(s),
            (min(s), max(s)),
            summary=True,
            points=s,
        )
        for name, s in ranked
    ]
    table = [
        [each.label, f"{each.value:.2f}", "{:.2f} to {:.2f}".format(*each.interval)]
        for each in spans
    ]
    header = ("setting", "importance", "smallest to largest")
    draw = partial(plots.plot_intervals, spans, "share of the variance explained", WIDTH)
    return PageSection(
        title,
        words.read_note("importances"),
        tables=[Table("", header, table)],
        plots=[Plot("Importance", draw)],
        data={"importances": table},
    )


def _together(arms: Sequence[Arm]) -> OptunaStudy | None:
    """The trials that worked of several searches in one study; None where all came out alike."""
    import optuna

    trials = [t for arm in arms for t in arm.study.get_trials() if WORST not in t.values]
    if len({trial.values[0] for trial in trials}) < 2:
        return None
    study = optuna.create_study(directions=arms[0].study.directions)
    study.add_trials(trials)
    return study
