"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, where it has rows: drawn in a terminal, tab-separated when piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    console = Console()
    if not console.is_terminal:
        for row in (header, *rows):
            print("\t".join(row))
        return
    drawn = Table(*header, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawn.add_row(*map(Text, row))
    console.print(drawn)
