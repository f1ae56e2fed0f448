"""Text of others on a page, in a plot and in a terminal: it is shown, and never does anything.

Labels, names and paths come from files and command lines. HTML is escaped by the templates and
a plot shows it as text; what is left is dealt with here: characters that are no
text, and labels that are longer than a plot has room for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

ROOM = 40  # characters of a label in a plot
INSTEAD = "\N{REPLACEMENT CHARACTER}"
_NO_TEXT = {"Cc", "Cs"}  # categories of control characters and of halves of surrogate pairs
_TURNING = frozenset(
    map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)


def describe_score(figures: Mapping[str, Any], part: str) -> str:
    """Write how well a part was answered: its accuracy, or how far numbers are from theirs.

    Args:
        figures: Of an epoch or a result.
        part: `train`, `validation` or `test`; "" is answered where nothing is known of it.
    """
    accuracy, nrmse = figures.get(f"{part}_accuracy"), figures.get(f"{part}_nrmse")
    if accuracy is None:
        return "" if nrmse is None else f"NRMSE {nrmse:.3g}"
    return f"{100 * accuracy:.2f} %"


def make_visible(text: str) -> str:
    """Replace the characters of a text that are none: each becomes one that shows so.

    Those are control characters but for the line feed and the tab, halves of surrogate pairs,
    and characters that turn the direction of what follows.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(INSTEAD if _acts(character) else character for character in text)


def _acts(character: str) -> bool:
    if character in "\n\t":
        return False
    return character in _TURNING or unicodedata.category(character) in _NO_TEXT


def make_one_line(text: str) -> str:
    """Make one line of a text, for a terminal: `visible`, with white space folded."""
    return make_visible(" ".join(text.split()))


def make_label(text: str) -> str:
    """Make a label of a plot of a text: one line, whose middle is left out where it is long."""
    line = make_one_line(text)
    if len(line) > ROOM:
        line = f"{line[: ROOM - 13]}\N{HORIZONTAL ELLIPSIS}{line[-12:]}"
    return line
