"""What the page of a study shows of its tuning: what was tried and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hil.studies.report.section import SectionContent, Table
from hil.studies.tuning import Tuned

if TYPE_CHECKING:
    from hil.studies.schema import Tune

TITLE, UNTUNED = "Tuned settings", "Given settings"
NOTE = (
    "The settings with which the trials were made: those with the best mean validation accuracy "
    "on seeds of their own. Beside it the worst of those that were tried."
)
NOTHING = (
    "The study gives one candidate alone, so nothing was tuned: all trials have the settings below."
)


def title(tuned: Mapping[tuple[str, ...], Tuned]) -> str:
    """What the section is called: nothing is tuned where there is one candidate."""
    return TITLE if any(result.scores for result in tuned.values()) else UNTUNED


def section(tuning: Tune, tuned: Mapping[tuple[str, ...], Tuned]) -> SectionContent:
    """A section with what was chosen for each combination, and how it did beside the others."""
    names = [factor.about or name.replace("_", " ") for name, factor in tuning.factors.items()]
    if title(tuned) == UNTUNED:
        only = next(iter(tuned.values())).best
        table = [[choice.shown for choice in only.choices.values()]]
        return SectionContent(
            UNTUNED, NOTHING, tables=[Table("", names, table)], data={"given": table[0]}
        )
    header = [*tuning.by, *names, "best, %", "worst, %"]
    table = [
        [
            *kind,
            *(choice.shown for choice in result.best.choices.values()),
            *(f"{100 * score:.1f}" for score in (max(result.scores), min(result.scores))),
        ]
        for kind, result in tuned.items()
    ]
    tried = [
        [*kind, {name: choice.text for name, choice in option.choices.items()}, score]
        for kind, result in tuned.items()
        for option, score in zip(result.options, result.scores, strict=True)
    ]
    numbers = frozenset(range(len(tuning.by), len(header)))
    return SectionContent(
        TITLE,
        NOTE,
        tables=[Table("", header, table, numbers)],
        data={"chosen": table, "tried": tried},
    )
