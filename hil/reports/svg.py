"""Matplotlib figures in the house style, as SVG inside a page that gives them its colours."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 380, 230  # of a figure, in the pixels of a page that shows it unscaled

# Drawn in stand-ins, which become variables of the page's style: one figure for light and dark.
INK, MUTED, LINE, BAND = "#000001", "#000002", "#000003", "#000004"
SHADES = ("#000011", "#000012", "#000013", "#000014", "#000015", "#000016")
_VARIABLES = {
    **{INK: "ink", MUTED: "muted", LINE: "line", BAND: "band"},
    **{stand_in: f"shade-{number}" for number, stand_in in enumerate(SHADES)},
}
# What is drawn in pixels cannot take part in that: a tone that reads on light and dark.
PIXELS = "#4f83e0"
_PIXELS_PER_INCH = 144


@contextmanager
def style() -> Iterator[None]:
    """The house style, whatever the user's own matplotlib settings are; no text is TeX."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # Of glyphs that its own font lacks, which the reader's browser has, and of narrow plots.
        warnings.simplefilter("ignore", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "text.parse_math": False,
                "svg.fonttype": "none",
                "svg.hashsalt": "spikeloop",
                "savefig.transparent": True,
                "font.size": 11,
                "text.color": INK,
                "axes.edgecolor": MUTED,
                "axes.labelcolor": MUTED,
                "axes.linewidth": 0.8,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "axes.grid": True,
                "grid.color": LINE,
                "grid.linewidth": 0.8,
                "xtick.color": MUTED,
                "ytick.color": MUTED,
                "xtick.labelsize": 10,
                "ytick.labelsize": 10,
                "xtick.major.size": 3,
                "ytick.major.size": 0,
                "lines.linewidth": 1.8,
                "lines.solid_capstyle": "round",
                "legend.frameon": False,
                "legend.fontsize": 10,
            }
        )
        yield


def canvas(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure, to be drawn on and exported within `style`.

    Args:
        width: In pixels.
        height: In pixels.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure

    return Figure((width / 72, height / 72))


def export(figure: Figure) -> str:
    """The figure as an element of an HTML page, without colours or ids of its own making.

    Args:
        figure: Drawn within `style`.

    Returns:
        An `<svg>` element; the same figure always gives the same text.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.transforms import Bbox

    ConstrainedLayoutEngine(wspace=0.05).execute(figure)
    for axes in figure.axes:  # the last bits of the solver's answer vary from time to time
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(4)))
    buffer = StringIO()
    figure.savefig(buffer, format="svg", dpi=_PIXELS_PER_INCH, metadata={"Date": None})
    drawn = re.sub(r"(?s)<(metadata|style).*?</\1>", "", buffer.getvalue())
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, f"var(--{variable})")
    # Ids are one name space for all of a page: keep those in use, under a name from the content.
    name = "f" + sha256(body.encode()).hexdigest()[:8]
    used = set(re.findall(r'(?:href="|url\()#([\w.-]+)', body))
    body = re.sub(
        r' id="([\w.-]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body
    )
    body = re.sub(r'(href="|url\()#', rf"\1#{name}-", body)
    width, height = (72 * side for side in figure.get_size_inches())
    return f'<svg viewBox="0 0 {width:g} {height:g}" aria-hidden="true">{body.strip()}</svg>'
