"""What a section of a page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hil.config import Section
from hil.studies.report.wording import Claim


class About(Section):
    """What every kind of section can be told."""

    title: str = ""
    note: str = ""
    measure: str = "test_accuracy"


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        caption: What it shows.
        header: Names of the columns.
        rows: Their texts.
        numbers: Columns to be set flush right.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        title: What it shows.
        svg: An `<svg>` element.
        wide: Whether it needs the width of the page.
    """

    title: str
    svg: str
    wide: bool = False


@dataclass(frozen=True)
class Shown:
    """A section of the page.

    Attributes:
        title: Its heading.
        note: How to read it.
        claims: What the figures say.
        tables: Its tables.
        pictures: Its figures.
        figures: What is behind them, for `result.json`.
    """

    title: str
    note: str
    claims: Sequence[Claim] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    figures: dict[str, Any] = field(default_factory=dict)
