"""The series in time: they are what their papers say, and their parts share nothing."""

import numpy as np
import pytest

from hil import tasks
from hil.tasks.series import WINDOW, draw_mackey_glass, draw_narma10


def test_narma_follows_its_recurrence() -> None:
    u, y = draw_narma10(np.random.default_rng(5), 300)
    for t in (50, 123, 298):  # y[t] is the response to the input up to u[t]
        ten = sum(y[t - 1 - i] for i in range(10))
        said = 0.3 * y[t - 1] + 0.05 * y[t - 1] * ten + 1.5 * u[t - 9] * u[t] + 0.1
        assert y[t] == pytest.approx(said, rel=1e-12)


def test_mackey_glass_satisfies_its_equation_and_looks_ahead() -> None:
    x, later = draw_mackey_glass(np.random.default_rng(5), 1000)
    np.testing.assert_array_equal(x[84:], later[:-84])
    now = np.arange(800, 990)
    slope = (8 * (x[now + 1] - x[now - 1]) - (x[now + 2] - x[now - 2])) / 12
    said = 0.2 * x[now - 17] / (1 + x[now - 17] ** 10) - 0.1 * x[now]
    np.testing.assert_allclose(slope, said, atol=3e-3)
    assert 0.2 < x[500:].min() < 0.7 < 1.1 < x[500:].max() < 1.5


@pytest.mark.parametrize("name", ["narma10", "mackey-glass"])
def test_parts_are_the_same_for_every_seed_and_share_no_window(name: str) -> None:
    data, again = tasks.load(name, seed=1), tasks.load(name, seed=2)
    assert data.sha256 == again.sha256 and data.is_real
    assert data.x_train.shape == (4000, WINDOW) and data.y_test.shape == (1000, 1)
    windows = np.concatenate([data.x_train, data.x_validation, data.x_test])  # type: ignore[arg-type]
    assert len(np.unique(windows, axis=0)) == 6000
    assert data.y_train.min() == 0 and data.y_train.max() == 1
    prepared = data.preparation
    np.testing.assert_allclose(
        prepared.scale_targets(prepared.read_outputs(data.y_test)), data.y_test, atol=1e-6
    )
