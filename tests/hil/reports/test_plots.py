"""Figures of pages: what is drawn is where the data are."""

import io
import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from hil.figures import plots
from hil.figures.svg import DARK, LIGHT, Axis, Figure, encode_png, find_ticks, format_si

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=9, unique_by=lambda p: p[0]))
def test_a_curve_goes_through_its_points(points: list[tuple[float, float]]) -> None:
    x, y = np.array(sorted(points)).T
    (path,) = re.findall(
        r'<path d="(M[^"]*)" fill="none" stroke="var\(--shade-0\)" stroke-width="1.8"',
        str(plots.plot_lines([plots.Line(x.tolist(), y.tolist())], "x", "y")),
    )
    places = np.array([each.split(" ") for each in re.split("[ML]", path)[1:]], float).T
    for data, pixels, sign in ((x, places[0], 1), (y, places[1], -1)):
        spread = np.ptp(data) or 1.0
        expected = sign * (data - data.min()) / spread * np.ptp(pixels)
        np.testing.assert_allclose(pixels - pixels[np.argmin(data)], expected, atol=0.15)


@given(NUMBERS, st.floats(1e-6, 1e6), st.integers(3, 9), st.booleans())
def test_ticks_are_round_evenly_spaced_and_within(
    low: float, span: float, most: int, is_whole: bool
) -> None:
    ticks = np.array(find_ticks(low, low + span, most, is_whole))
    assert len(ticks) <= most + 1
    if len(ticks) > 1:
        step = np.diff(ticks).mean()
        np.testing.assert_allclose(np.diff(ticks), step, rtol=1e-6, atol=1e-9 * abs(low))
        assert f"{step:.0e}"[0] in "125"
        assert not is_whole or (ticks == ticks.round()).all()
    slack = 1e-6 * (span + abs(low) * 1e-6)
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)


def test_texts_of_ticks_tell_them_apart() -> None:
    assert list(Axis("", 0.0, 1.0, unit="%").label_ticks().values())[1] == "20%"
    assert next(iter(Axis("", -0.4, 0.0).label_ticks().values())) == "\N{MINUS SIGN}0.4"
    assert [format_si(value, "s") for value in (0.02, 1.5, 2000.0, 0.0)] == [
        "20 ms", "1.5 s", "2 ks", "0 s",
    ]  # fmt: skip
    assert Axis(low=1.0, high=1e4, is_log=True).place([1.0, 100.0, 1e4]).tolist() == [0, 0.5, 1]


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))))
def test_pixels_are_those_of_another_reader_of_png(pixels: NDArray[np.uint8]) -> None:
    image = Image.open(io.BytesIO(encode_png(pixels)))
    np.testing.assert_array_equal(np.asarray(image), pixels)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=9), st.floats(-5, 5))
def test_a_curve_that_falls_too_low_is_cut_off_there(values: list[float], low: float) -> None:
    x, y = plots.cut_below(np.arange(len(values)), np.array(values), low)
    seen = np.isfinite(y)
    assert (y[seen] >= low).all()
    np.testing.assert_allclose(np.interp(x[seen], range(len(values)), values), y[seen], atol=1e-9)
    assert {value for value in values if value >= low} <= set(y[seen])


def strokes(figure: Figure) -> int:
    return str(figure).count("M")


def test_a_raster_has_a_stroke_for_each_spike() -> None:
    raster = np.random.default_rng(0).random((15, 4)) < 0.3

    def drawn(spikes: NDArray[np.bool_]) -> int:
        return strokes(plots.plot_sample(np.zeros(4), (2, 2), 1, np.ones(4), spikes))

    assert drawn(raster) - drawn(np.zeros_like(raster)) == raster.sum()


def test_membranes_mark_every_sample_at_threshold_or_above() -> None:
    traces = np.random.default_rng(0).choice([0.0, 0.5, 1.0, 1.5], (12, 3))

    def marks(values: NDArray[np.float64]) -> int:
        return str(plots.plot_membranes(values, 1)).count("h0")

    assert marks(traces) - marks(np.minimum(traces, 0.99)) == np.count_nonzero(traces >= 1)


def test_the_spread_of_weights_has_a_line_for_each_level() -> None:
    asked = np.linspace(-1, 1, 500)

    def lines(levels: int) -> int:
        return strokes(plots.plot_weights(asked, np.round(asked * levels) / levels))

    assert lines(8) - lines(4) == 8  # 17 levels and 9


# As a dichromat sees them, of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
SIGHT = {
    "trichromat": np.eye(3),
    "protanope": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.052]],
    "deuteranope": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritanope": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear_rgb(colour: str) -> np.ndarray:
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    share = XYZ @ np.clip(rgb, 0, 1) / (XYZ @ np.ones(3))
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    x, y, z = root
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("sight", SIGHT.values(), ids=SIGHT)
def test_shades_differ_for_everyone(palette: dict[str, str], sight: np.ndarray) -> None:
    shades = [linear_rgb(palette[f"shade-{number}"]) for number in range(6)]
    seen = [lab(np.asarray(sight) @ shade) for shade in shades]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 19
    paper = XYZ[1] @ linear_rgb(palette["paper"])
    for shade in shades:
        low, high = sorted((paper, XYZ[1] @ shade))
        assert (high + 0.05) / (low + 0.05) >= 3
