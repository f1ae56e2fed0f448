"""Results of studies in words: no claim without its interval, and none from too few repetitions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from drivers.files.bounded import read_toml
from hil.figures.svg import format_count
from hil.sections.trials import MEASURES, TIMES, Row, Rows, Trials, is_share
from hil.statistics import LEVEL, Mean

SIGNIFICANCE = round(1 - LEVEL, 6)  # of a test, after the adjustment for the number of tests
CONFIDENCE = f"{100 * LEVEL:g} %"
NAMES = {  # of measures whose key is not what pages call them
    "seconds": "time",
    "device_seconds": "time in the device",
    "transfer_seconds": "time on the line",
    "chip_seconds": "time of the chip",
    "cell_writes_mean": "mean writes",
    "cell_writes_max": "most writes",
}
WIDE = 0.2  # interval of shares, above which their tenths of a percent say nothing


@cache
def _notes() -> dict[str, Any]:
    return read_toml(Path(__file__).with_name("notes.toml"))


def read_note(name: str, **values: object) -> str:
    """Fill in the note on how to read a section, as `notes.toml` has it.

    Args:
        name: Of the note.
        values: What it names in braces, but for the confidence of intervals and tests.
    """
    covers = _notes()["covers"].format(confidence=CONFIDENCE)
    usual = {"confidence": CONFIDENCE, "covers": covers, "significance": f"{SIGNIFICANCE:g}"}
    return str(_notes()[name].format(**usual, **values))


# -- measures ------------------------------------------------------------------------------------


def format_value(
    number: float | None, measure: str, bounds: tuple[float, float] | None = None
) -> str:
    """Write a value with two digits, a share in percent and with those that its interval bears."""
    if number is None:
        return ""
    if math.isinf(number):
        return "none" if number > 0 else "-none"
    if not is_share(measure):
        return format_count(number)
    text = f"{100 * number:.{0 if bounds and bounds[1] - bounds[0] > WIDE else 1}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def name_unit(measure: str) -> str:
    """Name the unit of what `format_value` shows."""
    if is_share(measure):
        return "%"
    return "s" if measure in TIMES else MEASURES[measure].unit


def format_least(least: float, measure: str) -> str:
    """Write the value from which something is good, with its unit."""
    return f"{format_value(least, measure).removesuffix('.0')} {name_unit(measure)}"


def name_points(measure: str) -> str:
    """Name the unit of a difference of what `format_value` shows."""
    return "points" if is_share(measure) else name_unit(measure)


def format_amount(number: float, measure: str, bounds: tuple[float, float] | None = None) -> str:
    """Write a difference with its unit."""
    return f"{format_value(number, measure, bounds)} {name_points(measure)}"


def name_measure(measure: str) -> str:
    """Name a measure in words."""
    return NAMES.get(measure, measure.replace("_", " "))


def name_column(measure: str) -> str:
    """Name a measure with its unit."""
    name, unit = name_measure(measure), name_unit(measure)
    return name if unit in name.split() else f"{name}, {unit}"


def name_axis(measure: str) -> str:
    """Name a measure with its unit, where it is no share: those are shown in percent."""
    return name_measure(measure) if is_share(measure) else name_column(measure)


def format_interval(bounds: tuple[float, float] | None, measure: str) -> str:
    """Write an interval, or that there is none."""
    if bounds is None:
        return "none"
    return " to ".join(format_value(bound, measure, bounds) for bound in bounds)


def format_mean(result: Mean, measure: str) -> str:
    """Write a mean with its interval."""
    text = f"{format_value(result.value, measure, result.interval)} {name_unit(measure)}"
    if result.deviation == 0:
        return f"{text} (the same in all {result.units} repetitions)"
    if result.interval is None:
        return f"{text} (no interval: one repetition)"
    return f"{text} ({CONFIDENCE}: {format_interval(result.interval, measure)})"


def format_brief_mean(result: Mean | None, measure: str) -> str:
    """Write a mean with its interval, as a cell of a table."""
    if result is None:
        return ""
    bounds = "" if result.interval is None else f" ({format_interval(result.interval, measure)})"
    return f"{format_value(result.value, measure, result.interval)}{bounds}"


def format_cells(result: Mean | None, measure: str) -> list[str]:
    """Write a mean, its interval and the number of its units, as cells of a table."""
    if result is None:
        return ["", "none", "0"]
    bounds = format_interval(result.interval, measure)
    return [format_value(result.value, measure, result.interval), bounds, str(result.units)]


def format_probability(p: float | None) -> str:
    """Write a p-value, as a cell of a table."""
    return "" if p is None else f"{p:.2g}"


def describe_tests(family: int) -> str:
    """Say that a p-value is adjusted, where there are several tests."""
    return f" adjusted for {family} tests" if family > 1 else ""


def mirror(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    """Turn the interval of a difference the other way round."""
    return None if bounds is None else (-bounds[1], -bounds[0])


def make_sentence(text: str) -> str:
    """Make a sentence of a statement; one that begins with an address or a key keeps it so."""
    is_word = text.split(" ")[0].strip(",").replace("-", "").isalpha()
    begin = text[:1].upper() if is_word else text[:1]
    return f"{begin}{text[1:].rstrip('.')}." if text else ""


def make_text(texts: Iterable[object]) -> str:
    """Make sentences of statements."""
    return " ".join(make_sentence(str(text)) for text in texts)


def join_names(names: Sequence[str]) -> str:
    """Join names as a list in a sentence."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


# -- factors and levels --------------------------------------------------------------------------


def name_level(rows: Rows, factor: str) -> str:
    """Name the level of a factor that trials share, with its unit, unless units differ."""
    names = {each.display or each.text for each in (row.level(factor) for row in rows)}
    return names.pop() if len(names) == 1 else rows[0].text(factor)


def name_levels(rows: Rows, factors: Sequence[str]) -> list[str]:
    """Name the levels of several factors that trials share."""
    return [name_level(rows, factor) for factor in factors]


def name_series(rows: Rows, factors: Sequence[str]) -> str:
    """Name them as one entry of a legend."""
    return " · ".join(filter(None, name_levels(rows, factors)))


def name_quantity(rows: Rows, factor: str) -> str:
    """Name a factor in words; by its key where it is another thing in each part."""
    about = {row.level(factor).about or factor for row in rows if row.text(factor)} or {factor}
    return about.pop() if len(about) == 1 else factor.replace("_", " ")


def name_quantities(rows: Rows, factors: Sequence[str]) -> list[str]:
    """Name several factors in words."""
    return [name_quantity(rows, factor) for factor in factors]


def name_legend(rows: Rows, factors: Sequence[str]) -> str:
    """Name the heading of a legend whose entries are `name_series`."""
    return " · ".join(name_quantities(rows, factors))


def name_subject(rows: Rows, factors: Sequence[str]) -> str:
    """Name trials as the subject of a sentence, e.g. `adfa`, or `learning rate 0.1`."""
    names = {factor: name for factor in factors if (name := name_level(rows, factor))}
    parts = [
        f"{name_quantity(rows, f)} {name}" if name.lstrip("-.")[:1].isdigit() else name
        for f, name in names.items()
    ]
    return ", ".join(parts) or "all trials"


def close_gaps(
    names: Sequence[str], cells: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Put levels of several factors in one column of a table, where not all trials have all."""
    if all(map(all, cells)):
        return [*names], [[*row] for row in cells]
    return ["trials"], [[" · ".join(filter(None, row))] for row in cells]


def phrase_level(row: Row, factor: str) -> str:
    """Phrase the level of a factor for a sentence, e.g. `at 30 % of dead neurons`."""
    if factor not in row.cell.levels:
        return ""
    return row.level(factor).phrase or f"with {factor} {row.text(factor)}"


def phrase_place(trials: Trials, rows: Rows, factors: Sequence[str]) -> str:
    """Phrase where in the study trials are, e.g. `on emulator:ideal at 30 % of dead neurons`."""
    phrases = []
    for factor in factors:
        text = rows[0].text(factor)
        if not text:
            continue
        if factor != "part":
            phrases.append(phrase_level(rows[0], factor))
        elif not any(own in factors for own in trials.parts[text].factors):
            phrases.append(f"in {trials.parts[text].about or text}")
    return " ".join(dict.fromkeys(phrases))
