"""What a section of a page is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hil.config import Section
from hil.studies.report.wording import Claim
from hil.studies.schema import Study
from hil.studies.table import Rows


class SectionSettings(Section):
    """Settings that every kind of section has."""

    title: str = ""
    note: str = ""
    measure: str = "test_accuracy"
    answer: bool = False


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
    """A plot.

    Attributes:
        title: What it shows.
        draw: Gives an `<svg>` element.
        wide: Whether it needs the width of the page.
    """

    title: str
    draw: Callable[[], str]
    wide: bool = False


@dataclass(frozen=True)
class SectionContent:
    """The content of a section of the page.

    Attributes:
        title: Its heading.
        note: How to read it.
        claims: Statements about the results.
        answer: What it answers to the question of the study, in a sentence or a few; empty where it
            shows and tells nothing.
        tables: Its tables.
        pictures: Its plots.
        data: The numbers behind them, for `result.json`.
        failure: Why it could not be made; empty where it was.
    """

    title: str
    note: str
    claims: Sequence[Claim] = ()
    answer: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    data: dict[str, Any] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True)
class SectionKind:
    """A kind of section, for each choice of its settings.

    Attributes:
        build: Makes the content of the settings, the study and the rows of its table.
        settings: A model of the settings.
    """

    build: Callable[[Any, Study, Rows], SectionContent]
    settings: type[SectionSettings] = SectionSettings
