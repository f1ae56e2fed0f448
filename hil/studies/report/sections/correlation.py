"""Whether one measure goes with another over the settings of a study: a rank correlation."""

from __future__ import annotations

from functools import partial
from statistics import fmean

from hil.statistics import FEWEST_PAIRS, rank_correlation
from hil.studies.report import naming, wording
from hil.studies.report.plots import Cloud, scatter
from hil.studies.report.section import Picture, SectionContent, SectionKind, SectionSettings
from hil.studies.report.wording import Claim
from hil.studies.schema import Study
from hil.studies.table import Rows, by_unit, grouped

NOTE = (
    "Each point is one combination of levels, the mean over its repetitions. Spearman's rank "
    f"correlation, with the {wording.CONFIDENCE} interval of Bonett and Wright (2000). "
    "Combinations that were not drawn at random are no sample: the interval says how well these "
    "determine the order."
)


class Settings(SectionSettings):
    """Which measure is held against which, and what tells points apart."""

    against: str
    by: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """All combinations, or those of some parts, in one figure, coloured by the levels of `by`."""
    one, other = settings.against, settings.measure
    kinds: dict[str, list[tuple[float, float]]] = {}
    chosen = [row for row in rows if not settings.parts or row.cell.part in settings.parts]
    for group in grouped(chosen, ["part", *study.names()]).values():
        a, b = (list(by_unit(group, measure).values()) for measure in (one, other))
        if a and b:
            kind = naming.series(group, settings.by)
            kinds.setdefault(kind, []).append((fmean(a), fmean(b)))
    points = sorted({point for own in kinds.values() for point in own})
    result = rank_correlation([a for a, _ in points], [b for _, b in points])
    names = f"{wording.name(one)} and {wording.name(other)}"
    if result.rho is None:
        claim = Claim(f"{names}: one of them is the same everywhere, or there is one point", False)
    elif result.interval is None:
        detail = f"{result.pairs} combinations, at least {FEWEST_PAIRS} are needed"
        text = f"{names}: too few to say, rank correlation {result.rho:.2f} ({detail})"
        claim = Claim(text, False)
    else:
        low, high = result.interval
        detail = (
            f"rank correlation {result.rho:.2f} ({wording.CONFIDENCE}: {low:.2f} to {high:.2f}, "
            f"{result.pairs} combinations)"
        )
        if low > 0 or high < 0:
            direction = "rises" if result.rho > 0 else "falls"
            claim = Claim(
                f"{wording.name(other)} {direction} with {wording.name(one)}: {detail}", True
            )
        else:
            claim = Claim(f"{names} do not show a common order: {detail}", False)
    clouds = [
        Cloud([a for a, _ in own], [b for _, b in own], kind or "all", number)
        for number, (kind, own) in enumerate(kinds.items())
    ]
    pictures = []
    if clouds:
        draw = partial(
            scatter,
            clouds,
            wording.axis(one),
            wording.name(other),
            wording.is_share(other),
            naming.legend(rows, settings.by),
        )
        pictures.append(Picture(names, draw))
    return SectionContent(
        settings.title or names.capitalize(),
        settings.note or NOTE,
        claims=[claim],
        answer=claim.text,
        pictures=pictures,
        data={"rho": result.rho, "interval": result.interval, "pairs": result.pairs},
    )


SECTION = SectionKind(build, Settings)
