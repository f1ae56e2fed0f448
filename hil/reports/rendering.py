"""Pages: each one file that needs no network, made from a template."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from drivers.files.writing import write_text
from hil.reports.plain_text import one_line, visible

T = TypeVar("T")
LONGEST = 300  # characters of a reason


class Attempts:
    """Makes the parts of a page one by one; one that fails leaves a note, and all else stands.

    Attributes:
        failed: What could not be made, and why, a sentence each.
    """

    def __init__(self) -> None:
        """Begin with nothing that failed."""
        self.failed: list[str] = []

    def drawn(self, title: str, draw: Callable[[], str]) -> str:
        """A plot, or a note in its place.

        Args:
            title: What it shows.
            draw: Gives an `<svg>` element.

        Returns:
            An element of a page.
        """
        return self.shown(f"plot {title!r}", draw)

    def shown(self, what: str, make: Callable[[], str]) -> str:
        """An element of the page, or a note in its place.

        Args:
            what: Its name.
            make: Gives it.
        """
        element = self.made(what, make)
        if element is not None:
            return element
        return f'<p class="warning">{escape(visible(self.failed[-1]))}.</p>'

    def made(self, what: str, make: Callable[[], T]) -> T | None:
        """A part of the page, or None when it fails, which is noted.

        Args:
            what: Its name.
            make: Gives it.
        """
        try:
            return make()
        except Exception as error:  # whatever a part does wrong, the others are shown
            reason = one_line(str(error))[:LONGEST]
            self.failed.append(
                f"{one_line(what)} could not be made: {type(error).__name__} {reason}".rstrip()
            )
            return None


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
    text = attempts.made(
        f"page {path.name}", lambda: render(template, failed=attempts.failed, **content)
    )
    if text is None:
        text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>No page</title></head><body>
<p>{escape(visible(attempts.failed[-1]))}. All else in its folder is whole.</p></body></html>
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
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("hil.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # of an included part
        finalize=lambda v: visible(v) if isinstance(v, str) and not isinstance(v, Markup) else v,
    )
    environment.filters |= {"percent": lambda share: f"{100 * share:.2f}", "duration": _duration}
    return environment.get_template(template).render(content)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
