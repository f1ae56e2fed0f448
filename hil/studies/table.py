"""The tidy table of a study: a row for each trial, and groups of rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from hil.studies.plan import Cell, Unit
from hil.studies.schema import MEASURES
from hil.studies.trial import Outcome

TIMES = ("seconds", "device_seconds", "transfer_seconds")
# What a spreadsheet takes for a formula, and what of it is a number.
_FORMULA = re.compile(r"[=+\-@\t\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Row:
    """One trial in the table.

    Attributes:
        number: Its place in the study, from 0.
        cell: Its combination of levels.
        unit: Its repetition.
        outcome: Its measures, or its error.
        config: Its complete configuration, as JSON.
    """

    number: int
    cell: Cell
    unit: Unit
    outcome: Outcome
    config: str = ""

    def text(self, factor: str) -> str:
        """The level of a factor; `part` is one too. Empty where its part has no such factor."""
        if factor == "part":
            return self.cell.part
        chosen = self.cell.choices.get(factor)
        return "" if chosen is None else chosen.text

    def shown(self, factor: str) -> str:
        """The level of a factor as it is shown, with its unit."""
        chosen = self.cell.choices.get(factor)
        return self.text(factor) if chosen is None else chosen.shown or chosen.text

    def about(self, factor: str) -> str:
        """What a factor is."""
        chosen = self.cell.choices.get(factor)
        return factor if chosen is None else chosen.about or factor

    def unit_of(self, factor: str) -> str:
        """The unit in which a factor is shown; empty where it has none."""
        chosen = self.cell.choices.get(factor)
        return "" if chosen is None else chosen.unit

    def phrase(self, factor: str) -> str:
        """The level of a factor in a sentence."""
        chosen = self.cell.choices.get(factor)
        return "" if chosen is None else chosen.phrase or f"with {factor} {chosen.text}"

    def number_of(self, factor: str) -> float | None:
        """The level of a factor as a number, where it is one."""
        chosen = self.cell.choices.get(factor)
        return None if chosen is None else chosen.value

    def measure(self, name: str) -> float | None:
        """A measure; None where it was not taken."""
        value = self.outcome.get(name)
        return None if value is None else float(value)


Rows = Sequence[Row]


def grouped(rows: Iterable[Row], factors: Sequence[str]) -> dict[tuple[str, ...], list[Row]]:
    """Rows by their levels of some factors; each factor's levels in the order of first coming."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.text(factor) for factor in factors), []).append(row)
    orders = [list(dict.fromkeys(levels)) for levels in zip(*groups, strict=True)]

    def place(levels: tuple[str, ...]) -> list[int]:
        return [order.index(level) for order, level in zip(orders, levels, strict=True)]

    return {levels: groups[levels] for levels in sorted(groups, key=place)}


Statistic = Callable[[Sequence[float]], float]


def by_unit(rows: Iterable[Row], measure: str, of: Statistic = fmean) -> dict[int, float]:
    """Mean, or another statistic, of a measure for each unit that has it.

    Units are what is sampled: further trials of one unit, such as other levels that are averaged
    over or further chips, do not make it count more.
    """
    by_number: dict[int, list[float]] = {}
    for row in rows:
        value = row.measure(measure)
        if value is not None:
            by_number.setdefault(row.unit.number, []).append(value)
    return {unit: of(values) for unit, values in sorted(by_number.items())}


def trials_csv(rows: Rows, factors: Sequence[str], parts: Sequence[str] | None = None) -> str:
    """Everything but times: the same bytes however the study was run.

    Args:
        rows: The trials.
        factors: Columns for their levels.
        parts: What the part of each trial is called, row by row; that of its cell when None.

    Returns:
        The table, with a header.
    """
    header = ["trial", "part", *factors, "unit", "seed", "chip", *MEASURES, "error"]
    parts = [row.cell.part for row in rows] if parts is None else parts
    return _csv(
        header,
        (_cells(row, part, factors) for row, part in zip(rows, parts, strict=True)),
    )


def _cells(row: Row, part: str, factors: Sequence[str]) -> list[object]:
    return [
        row.number,
        part,
        *(row.text(factor) for factor in factors),
        row.unit.number,
        row.unit.seed,
        row.unit.device or ("" if row.unit.chip is None else row.unit.chip),
        *(_number(row.measure(name)) for name in MEASURES),
        row.outcome.get("error", ""),
    ]


def times_csv(rows: Rows) -> str:
    """Seconds of each trial: in all, in the device, on the line to it."""
    return _csv(
        ["trial", *TIMES],
        ([row.number, *(_number(row.measure(name)) for name in TIMES)] for row in rows),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _csv(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([_harmless(cell) for cell in line] for line in (header, *lines))
    return buffer.getvalue()


def _harmless(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: a text that looks like one is quoted."""
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # which alone would end the row
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
