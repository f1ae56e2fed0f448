"""What the page of a study shows of its tuning: how much was tried, what, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hil.studies.report.section import SectionContent, Table
from hil.studies.tuning import Tuned, numeric

if TYPE_CHECKING:
    from hil.studies.plan import Choice
    from hil.studies.schema import Tune

TITLE, UNTUNED = "Tuned settings", "Given settings"
NOTHING = "The study gives one setting alone, so nothing was tuned: all trials have those below."
NONE = "-"  # of a setting that the rule does not have


def title(tuned: Mapping[tuple[str, ...], Tuned]) -> str:
    """What the section is called: nothing is tuned where there is one candidate."""
    return TITLE if any(result.scores for result in tuned.values()) else UNTUNED


def section(tuning: Tune, tuned: Mapping[tuple[str, ...], Tuned]) -> SectionContent:
    """A section with budget, grid and choice of each combination."""
    names = {
        name: factor.about or name.replace("_", " ") for name, factor in tuning.factors.items()
    }
    if title(tuned) == UNTUNED:
        choices: dict[str, Choice] = {}
        for result in tuned.values():
            choices |= result.best.choices
        given = [choice.shown for choice in choices.values()]
        table = Table("", [names[name] for name in choices], [given])
        return SectionContent(UNTUNED, NOTHING, tables=[table], data={"given": given})
    header = [*tuning.by]
    for about in names.values():
        header += [about, "tried"]
    header += ["best, %", "worst, %", "settings"]
    rows = []
    for kind, result in tuned.items():
        row = [*kind]
        for name, chosen in zip(names, _chosen(names, result), strict=True):
            edge = numeric(tuning.factors[name]) and _at_edge(result, name)
            row += [f"{chosen} (edge)" if edge else chosen, _tried(result, name)]
        row += [f"{100 * score:.1f}" for score in (max(result.scores), min(result.scores))]
        rows.append([*row, str(len(result.options))])
    tried = [
        [*kind, {name: choice.text for name, choice in option.choices.items()}, score]
        for kind, result in tuned.items()
        for option, score in zip(result.options, result.scores, strict=True)
    ]
    numbers = frozenset(range(len(tuning.by), len(header)))
    return SectionContent(
        TITLE,
        _note(tuning, len(tried)),
        tables=[Table("", header, rows, numbers)],
        data={"chosen": rows, "tried": tried},
    )


def _note(tuning: Tune, tried: int) -> str:
    """The budget, and how to read the choice."""
    lengths = f"{100 * tuning.epochs:.0f} % of its epochs" if tuning.epochs < 1 else "its epochs"
    return (
        f"The settings with which the trials were made: of {tuning.settings} for each combination, "
        f"those with the best mean validation accuracy of {tuning.times} repetitions on seeds and "
        f"chips of their own, each trained for {lengths}: {tried * tuning.times} trainings. "
        "The given levels were tried first, then what was nearest to the best so far, beyond "
        "those levels too. Where it says edge, the best is the smallest or the largest of those "
        "tried, so that a better one may lie further out."
    )


def _chosen(names: Mapping[str, str], result: Tuned) -> list[str]:
    choices = result.best.choices
    return [choices[name].shown if name in choices else NONE for name in names]


def _values(result: Tuned, name: str) -> list[Choice]:
    """The levels of a factor that were tried, those of numbers in their order."""
    tried = [option.choices[name] for option in result.options if name in option.choices]
    return sorted(dict.fromkeys(tried), key=lambda choice: choice.value or 0.0)


def _tried(result: Tuned, name: str) -> str:
    return ", ".join(choice.text for choice in _values(result, name)) or NONE


def _at_edge(result: Tuned, name: str) -> bool:
    values, chosen = _values(result, name), result.best.choices.get(name)
    return chosen is not None and chosen in (values[0], values[-1])
