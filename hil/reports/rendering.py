"""Pages: each one file that needs no network, made from a template."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from drivers.files.writing import write_text
from hil.figures.svg import COLUMN, DARK, LIGHT, Figure
from hil.plain_text import make_one_line, make_visible
from hil.sections import PageSection, Plot

if TYPE_CHECKING:
    from jinja2 import Environment

T = TypeVar("T")
LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class Picture:
    """A figure as a page shows it.

    Attributes:
        element: An `<svg>` element, or a note in its place.
        numbers: What it shows, as CSV; empty where that is not known.
    """

    element: str
    numbers: str = ""

    def __html__(self) -> str:
        """The element, for a template."""
        return self.element


class Attempts:
    """Makes the parts of a page one by one; one that fails leaves a note, and all else stands.

    Attributes:
        failed: What could not be made, and why, a sentence each.
    """

    def __init__(self) -> None:
        """Begin with nothing that failed."""
        self.failed: list[str] = []

    def make(self, what: str, build: Callable[[], T]) -> T | None:
        """Make a part of the page; None when it fails, which is noted.

        Args:
            what: Its name.
            build: Gives it.
        """
        try:
            return build()
        except Exception as error:  # whatever a part does wrong, the others are shown
            reason = make_one_line(str(error))[:LONGEST]
            self.failed.append(
                f"{make_one_line(what)} could not be made: {type(error).__name__} {reason}".rstrip()
            )
            return None

    def draw(self, title: str, draw: Callable[[], Figure | str]) -> Picture:
        """Draw a plot, or leave a note in its place.

        Args:
            title: What it shows.
            draw: Gives a figure, or an `<svg>` element.
        """

        def build() -> Picture:
            figure = draw()
            return Picture(str(figure), figure.to_csv() if isinstance(figure, Figure) else "")

        note = self.make(f"plot {title!r}", build)
        return note or Picture(f'<p class="warning">{escape(make_visible(self.failed[-1]))}.</p>')

    def make_section(
        self, title: str, build: Callable[[], PageSection | None]
    ) -> PageSection | None:
        """Make a section, or one that says why there is none.

        Args:
            title: Its name.
            build: Gives it; None where there is nothing to show.
        """
        failed = len(self.failed)
        section = self.make(f"section {title!r}", build)
        return (
            section if len(self.failed) == failed else PageSection(title, failure=self.failed[-1])
        )

    def draw_section(self, section: PageSection) -> tuple[PageSection, list[tuple[Plot, Picture]]]:
        """Draw the plots of a section."""
        return section, [(plot, self.draw(plot.title, plot.draw)) for plot in section.plots]


def write_page(path: Path, template: str, attempts: Attempts, /, **content: Any) -> Path:
    """Write a page; where the template itself fails, one that says so.

    Args:
        path: The page.
        template: Name of a file in `hil/reports/templates/`.
        attempts: Those by which its parts were made.
        content: What it shows, by name.

    Returns:
        The path.

    Raises:
        OSError: When it cannot be written.
    """
    text = attempts.make(
        f"page {path.name}", lambda: render(template, failed=attempts.failed, **content)
    )
    if text is None:
        text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>No page</title></head><body>
<p>{escape(make_visible(attempts.failed[-1]))}. All else in its folder is whole.</p></body></html>
"""
    return write_text(path, text)


def render(template: str, **content: Any) -> str:
    """Fill in a template.

    Args:
        template: Name of a file in `hil/reports/templates/`.
        content: What it shows, by name.

    Returns:
        The page.
    """
    return _add_contents(_open_templates().get_template(template).render(content))


@cache
def _open_templates() -> Environment:
    """Make what reads the templates, each once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("hil.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # of an included part
        # Conclusions become their sentence here, so that what is no text in it is replaced, too.
        finalize=lambda v: v if isinstance(v, Markup | int | float) else make_visible(str(v)),
    )
    environment.filters |= {
        "percent": lambda share: f"{100 * share:.2f}",
        "duration": _format_duration,
    }
    environment.globals |= {"light": LIGHT, "dark": DARK, "column": COLUMN}
    return environment


def _add_contents(page: str) -> str:
    """Give each section of a page an anchor, and list them below its header."""
    links: list[str] = []

    def add(section: re.Match[str]) -> str:
        anchor = f"section-{len(links) + 1}"
        links.append(f'<a href="#{anchor}">{section[2]}</a>')
        return f'<section id="{anchor}">{section[1]}<h2>{section[2]}</h2>'

    page = re.sub(r"<section>(\s*<div>\s*)<h2>(.*?)</h2>", add, page, flags=re.DOTALL)
    contents = f'<nav class="contents" aria-label="Contents">{"".join(links)}</nav>'
    return page.replace("</header>", f"</header>\n{contents}", 1) if len(links) > 1 else page


def _format_duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
