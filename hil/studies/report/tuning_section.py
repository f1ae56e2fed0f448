"""What the page of a study shows of its tuning: what was tried and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hil.studies.report.section import SectionContent, Table
from hil.studies.tuning import Tuned

if TYPE_CHECKING:
    from hil.studies.schema import Tune

TITLE = "Tuned settings"
NOTE = (
    "The settings with which the trials were made: those with the best mean validation accuracy "
    "on seeds of their own. Beside it the worst of those that were tried."
)


def section(tuning: Tune, tuned: Mapping[tuple[str, ...], Tuned]) -> SectionContent:
    """A section with what was chosen for each combination, and how it did beside the others."""
    header = [*tuning.by, *tuning.factors, "best, %", "worst, %"]
    table = [
        [
            *kind,
            *(choice.text for choice in result.best.choices.values()),
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
