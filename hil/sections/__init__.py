"""Sections of the pages of studies and runs: results as data, tables, plots and sentences, apart.

A module here that defines `SECTION`, a `SectionKind`, is a kind by its own name; one that defines
`SECTIONS` has several, by name. What a section is made of is data: it opens no device and no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from hil.discovery import Catalogue
from hil.figures.svg import Figure

__all__ = [
    "CATALOGUE",
    "Conclusion",
    "Plot",
    "PageSection",
    "SectionKind",
    "SectionSettings",
    "Statement",
    "Table",
    "get",
    "names",
]


class Conclusion(Protocol):
    """A conclusion from figures: its facts are fields, and `str` makes the sentence of them."""

    @property
    def is_supported(self) -> bool:
        """True where the figures bear it; else it says what they leave open."""


@dataclass(frozen=True)
class Statement:
    """A conclusion without figures of its own."""

    text: str
    is_supported: bool = False

    def __str__(self) -> str:
        """The sentence."""
        return self.text


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        caption: What it shows.
        header: Names of the columns.
        rows: Their texts.
        links: Where a text leads to, by the text.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    links: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse rows that are no texts, one for each column."""
        for row in self.rows:
            if len(row) != len(self.header) or not all(isinstance(cell, str) for cell in row):
                raise ValueError(
                    f"table {self.caption!r} has the row {str(row)[:60]}: give {len(self.header)} "
                    "texts, one for each column"
                )

    def set_apart(self) -> tuple[Table, list[tuple[str, str]]]:
        """Set columns apart that say the same in every row, of three or more.

        Returns:
            The table without them, and their names with what they say.
        """
        if len(self.rows) < 3:
            return self, []
        columns = range(len(self.header))
        same = [n for n in columns if self.header[n] and len({row[n] for row in self.rows}) == 1]
        kept = [n for n in columns if n not in same]
        rows = [[row[n] for n in kept] for row in self.rows]
        table = replace(self, header=[self.header[n] for n in kept], rows=rows)
        return table, [(self.header[n], self.rows[0][n]) for n in same]

    @property
    def numbers(self) -> set[int]:
        """Columns of numbers alone, which are set flush right."""
        return {
            column
            for column in range(len(self.header))
            if all(_is_number(row[column]) for row in self.rows)
        }


def _is_number(text: str) -> bool:
    return not text or text.removeprefix("-").replace(".", "", 1).replace("e-", "", 1).isdecimal()


@dataclass(frozen=True)
class Plot:
    """A plot, to be drawn by the page.

    Attributes:
        title: What it shows.
        draw: Gives a figure of `hil.figures`, or an `<svg>` element with a `viewBox`.
        wide: Whether it needs the width of the page.
        description: What it shows, for those who do not see it.
        caption: What to note of it.
    """

    title: str
    draw: Callable[[], Figure | str]
    wide: bool = False
    description: str = ""
    caption: str = ""


@dataclass(frozen=True)
class PageSection:
    """The content of a section of a page.

    Attributes:
        title: Its heading.
        note: How to read it.
        claims: Conclusions from its figures.
        answer: What it answers to the question of the page, in a sentence or a few; empty where it
            shows and concludes nothing.
        tables: Its tables.
        plots: Its plots.
        data: The numbers behind them; those of a study stand in `result.json`.
        template: Name of the template that lays it out; the usual one when empty.
        failure: Why it could not be made; empty where it was.
    """

    title: str
    note: str = ""
    claims: Sequence[Conclusion] = ()
    answer: str = ""
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    template: str = ""
    failure: str = ""

    def __post_init__(self) -> None:
        """Refuse claims that do not say whether the figures bear them."""
        for claim in self.claims:
            if not hasattr(claim, "is_supported"):
                raise ValueError(f"{str(claim)[:60]!r} is no claim: give a Statement of it")


class SectionSettings(BaseModel):
    """Settings that every kind of section has."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    title: str = ""
    note: str = ""
    measure: str = "test_accuracy"
    answer: bool = False


@dataclass(frozen=True)
class SectionKind:
    """A kind of section, for each choice of its settings.

    Attributes:
        build: Makes a section of the settings and what the page is about: the
            `hil.sections.trials.Trials` of a study, or the `hil.sections.run.RunRecord` of a run;
            None where there is nothing to show.
        settings: A model of the settings.
        page: Of which page it is a section.
    """

    build: Callable[[Any, Any], PageSection | None]
    settings: type[SectionSettings] = SectionSettings
    page: Literal["study", "run"] = "study"


CATALOGUE: Catalogue[SectionKind] = Catalogue(
    "kind of section", SectionKind, "hil.sections", __name__, "SECTION"
)
get = CATALOGUE.get


def get_of_run(name: str) -> SectionKind:
    """The kind of section of that name, for the page of a run.

    Raises:
        ValueError: When there is none, or it is of another page.
    """
    kind = get(name)
    if kind.page != "run":
        raise ValueError(f"section {name!r} is of the page of a study: give one of a run")
    return kind


def names(page: Literal["study", "run"]) -> list[str]:
    """List the kinds of sections of a page that come with the package."""
    return [name for name in CATALOGUE.names() if get(name).page == page]
