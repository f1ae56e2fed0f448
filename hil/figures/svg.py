"""Figures, drawn as SVG: panels with axes, and marks in the coordinates of their data.

Colours are variables of the page's style, so that one figure serves light and dark.
"""

from __future__ import annotations

import base64
import csv
import io
import math
import re
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hil.plain_text import make_label as shorten_label

Array = NDArray[np.float64]
Place = Callable[[ArrayLike, ArrayLike], tuple[Array, Array]]
"""Pixels of a figure for coordinates of its data."""

WIDTH, HEIGHT = 380, 230  # of a figure, in the pixels of a page that shows it unscaled
COLUMN = 85  # width of a column of a journal, in mm, and of a figure of that many pixels
# Shades keep apart for the common kinds of colour blindness, at 3:1 at least from the paper.
LIGHT = {
    "paper": "#fbfaf8", "card": "#ffffff", "ink": "#1d2126", "muted": "#5d6670",
    "line": "#e2e2de", "band": "#ece9e1", "tint": "36 86 201", "warn": "#a03c00",
    "shade-0": "#285de7", "shade-1": "#d6711b", "shade-2": "#0c8881",
    "shade-3": "#7a3fb0", "shade-4": "#b02859", "shade-5": "#525d00",
}  # fmt: skip
DARK = {
    "paper": "#14161a", "card": "#1b1e23", "ink": "#e7e9ec", "muted": "#9ba4ae",
    "line": "#30353c", "band": "#2c3138", "tint": "62 106 216", "warn": "#f0a860",
    "shade-0": "#84a3fc", "shade-1": "#eea66f", "shade-2": "#4fc4b4",
    "shade-3": "#ebbbff", "shade-4": "#dd7084", "shade-5": "#bac53c",
}  # fmt: skip
INK, MUTED, LINE, BAND = (f"var(--{name})" for name in ("ink", "muted", "line", "band"))
SHADES = tuple(f"var(--shade-{number})" for number in range(6))
DASHES = ("", "5 3", "1.5 2.5", "7 2 1.5 2")
# What is drawn in pixels cannot take part in that: tones that read on light and dark.
BLUE, ORANGE = (79, 131, 224), (217, 123, 41)

FONT, CHARACTER, GAP = 10, 5.8, 14  # size of texts, mean width of one, and space between panels
MARGIN = 0.05  # of an axis beyond its data
MINUS = "\N{MINUS SIGN}"
PREFIXES = ("f", "p", "n", "µ", "m", "", "k", "M", "G")
ERRORS = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)  # ticks of an axis of errors
LOG_TICKS = 5  # of a logarithmic axis; where 1, 2 and 5 are more, powers of ten
SHAPES = {"dot": "h0", "cross": "m-2-2l4 4m0-4l-4 4", "diamond": "m0-4.5l4.5 4.5-4.5 4.5-4.5-4.5z"}


def look_of(shade: int) -> tuple[str, str]:
    """Colour and dashes of a line by its number; dashes change where the colours begin anew."""
    again, number = divmod(shade, len(SHADES))
    return SHADES[number], DASHES[again % len(DASHES)]


def format_si(value: float, unit: str) -> str:
    """Write a value with a prefix to its unit."""
    power = math.floor(math.log10(abs(value)) / 3 + 1e-9) if value else 0
    power = min(max(power, -5), 3)
    return f"{value / 1000.0**power:.4g} {PREFIXES[power + 5]}{unit}"


def find_ticks(low: float, high: float, most: int, is_whole: bool = False) -> list[float]:
    """Find round values between two: multiples of 1, 2 or 5 times a power of ten."""
    span = abs(high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(f * power for f in (1, 2, 5, 10, 20) if span / (f * power) <= most)
    step = max(step, 1.0) if is_whole else step
    first, last = math.ceil(min(low, high) / step - 1e-9), math.floor(max(low, high) / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def find_powers(low: float, high: float) -> list[float]:
    """Find ticks of a logarithmic axis: 1, 2 and 5 times powers of ten, or fewer of these."""
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    within = [[f * 10.0**n for n in powers if low <= f * 10.0**n <= high] for f in (1, 2, 5)]
    values = sorted(value for each in within for value in each)
    if len(values) <= LOG_TICKS:
        return values if len(values) > 1 else []
    return within[0][:: math.ceil(len(within[0]) / LOG_TICKS)]


def format_count(value: float) -> str:
    """Write a number with two digits, a large one in thousands, millions and so on."""
    rounded = float(f"{value:.2g}")
    return format_si(rounded, "").replace(" ", "") if abs(rounded) >= 1000 else f"{rounded:g}"


@dataclass
class Axis:
    """One direction of a panel.

    Attributes:
        label: What it shows, with its unit.
        low: Its first value; None for the least of the data, with a margin.
        high: Its last value, likewise; one below `low` turns the axis round.
        ticks: Texts by value; None for round values.
        most: Number of those, at most.
        unit: Unit of the ticks, written with a prefix; `%` shows shares in percent.
        is_whole: Whether ticks are at whole numbers alone.
        is_log: Whether its scale is logarithmic.
        is_error: Whether it shows shares by the logarithm of what is missing of 1; between its
            ends, which are given.
        has_grid: Whether lines go from its ticks through the panel.
        has_line: Whether it is drawn as a line.
    """

    label: str = ""
    low: float | None = None
    high: float | None = None
    ticks: Mapping[float, str] | None = None
    most: int = 7
    unit: str = ""
    is_whole: bool = False
    is_log: bool = False
    is_error: bool = False
    has_grid: bool = True
    has_line: bool = True
    _least: float = math.inf
    _largest: float = -math.inf

    def include(self, values: ArrayLike) -> None:
        """Widen the axis so that it holds values."""
        array = np.asarray(values, float)
        finite = array[np.isfinite(array)]
        if finite.size:
            self._least = min(self._least, float(finite.min()))
            self._largest = max(self._largest, float(finite.max()))

    def limits(self) -> tuple[float, float]:
        """Both ends."""
        low, high = (self._least, self._largest) if self._least <= self._largest else (0.0, 1.0)
        margin = MARGIN * (high - low) or MARGIN * abs(high) or 1.0
        ends = low - margin, high + margin
        return (
            ends[0] if self.low is None else self.low,
            ends[1] if self.high is None else self.high,
        )

    def label_ticks(self) -> dict[float, str]:
        """Texts of the ticks, by their value."""
        if self.ticks is not None:
            return {value: shorten_label(text) for value, text in self.ticks.items()}
        low, high = self.limits()
        values = find_ticks(low, high, self.most, self.is_whole)
        if self.is_error:
            return {value: f"{100 * value:g}%" for value in ERRORS if low <= value <= high}
        if self.is_log and (powers := find_powers(low, high)):
            return {value: format_count(value) for value in powers}
        if self.unit not in ("", "%"):
            return {value: format_si(value, self.unit) for value in values}
        scale = 100 if self.unit == "%" else 1
        step = scale * abs(values[1] - values[0]) if len(values) > 1 else 1.0
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        form = f".{digits}f" if digits < 6 and max(map(abs, values), default=0.0) < 1e6 else "g"
        texts = [f"{scale * value + 0.0:{form}}{self.unit}" for value in values]
        return dict(zip(values, (text.replace("-", MINUS) for text in texts), strict=True))

    def place(self, values: ArrayLike) -> Array:
        """Places of values from 0 to 1; infinite ones are at an end."""
        array, ends = np.asarray(values, float), np.asarray(self.limits())
        if self.is_error:
            array, ends = -np.log10(1 - np.clip(array, *ends)), -np.log10(1 - ends)
        if self.is_log:
            array, ends = np.log10(array), np.log10(ends)
        low, high = ends
        if np.isinf(array).any():
            array = np.where(np.isinf(array), np.where(array > 0, max(ends), min(ends)), array)
        return np.asarray((array - low) / ((high - low) or 1.0))


@dataclass
class Panel:
    """A pair of axes with marks.

    Attributes:
        x: The horizontal axis.
        y: The vertical axis.
        heading: What the legend tells apart.
        aspect: Height of the panel over its width; None for all there is room for.
        has_legend: Whether a legend on top names its curves, else each has its name at its end.
    """

    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    heading: str = ""
    aspect: float | None = None
    has_legend: bool = True
    _ends: list[tuple[float, float, str, str]] = field(default_factory=list)
    _marks: list[Callable[[Place], str]] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)
    _numbers: list[tuple[str, list[Array]]] = field(default_factory=list)

    def add(self, x: ArrayLike, y: ArrayLike, mark: Callable[[Place], str], name: str = "") -> None:
        """Add a mark.

        Args:
            x: Coordinates of its points; of strokes and boxes a pair, `(2, n)`.
            y: Likewise.
            mark: Draws it.
            name: What its numbers are called; empty where its points are not its numbers.
        """
        self.x.include(x)
        self.y.include(y)
        self._marks.append(mark)
        corners = zip(*(np.atleast_2d(np.asarray(s, float)) for s in (x, y)), strict=True)
        if name:
            self._numbers.append((name, [side for corner in corners for side in corner]))

    def list_numbers(self) -> list[tuple[str, ...]]:
        """List the numbers of its marks: name, x and y of a point, those of its end, and a value.

        A stroke and a box have an end, a pixel of an image its opacity as a value.
        """
        rows: list[tuple[str, ...]] = []
        for name, sides in self._numbers:
            texts = [[f"{a:.6g}" if a == a else "" for a in side] for side in sides]
            missing = [[""] * len(texts[0])] * (5 - len(texts))
            rows += zip([name] * len(texts[0]), *texts, *missing, strict=True)
        return rows

    def draw_line(
        self,
        x: ArrayLike,
        y: ArrayLike,
        colour: str = SHADES[0],
        *,
        width: float = 1.8,
        dash: str = "",
        opacity: float = 1.0,
        label: str | None = None,
    ) -> None:
        """Draw a curve, interrupted where it is nan."""
        style = _stroke(colour, width, dash, opacity)
        self.add(x, y, lambda to: f'<path d="{_path(*to(x, y))}" {style}/>', label or "line")
        if label is not None and self.has_legend:
            self._legend.append((label, f'h16" {style}'))
        elif label is not None:
            style = _stroke(colour, 0.8, dash)
            self._ends.append((float(np.asarray(x)[-1]), float(np.asarray(y)[-1]), label, style))

    def fill(self, x: ArrayLike, y: ArrayLike, colour: str, opacity: float = 1.0) -> None:
        """Fill a polygon."""
        style = f'fill="{colour}" fill-opacity="{opacity:.3g}"'
        self.add(x, y, lambda to: f'<path d="{_path(*to(x, y))}Z" {style}/>', "area")

    def _draw_each(
        self, name: str, shape: str, style: str, *corners: tuple[ArrayLike, ArrayLike]
    ) -> None:
        """Draw a shape for each of its corners, as one path; infinite ones are at the edge."""
        flat = [np.atleast_1d(np.asarray(side, float)) for corner in corners for side in corner]
        sides = np.broadcast_arrays(*flat)

        def mark(to: Place) -> str:
            places = [to(x, y) for x, y in zip(sides[::2], sides[1::2], strict=True)]
            numbers = zip(*(side for corner in places for side in corner), strict=True)
            return f'<path d="{"".join(shape.format(*each) for each in numbers)}" {style}/>'

        self.add(sides[::2], sides[1::2], mark, name)

    def draw_segments(
        self,
        x: tuple[ArrayLike, ArrayLike],
        y: tuple[ArrayLike, ArrayLike],
        colour: str,
        *,
        width: float = 1.0,
        dash: str = "",
    ) -> None:
        """Draw strokes between points."""
        shape = "M{:.1f} {:.1f}L{:.1f} {:.1f}"
        self._draw_each("stroke", shape, _stroke(colour, width, dash), *zip(x, y, strict=True))

    def fill_boxes(
        self,
        x: tuple[ArrayLike, ArrayLike],
        y: tuple[ArrayLike, ArrayLike],
        colour: str,
        opacity: float = 1.0,
    ) -> None:
        """Fill boxes."""
        shape = "M{0:.1f} {1:.1f}H{2:.1f}V{3:.1f}H{0:.1f}Z"
        style = f'fill="{colour}" fill-opacity="{opacity:.3g}"'
        self._draw_each("box", shape, style, *zip(x, y, strict=True))

    def draw_points(
        self,
        x: ArrayLike,
        y: ArrayLike,
        colour: str,
        *,
        shape: Literal["dot", "cross", "diamond"] = "dot",
        size: float = 4.0,
        opacity: float = 1.0,
        label: str | None = None,
    ) -> None:
        """Draw points."""
        style = f'{_stroke(colour, size, opacity=opacity)} stroke-linecap="round"'
        if shape != "dot":
            is_filled = shape == "diamond"
            style = f'fill="{colour}"' if is_filled else _stroke(colour, 1.2, opacity=opacity)
        self._draw_each(label or "point", f"M{{:.1f}} {{:.1f}}{SHAPES[shape]}", style, (x, y))
        if label is not None:
            self._legend.append((label, f'm8 0{SHAPES[shape]}" {style}'))

    def draw_image(
        self,
        pixels: NDArray[np.uint8],
        x: tuple[float, float],
        y: tuple[float, float],
    ) -> None:
        """Draw pixels `(rows, columns, 4)` between two places of each axis, from the top left."""
        data = base64.b64encode(encode_png(pixels)).decode()

        def mark(to: Place) -> str:
            (left, right), (top, bottom) = to(x, y)
            box = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
            return (
                f'<image {box} height="{bottom - top:.1f}" preserveAspectRatio="none" '
                f'style="image-rendering: pixelated" href="data:image/png;base64,{data}"/>'
            )

        self.add(x, y, mark)
        down, across = np.nonzero(pixels[..., 3])
        rows, columns = pixels.shape[:2]
        right = x[0] + (x[1] - x[0]) * (across + 0.5) / columns
        up = y[0] + (y[1] - y[0]) * (down + 0.5) / rows
        no_end = np.full(len(across), np.nan)
        self._numbers.append(("pixel", [right, up, no_end, no_end, pixels[down, across, 3] / 255]))

    def write(self, x: float, y: float, text: str) -> None:
        """Write a text about a point."""

        def mark(to: Place) -> str:
            a, b = to(x, y)
            return _text(float(a), float(b) + 0.35 * FONT, text, INK, "middle")

        self.add(x, y, mark, text)

    # -- the panel as a whole ---------------------------------------------------------------------

    def margins(self, width: float) -> tuple[float, float, bool]:
        """Space left of the panel and below it, and whether texts below it need to be turned."""
        texts = self.y.label_ticks().values()
        left = 8 + CHARACTER * max(map(len, texts), default=0) + (GAP if self.y.label else 0)
        below = [len(text) for text in self.x.label_ticks().values()]
        bottom = 6 + (FONT if below else 0) + (FONT + 6 if self.x.label else 0)
        is_turned = bool(below) and CHARACTER * (sum(below) + len(below)) > 0.85 * (width - left)
        return left, bottom + (0.5 * CHARACTER * max(below) - 4 if is_turned else 0), is_turned

    def render_legend(self, left: float, width: float) -> tuple[str, float]:
        """The legend at the top, in as many lines as it needs, and its height."""
        texts = [(shorten_label(text), sample) for text, sample in self._legend]
        entries = [(shorten_label(self.heading), "")] if texts and self.heading else []
        body, x, y = "", left, FONT + 1.0
        for text, sample in [*entries, *texts]:
            indent = 21 if sample else 0
            if x > left and x + indent + CHARACTER * len(text) > width:
                x, y = left, y + FONT + 5
            body += f'<path d="M{x:.1f} {y - 3.5:.1f}{sample}/>' if sample else ""
            body += _text(x + indent, y, text, MUTED if not sample else INK)
            x += indent + CHARACTER * len(text) + 12
        return body, y + 6 if texts else 0.0

    def render(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        margins: tuple[float, float, bool],
    ) -> str:
        """The panel between its edges, its labels outside of them."""
        beside, below, is_turned = margins
        if self._ends:
            right -= 16 + CHARACTER * max(len(shorten_label(name)) for _, _, name, _ in self._ends)
        if self.aspect is not None:
            width = min(right - left, (bottom - top) / self.aspect)
            spare = (bottom - top) - width * self.aspect
            right, top, bottom = left + width, top + spare / 2, bottom - spare / 2

        def across(x: ArrayLike) -> Array:
            return np.asarray(left + (right - left) * self.x.place(x))

        def up(y: ArrayLike) -> Array:
            return np.asarray(bottom - (bottom - top) * self.y.place(y))

        columns, rows = self.x.label_ticks(), self.y.label_ticks()
        at_x, at_y = across(list(columns)), up(list(rows))
        grid = "".join(f"M{x:.1f} {top:.1f}V{bottom:.1f}" for x in at_x if self.x.has_grid)
        grid += "".join(f"M{left:.1f} {y:.1f}H{right:.1f}" for y in at_y if self.y.has_grid)
        frame = f"M{left:.1f} {bottom:.1f}H{right:.1f}" if self.x.has_line else ""
        frame += f"M{left:.1f} {top:.1f}V{bottom:.1f}" if self.y.has_line else ""
        body = f'<path d="{grid}" {_stroke(LINE, 0.8)}/>' if grid else ""
        body += "".join(mark(lambda x, y: (across(x), up(y))) for mark in self._marks)
        body += f'<path d="{frame}" {_stroke(MUTED, 0.8)}/>' if frame else ""
        body += self._name_ends(lambda x, y: (across(x), up(y)), right, top, bottom)
        for y, text in zip(at_y, rows.values(), strict=True):
            body += _text(left - 4, y + 0.35 * FONT, text, MUTED, "end")
        for x, text in zip(at_x, columns.values(), strict=True):
            if is_turned:
                body += _text(x + 3, bottom + FONT, text, MUTED, "end", turn=-30)
            else:
                body += _text(x, bottom + FONT + 3, text, MUTED, "middle")
        if self.x.label:
            name = shorten_label(self.x.label)
            body += _text((left + right) / 2, bottom + below - 2, name, MUTED, "middle")
        if self.y.label:
            x, y = left - beside + FONT, (top + bottom) / 2
            body += _text(x, y, shorten_label(self.y.label), MUTED, "middle", turn=-90)
        return body

    def _name_ends(self, at: Place, right: float, top: float, bottom: float) -> str:
        """Write names of curves beside the panel, each with a stroke from the end of its own."""
        ends, body, last = sorted(self._ends, key=lambda end: -end[1]), "", -math.inf
        gap = min(FONT + 1.5, (bottom - top) / max(1, len(ends) - 1))
        for left, (x, y, name, style) in zip(range(len(ends) - 1, -1, -1), ends, strict=True):
            across, up = (float(side) for side in at(x, y))
            last = min(max(up, last + gap), bottom - gap * left)
            stroke = f"M{across:.1f} {up:.1f}L{right:.1f} {last:.1f}h10"
            body += f'<path d="{stroke}" {style}/>'
            body += _text(right + 13, last + 0.35 * FONT, shorten_label(name), INK)
        return body


@dataclass(frozen=True)
class Figure:
    """Panels side by side; as text it is an `<svg>` element for a page.

    Attributes:
        panels: From left to right; the first may have a legend, which is on top of it.
        widths: Share of the width of each, its labels included.
        width: In pixels.
        height: In pixels, without the legend.
    """

    panels: Sequence[Panel]
    widths: Sequence[float] = (1.0,)
    width: float = WIDTH
    height: float = HEIGHT

    def __str__(self) -> str:
        """Draw it; the same panels always give the same text."""
        width, height = self.width, self.height
        room = width - GAP * (len(self.panels) - 1)
        sides = [room * share / sum(self.widths) for share in self.widths]
        margins = [panel.margins(side) for panel, side in zip(self.panels, sides, strict=True)]
        deepest = max(below for _, below, _ in margins)
        longest = max(len(shorten_label(panel.y.label)) for panel in self.panels)
        height = max(height, deepest + 6 + CHARACTER * longest)
        body, top = self.panels[0].render_legend(margins[0][0], width)
        height += top
        start = 0.0
        for panel, side, own in zip(self.panels, sides, margins, strict=True):
            edges = start + own[0], top + 6, start + side - 6, height - deepest
            body += panel.render(*edges, own)
            start += side + GAP
        size = f'viewBox="0 0 {width:g} {height:g}" font-size="{FONT}"'
        return f'<svg {size} aria-hidden="true">{body}</svg>'

    def to_csv(self) -> str:
        """Write the numbers of its marks as CSV, a row a point."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("panel", "x axis", "y axis", "mark", "x", "y", "to x", "to y", "value"))
        for number, panel in enumerate(self.panels, 1):
            axes = panel.x.label, panel.y.label
            writer.writerows((number, *axes, *row) for row in panel.list_numbers())
        return text.getvalue()


def make_stand_alone(svg: str, width: float = COLUMN) -> str:
    """Make a file of an `<svg>` element of a page: in the colours of light paper, with a size.

    Args:
        svg: As a page shows it.
        width: In mm.

    Raises:
        ValueError: When it has no `viewBox`, which gives its height.
    """
    box = re.search(r'<svg[^>]*viewBox="\S+ \S+ (\S+) (\S+)"', svg)
    if box is None:
        raise ValueError("a figure without viewBox has no size: give its <svg> one")
    height = width * float(box[2]) / float(box[1])
    size = f'width="{width:g}mm" height="{height:.4g}mm" font-family="Helvetica, Arial, sans-serif"'
    coloured = re.sub(r"var\(--([\w-]+)\)", lambda name: LIGHT.get(name[1], LIGHT["ink"]), svg)
    space = "" if "xmlns=" in svg else 'xmlns="http://www.w3.org/2000/svg" '
    return coloured.replace("<svg ", f"<svg {space}{size} ", 1) + "\n"


def shade_pixels(opacity: NDArray[Any], colour: tuple[int, int, int] = BLUE) -> NDArray[np.uint8]:
    """Make pixels of one colour `(rows, columns, 4)` by their opacity from 0 to 1."""
    alpha = np.clip(255 * np.nan_to_num(opacity), 0, 255).round()[..., None]
    rest = np.broadcast_to(np.array(colour, float), (*opacity.shape, 3))
    pixels: NDArray[np.uint8] = np.concatenate([rest, alpha], axis=2).astype(np.uint8)
    return pixels


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels `(rows, columns, 4)` as PNG (ISO/IEC 15948)."""
    rows, columns, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    unfiltered = np.zeros((rows, 1), np.uint8)  # each row begins with the filter that it has
    data = np.concatenate([unfiltered, pixels.reshape(rows, -1)], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _stroke(colour: str, width: float, dash: str = "", opacity: float = 1.0) -> str:
    more = f' stroke-dasharray="{dash}"' if dash else ""
    more += f' stroke-opacity="{opacity:.3g}"' if opacity < 1 else ""
    return f'fill="none" stroke="{colour}" stroke-width="{width:g}"{more}'


def _path(x: Array, y: Array) -> str:
    """A polyline through points, which begins anew after a nan."""
    text, command = "", "M"
    for a, b in zip(x, y, strict=True):
        if a != a or b != b:
            command = "M"
            continue
        text += f"{command}{a:.1f} {b:.1f}"
        command = "L"
    return text


def _text(x: float, y: float, text: str, colour: str, anchor: str = "start", turn: int = 0) -> str:
    more = "" if anchor == "start" else f' text-anchor="{anchor}"'
    more += f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{more}>{escape(text)}</text>'
