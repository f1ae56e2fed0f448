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
from hil.tasks.task import PARTS, Data, Sections, Task

Series = NDArray[np.float64]
Draw = Callable[[Generator, int], tuple[Series, Series]]
SETTINGS: Sections = {"network": {"hidden": [200]}, "training": {"epochs": 60, "batch": 50}}
WINDOW = 20  # steps
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


def load(draw: Draw, rng: Generator, validation_fraction: float) -> Data:
    """Draw a series for each part, cut it into windows, and scale them.

    Args:
        draw: Draws input and target.
        rng: Not used: all three parts are fixed, so that results compare.
        validation_fraction: Not used: the validation part is one of the three.

    Returns:
        4000 training, 1000 validation and 1000 test samples of 20 steps.
    """
    x: dict[str, Any] = {}
    y: dict[str, Any] = {}
    for number, (part, size) in enumerate(SIZES.items()):
        begin = 1000  # until what was before the first step has faded
        source, target = draw(np.random.default_rng(number), begin + size)
        windows = np.lib.stride_tricks.sliding_window_view(source, WINDOW)[-size:]
        x[part], y[part] = windows, target[-size:, np.newaxis]
    names = name_targets(y["train"])
    fitted = Preparation.fit({"x_train": x["train"]}, axes.TABLE, 0, **names)
    data: dict[str, Any] = {f"x_{part}": fitted.apply(x[part]) for part in PARTS}
    data |= {f"y_{part}": fitted.scale_targets(y[part]) for part in PARTS}
    return Data(**data, classes=1, fitted=fitted)


NARMA = Task(
    "narma10",
    "response of a nonlinear system of order 10 to the last 20 inputs, a real number",
    partial(load, draw_narma10),
    SETTINGS,
)
GLASS = Task(
    "mackey_glass",
    "Mackey-Glass series 84 steps after 20 values, a real number",
    partial(load, draw_mackey_glass),
    SETTINGS,
)
TASKS = {task.name: task for task in (NARMA, GLASS)}
