"""An HTML page as a browser reads it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from hil.reports.rendering import render

VOID = {"meta", "br", "link", "img"}
Attributes = dict[str, str]


class Page(HTMLParser):
    """What a browser would find: elements with their attributes and text; refuses bad nesting.

    The script that every page has, as it comes with the package, is left out.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[tuple[str, Attributes, list[str]]] = []
        self.data: list[str] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(source.replace(f"<script>\n{render('downloads.js.j2')}</script>\n", ""))
        self.close()
        assert not self._open

    @classmethod
    def read(cls, path: Path) -> Page:
        """The page in a file."""
        return cls(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, {key: value or "" for key, value in attrs}, text))
        if tag not in VOID:
            self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.data.append(data)
        for _, text in self._open:
            text.append(data)

    def all(self, tag: str, **attributes: str) -> list[str]:
        """Text of all elements of a kind, white space folded."""
        return [
            " ".join("".join(text).split())
            for name, found, text in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]

    @property
    def attributes(self) -> list[tuple[str, str]]:
        return [pair for _, found, _ in self.elements for pair in found.items()]

    def values(self, *names: str) -> list[str]:
        return [found[n] for _, found, _ in self.elements for n in names if n in found]

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _, _ in self.elements]

    @property
    def text(self) -> str:
        """All that is to read, with a space between elements."""
        return " ".join(" ".join(self.data).split())

    def rows(self, table: int) -> list[list[str]]:
        """Cells of the body of a table."""
        found: list[list[str]] = []
        number = -1
        for tag, _, text in self.elements:
            if tag == "table":
                number += 1
            elif tag == "tr" and number == table:
                found.append([])
            elif tag in ("td", "th") and number == table:
                found[-1].append(" ".join("".join(text).split()))
        return found[1:]
