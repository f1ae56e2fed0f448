"""Main effects of each part's factor, how they differ between rules, and how stable a rule is."""

from __future__ import annotations

from statistics import fmean

from hil.statistics import Difference, mean, paired
from hil.studies.report import wording
from hil.studies.report.section import SectionContent, SectionSettings, Table
from hil.studies.report.sections.pairs import adjust, difference
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    "Each level against the first one of its part, which is the usual setting, in pairs of equal "
    "seed and chip. An interaction is the difference of that effect between a level of the line "
    "factor and the first one. p-values are of paired t-tests, adjusted by Holm for the table."
)
STABLE = (
    "Over all levels of all parts: the mean, the spread of the levels' means, and the worst of "
    "them with its interval."
)


class Settings(SectionSettings):
    """What the effects are told apart by."""

    lines: tuple[str, ...]


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """A table of effects, one of interactions, and one of stability."""
    measure = settings.measure
    effects: list[tuple[str, str, str, Difference]] = []
    interactions: list[tuple[str, str, str, Difference]] = []
    first_line = next(iter(grouped(rows, settings.lines)), ())
    for part, factor, levels in _levels(study, rows):
        usual, *others = levels
        for level, trials in others:
            shifts: dict[tuple[str, ...], dict[int, float]] = {}
            below = grouped(usual[1], settings.lines)
            for line, group in grouped(trials, settings.lines).items():
                found = difference(group, below.get(line, []), measure)
                if found is not None:
                    effects.append((" · ".join(line), f"{part}: {factor}", level, found))
                    shifts[line] = _shift(group, below[line], measure)
            for line, shift in shifts.items():
                both = sorted(shift.keys() & shifts.get(first_line, {}).keys())
                if line != first_line and both:
                    base = shifts[first_line]
                    found = paired([shift[u] for u in both], [base[u] for u in both])
                    interactions.append((" · ".join(line), f"{part}: {factor}", level, found))
    p_effects = adjust([e[-1] for e in effects])
    p_interactions = adjust([i[-1] for i in interactions])
    claims = [
        wording.comparison(
            f"{line} with {where} = {level}", "the usual", found, measure, p, len(effects)
        )
        for (line, where, level, found), p in zip(effects, p_effects, strict=True)
        if p is not None and p < wording.SIGNIFICANCE
    ]
    claims += [
        wording.comparison(
            f"the effect of {where} = {level} on {line}",
            f"that on {' · '.join(first_line)}",
            found,
            measure,
            p,
            len(interactions),
        )
        for (line, where, level, found), p in zip(interactions, p_interactions, strict=True)
        if p is not None and p < wording.SIGNIFICANCE
    ]
    silent = len(effects) + len(interactions) - len(claims)
    claims.append(
        wording.Claim(f"{silent} further effects and interactions are not told from none", False)
    )
    return SectionContent(
        settings.title or "Main effects and interactions",
        settings.note or f"{NOTE} {STABLE}",
        claims=claims,
        tables=[
            _table("Main effects", effects, p_effects, measure),
            _table("Interactions", interactions, p_interactions, measure),
            _stability(settings, rows),
        ],
        data={
            "effects": [
                {
                    "line": line,
                    "where": w,
                    "level": level,
                    "difference": d.mean.value,
                    "interval": d.mean.interval,
                    "p": p,
                }
                for (line, w, level, d), p in zip(effects, p_effects, strict=True)
            ]
        },
    )


def _levels(study: Study, rows: Rows) -> list[tuple[str, str, list[tuple[str, list[Row]]]]]:
    """The factors of each part, with the trials of each of their levels."""
    found = []
    for (part,), group in grouped(rows, ["part"]).items():
        own = study.parts[part].factors if part else {}
        for factor in own:
            by_level = grouped(group, [factor])
            found.append((part, factor, [(key[0], trials) for key, trials in by_level.items()]))
    return found


def _shift(first: list[Row], second: list[Row], measure: str) -> dict[int, float]:
    a, b = by_unit(first, measure), by_unit(second, measure)
    return {unit: a[unit] - b[unit] for unit in sorted(a.keys() & b.keys())}


def _table(
    caption: str,
    found: list[tuple[str, str, str, Difference]],
    p: list[float | None],
    measure: str,
) -> Table:
    unit = "points" if wording.is_share(measure) else wording.unit(measure)
    return Table(
        caption,
        ("trials", "factor", "level", f"effect, {unit}", "95 % interval", "units", "p"),
        [
            [
                line,
                where,
                level,
                wording.value(d.mean.value, measure),
                wording.interval(d.mean.interval, measure),
                str(d.mean.units),
                "" if value is None else f"{value:.2g}",
            ]
            for (line, where, level, d), value in zip(found, p, strict=True)
        ],
        frozenset({3, 5, 6}),
    )


def _stability(settings: Settings, rows: Rows) -> Table:
    measure, table = settings.measure, []
    for line, group in grouped(rows, settings.lines).items():
        factors = list(dict.fromkeys(f for row in group for f in row.cell.choices if f))
        places = [
            (" · ".join(filter(None, key)), list(by_unit(trials, measure).values()))
            for key, trials in grouped(group, ["part", *factors]).items()
        ]
        known = [(place, mean(values)) for place, values in places if values]
        if not known:
            continue
        worst = min(known, key=lambda item: item[1].value)
        middle = fmean(found.value for _, found in known)
        spread = mean([found.value for _, found in known]).deviation
        table.append(
            [
                " · ".join(line),
                wording.value(middle, measure),
                "none" if spread is None else wording.value(spread, measure),
                worst[0],
                wording.mean(worst[1], measure),
            ]
        )
    unit = wording.unit(measure)
    header = ("trials", f"mean, {unit}", "standard deviation", "worst at", "there")
    return Table("Stability", header, table, frozenset({1, 2}))
