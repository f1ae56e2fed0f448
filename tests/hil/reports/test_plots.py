"""The figures of the page of a run."""

import numpy as np
from numpy.typing import NDArray

from hil.figures import plots


def strokes(svg: str) -> int:
    return svg.count("M")


def test_a_raster_has_a_stroke_for_each_spike() -> None:
    raster = np.random.default_rng(0).random((15, 4)) < 0.3

    def drawn(spikes: NDArray[np.bool_]) -> int:
        return strokes(plots.plot_sample(np.zeros(4), (2, 2), 1, np.ones(4), spikes))

    assert drawn(raster) - drawn(np.zeros_like(raster)) == raster.sum()


def test_membranes_mark_every_sample_at_threshold_or_above() -> None:
    traces = np.random.default_rng(0).choice([0.0, 0.5, 1.0, 1.5], (12, 3))

    def marks(values: NDArray[np.float64]) -> int:
        return plots.plot_membranes(values, 1).count("h0")

    assert marks(traces) - marks(np.minimum(traces, 0.99)) == np.count_nonzero(traces >= 1)


def test_the_spread_of_weights_has_a_line_for_each_level() -> None:
    asked = np.linspace(-1, 1, 500)

    def lines(levels: int) -> int:
        return strokes(plots.plot_weights(asked, np.round(asked * levels) / levels))

    assert lines(8) - lines(4) == 8  # 17 levels and 9
