"""Figures in the house style, as SVG inside a page that gives them its colours."""

from __future__ import annotations

import re
import warnings
from contextlib import ExitStack
from hashlib import sha256
from io import StringIO
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
_STYLE: Any = {
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


class Drawing:
    """A figure that is drawn within a `with` block, and is SVG at its end.

    The house style holds within the block, whatever the user's own matplotlib settings are; no
    text is TeX.

    Attributes:
        figure: The matplotlib figure, empty at first.
        svg: The `<svg>` element, once the block is left.
    """

    figure: Figure
    svg: str

    def __init__(self, width: float = WIDTH, height: float = HEIGHT) -> None:
        """Plan a figure.

        Args:
            width: In pixels.
            height: In pixels.
        """
        self._size = (width / 72, height / 72)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Put the house style in force."""
        import matplotlib
        from matplotlib.figure import Figure

        self._stack.enter_context(matplotlib.rc_context())
        self._stack.enter_context(warnings.catch_warnings())
        # Of glyphs that its own font lacks, which the reader's browser has, and of narrow plots.
        warnings.simplefilter("ignore", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        self.figure = Figure(self._size)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Export the figure, and restore the settings of matplotlib."""
        with self._stack:
            if error is None:
                self.svg = export_svg(self.figure)

    @property
    def axes(self) -> Axes:
        """The only axes of the figure."""
        return self.figure.axes[0] if self.figure.axes else self.figure.subplots()


def look_of(shade: int) -> dict[str, Any]:
    """Colour and line of a number; the line changes where the colours begin anew."""
    again, number = divmod(shade, len(SHADES))
    return {"color": SHADES[number], "linestyle": ("-", "--", ":", "-.")[again % 4]}


def export_svg(figure: Figure) -> str:
    """Write a figure as an element of an HTML page, without colours or ids of its own making.

    Args:
        figure: Drawn in the house style.

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
