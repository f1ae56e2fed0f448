"""What the page of a search shows: its front, its best settings, and whether it was worth it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean, median
from typing import TYPE_CHECKING

from hil.studies.folder import BEST, Folder
from hil.studies.plan import configuration_lines
from hil.studies.report import naming, wording
from hil.studies.report.estimates import adjust, difference, mean, paired
from hil.studies.report.plots import Cloud, CurveWithInterval, bars, line_plot, scatter
from hil.studies.report.section import Picture, SectionContent, Table
from hil.studies.report.wording import Claim
from hil.studies.search import SAMPLERS, WORST, Arm, SearchResult, front, values
from hil.studies.table import Row, by_unit, grouped

if TYPE_CHECKING:
    from optuna import Study

    from hil.studies.schema import Search


def makers(
    folder: Folder, searches: SearchResult
) -> list[tuple[str, Callable[[], SectionContent]]]:
    """What makes each section of a search, with the name of the section."""
    made_by = {
        "The best settings": _best,
        "Pareto front": _front,
        "Against random search": _convergence,
        "Importance of the settings": _importances,
    }
    return [(title, partial(make, folder, searches)) for title, make in made_by.items()]


def _best(folder: Folder, searches: SearchResult) -> SectionContent:
    """The best settings, trained anew on seeds that the search has not seen, on the test set."""
    groups = grouped(searches.confirmed, ["settings"])
    usual, measure = groups.pop(("usual",)), "test_accuracy"
    compared = [(name, difference(rows, usual, measure)) for (name,), rows in groups.items()]
    known = [(name, d) for name, d in compared if d is not None]
    adjusted = adjust([d for _, d in known])
    claims = [
        wording.comparison(f"the best of {name}", "the usual settings", d, measure, p, len(known))
        for (name, d), p in zip(known, adjusted, strict=True)
    ]
    table = []
    for (name,), rows in {("usual",): usual, **groups}.items():
        accuracies = list(by_unit(rows, "test_accuracy").values())
        chosen = searches.best.get(name)
        settings = [] if chosen is None else configuration_lines(chosen.cell.settings)
        result = mean(accuracies, measure) if accuracies else None
        table.append(
            [
                name,
                "" if result is None else wording.value(result.value, "test_accuracy"),
                "none" if result is None else wording.interval(result.interval, "test_accuracy"),
                str(len(accuracies)),
                ", ".join(f"{key} = {words_of(value)}" for key, value in settings) or "as it comes",
            ]
        )
    header = (
        "settings",
        "test accuracy, %",
        f"{wording.CONFIDENCE} interval",
        "fresh seeds",
        "what they are",
    )
    return SectionContent(
        "The best settings",
        "Chosen by the first objective on the seed of the search, then trained anew on fresh seeds "
        f"and tested. The better of them is {folder.path / BEST}, for hil train --config.",
        claims=claims,
        answer="; ".join(claim.text for claim in claims),
        tables=[Table("", header, table, frozenset({1, 3}))],
        data={"settings": table},
    )


def words_of(value: object) -> str:
    """A setting with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _front(folder: Folder, searches: SearchResult) -> SectionContent:
    search = folder.study.search
    assert search is not None
    rows = [row for arm in searches.arms for row in arm.rows]
    best = front(search, rows)
    best = sorted(best, key=lambda row: values(search, row))
    measures = [objective.removeprefix("-") for objective in search.objectives]
    pictures = []
    first = measures[0]
    for other in measures[1:]:
        clouds = [
            Cloud(
                *_points(
                    [r for a in searches.arms if a.sampler == s for r in a.rows], other, first
                ),
                s,
                number,
            )
            for number, s in enumerate(SAMPLERS)
        ]
        on_front = _points(sorted(best, key=lambda r: r.measure(other) or 0), other, first)
        clouds.append(Cloud(*on_front, "front", len(SAMPLERS), joined=len(measures) == 2))
        name = wording.axis(other)
        draw = partial(scatter, clouds, name, wording.name(first), wording.is_share(first))
        pictures.append(Picture(f"{wording.name(first)} over {wording.name(other)}", draw))
    factors = folder.study.names()
    names = naming.quantities(rows, factors)
    header = (*(f"{wording.name(m)}, {wording.unit(m)}" for m in measures), *names)
    table = [
        [*(wording.value(row.measure(m), m) for m in measures), *(row.shown(f) for f in factors)]
        for row in dict.fromkeys(best)
    ]
    unique = list(dict.fromkeys(tuple(line) for line in table))
    return SectionContent(
        "Pareto front",
        "Settings that no other is at least as good as in every objective, of all searches. "
        "Each was trained once, on one seed, so neighbours on the front may change places.",
        tables=[Table("", header, unique, frozenset(range(len(measures))))],
        pictures=pictures,
        data={"front": unique},
    )


def _points(rows: Sequence[Row], x: str, y: str) -> tuple[list[float], list[float]]:
    known = [(row.measure(x), row.measure(y)) for row in rows]
    both = [(a, b) for a, b in known if a is not None and b is not None]
    return [a for a, _ in both], [b for _, b in both]


def _so_far(arm: Arm, search: Search) -> list[float]:
    """The best of the first objective after each generation."""
    best, after_each = float("-inf"), []
    for number, row in enumerate(arm.rows, start=1):
        best = max(best, values(search, row)[0])
        if number % search.population == 0:
            after_each.append(best)
    return after_each


def _convergence(folder: Folder, searches: SearchResult) -> SectionContent:
    search = folder.study.search
    assert search is not None
    first = search.objectives[0].removeprefix("-")
    lines, ends = [], dict[str, list[float]]()
    for number, sampler in enumerate(SAMPLERS):
        curves = [_so_far(arm, search) for arm in searches.arms if arm.sampler == sampler]
        means = [mean(at, first) for at in zip(*curves, strict=True)]
        ends[sampler] = [curve[-1] for curve in curves]
        lines.append(
            CurveWithInterval(
                x=range(1, len(means) + 1),
                y=[m.value for m in means],
                intervals=[m.interval for m in means],
                label=sampler,
                shade=number,
            )
        )
    gain = paired(ends["nsga2"], ends["random"], first)
    claims = [
        wording.comparison(
            "the best of nsga2 on validation",
            "that of random search on the same budget",
            gain,
            first,
            p=gain.t_test,
            family=1,
        ),
        _median(ends, first),
    ]
    draw = partial(
        line_plot,
        lines,
        "generation",
        f"best {wording.name(first)} so far",
        wording.is_share(first),
    )
    return SectionContent(
        "Against random search",
        f"The best {wording.name(first)} found so far, mean over the searches by each sampler with "
        f"Student's {wording.CONFIDENCE} band. Random search is given as many trials in each "
        "generation, and both begin with the same draws.",
        claims=claims,
        answer=claims[0].text,
        pictures=[Picture(f"Best {wording.name(first)} so far", draw)],
        data={"best": ends},
    )


def _median(ends: dict[str, list[float]], measure: str) -> Claim:
    """Whether the search was better than random search in the median of its repetitions."""
    gains = [a - b for a, b in zip(ends["nsga2"], ends["random"], strict=True)]
    gain = median(gains)
    if gain < 0:
        gains = [-single for single in gains]
    low, high = (wording.value(bound, measure) for bound in (min(gains), max(gains)))
    relation = "better than" if gain > 0 else "as good as" if gain == 0 else "worse than"
    return Claim(
        f"in the median of {len(gains)} searches nsga2 was {relation} random search: "
        f"{wording.value(abs(gain), measure)} {wording.points(measure)} on validation "
        f"(from {low} to {high})",
        False,
    )


def _importances(folder: Folder, searches: SearchResult) -> SectionContent:
    """fANOVA over the trials of each repetition (Hutter et al. 2014, ICML)."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    search, shares = folder.study.search, dict[str, list[float]]()
    assert search is not None
    for repeat in range(search.repeats):
        arms = [arm for arm in searches.arms if arm.repeat == repeat]
        together = _together(arms)
        if together is None:
            continue
        evaluator = FanovaImportanceEvaluator(seed=0)
        result = get_param_importances(together, evaluator=evaluator, target=lambda t: t.values[0])
        for name, share in result.items():
            shares.setdefault(name, []).append(share)
    ranked = sorted(shares.items(), key=lambda item: -fmean(item[1]))
    if not ranked:
        return SectionContent(
            "Importance of the settings", "All trials came out alike: there is none."
        )
    rows = searches.arms[0].rows
    table = [
        [
            naming.quantity(rows, name),
            f"{fmean(s):.2f}",
            f"{min(s):.2f} to {max(s):.2f}",
            str(len(s)),
        ]
        for name, s in ranked
    ]
    draw = partial(
        bars,
        [naming.quantity(rows, name) for name, _ in ranked],
        [fmean(s) for _, s in ranked],
        [(min(s), max(s)) for _, s in ranked],
    )
    header = ("setting", "importance", "smallest to largest", "searches")
    return SectionContent(
        "Importance of the settings",
        "Share of the variance of the first objective that a setting explains (fANOVA) within the "
        "ranges searched. The stroke spans the values of the single searches: where strokes "
        "overlap, the order is not told.",
        tables=[Table("", header, table, frozenset({1, 3}))],
        pictures=[Picture("Importance", draw)],
        data={"importances": table},
    )


def _together(arms: Sequence[Arm]) -> Study | None:
    """The trials that worked of several searches in one study; None where all came out alike."""
    import optuna

    trials = [t for arm in arms for t in arm.study.get_trials() if WORST not in t.values]
    if len({trial.values[0] for trial in trials}) < 2:
        return None
    study = optuna.create_study(directions=arms[0].study.directions)
    study.add_trials(trials)
    return study
