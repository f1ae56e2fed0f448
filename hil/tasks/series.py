"""Two series in time of which a window is shown and a number to come is asked for.

NARMA10: the response of a nonlinear system of order 10 to a random input, of which the window holds
the last values (A. F. Atiya and A. G. Parlos, IEEE Transactions on Neural Networks 11, 697, 2000).
Mackey-Glass: the chaotic series of a delay of 17, 84 steps beyond the window (M. C. Mackey and L.
Glass, Science 197, 287, 1977; H. Jaeger and H. Haas, Science 304, 78, 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.tasks import samples as axes
from hil.tasks.preparation import Preparation, name_targets
from hil.tasks.samples import Signals
from hil.tasks.task import BY_TRACES, PARTS, Data, Sections, Task

Series = NDArray[np.float64]
Draw = Callable[[Generator, int], tuple[Series, Series]]
SETTINGS: Sections = {"network": {"hidden": [200]}, "training": {"epochs": 60, "batch": 50}}
WINDOW = 20  # steps
IN_ORDER: Sections = {
    "network": {"hidden": [200], "recurrent": True, "full_scale": 6.0, "time_constant": 30.0},
    "encoding": {"name": "receptive_fields", "gain": 2.0, "hold": 10},
    "rule": {"name": "adfa", **BY_TRACES, "gain": 5.0},
    "optimiser": {"learning_rate": 1e-3},
    "training": {"epochs": 20, "batch": 50, "carry": True},
}
SIZES = {"train": 4000, "validation": 1000, "test": 1000}


def draw_narma10(rng: Generator, steps: int) -> tuple[Series, Series]:
    """Draw an input and the response to all of it up to each step, `(steps,)` each."""
    u, y = rng.uniform(0, 0.5, steps), np.zeros(steps + 1)
    for t in range(9, steps):
        y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * y[t - 9 : t + 1].sum() + 1.5 * u[t - 9] * u[t] + 0.1
    return u, y[1:]


def draw_mackey_glass(rng: Generator, steps: int) -> tuple[Series, Series]:
    """Integrate the series from a random past, and give it and its value 84 steps later."""
    dt, ahead, delay = 0.1, 84, 170
    x = np.full((steps + ahead) * 10 + delay + 1, 1.2) + rng.uniform(-0.1, 0.1)
    for n in range(delay, len(x) - 1):  # Heun's method
        pull, then = (0.2 * x[m] / (1 + x[m] ** 10) for m in (n - delay, n - delay + 1))
        slope = pull - 0.1 * x[n]
        x[n + 1] = x[n] + dt / 2 * (slope + then - 0.1 * (x[n] + dt * slope))
    x = x[delay::10]
    return x[:steps], x[ahead : steps + ahead]


def cut_series(samples: int, pieces: int) -> NDArray[np.int64]:
    """Cut samples that follow each other into pieces that are shown side by side.

    Args:
        samples: How many there are.
        pieces: Into how many; one at least.

    Returns:
        `(n, pieces)`: in each row the next sample of every piece. Where they are not of one length,
        the last sample stands for what the last pieces lack.
    """
    length = -(-samples // max(pieces, 1))
    rows = np.arange(length)[:, np.newaxis] + length * np.arange(max(pieces, 1))
    return np.minimum(rows, samples - 1)


def load(draw: Draw, window: int, rng: Generator | None, validation_fraction: float) -> Data:
    """Draw a series for each part, cut it into windows, and scale them.

    Args:
        draw: Draws input and target.
        window: Values of a sample; 1 gives signals of one step, for a device that runs on.
        rng: Not used: all three parts are fixed, so that results compare.
        validation_fraction: Not used: the validation part is one of the three.

    Returns:
        4000 training, 1000 validation and 1000 test samples, each a step after the one before.
    """
    x: dict[str, Any] = {}
    y: dict[str, Any] = {}
    for number, (part, size) in enumerate(SIZES.items()):
        begin = 1000  # until what was before the first step has faded
        source, target = draw(np.random.default_rng(number), begin + size)
        windows = np.lib.stride_tricks.sliding_window_view(source, window)[-size:]
        x[part], y[part] = windows, target[-size:, np.newaxis]
    names = name_targets(y["train"])
    if window == 1:
        x = {part: Signals.of_equal_length(rows[:, np.newaxis]) for part, rows in x.items()}
    layout = axes.STEPS if window == 1 else axes.TABLE
    fitted = Preparation.fit({"x_train": x["train"]}, layout, 0, **names)
    data: dict[str, Any] = {f"x_{part}": fitted.apply(x[part]) for part in PARTS}
    data |= {f"y_{part}": fitted.scale_targets(y[part]) for part in PARTS}
    return Data(**data, classes=1, fitted=fitted)


NARMA = Task(
    "narma10",
    "response of a nonlinear system of order 10 to the last 20 inputs, a real number",
    partial(load, draw_narma10, WINDOW),
    SETTINGS,
)
GLASS = Task(
    "mackey_glass",
    "Mackey-Glass series 84 steps after 20 values, a real number",
    partial(load, draw_mackey_glass, WINDOW),
    SETTINGS,
)
GLASS_SERIES = Task(
    "mackey_glass_series",
    "as mackey_glass, value by value, on a device that runs on",
    partial(load, draw_mackey_glass, 1),
    IN_ORDER,
)
TASKS = {task.name: task for task in (NARMA, GLASS, GLASS_SERIES)}
