"""How often each kind of interval covers the truth, and how often a claim is made of nothing.

No interval counts as none that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hil import statistics

Values = NDArray[np.float64]
Pairs = tuple[Values, Values]
Draw = Callable[[np.random.Generator, int], Values]
"""So many units of a kind of data, with mean 0 and a standard deviation near 1."""
Joint = Callable[[np.random.Generator, int], Pairs]
"""So many pairs."""
Covers = Callable[[Draw, int, np.random.Generator], bool]
"""Whether an interval, from so many units of a kind of data, holds the truth."""


def _beta(mean: float, deviation: float) -> Draw:
    total = mean * (1 - mean) / deviation**2 - 1
    a, b = mean * total, (1 - mean) * total
    return lambda rng, n: (rng.beta(a, b, n) - mean) / deviation


def _counted(accuracy: float, deviation: float, samples: int) -> Draw:
    """Accuracies on a test set, of networks that differ."""
    between = _beta(accuracy, deviation)
    spread = math.sqrt(deviation**2 + accuracy * (1 - accuracy) / samples)

    def draw(rng: np.random.Generator, n: int) -> Values:
        right = np.clip(accuracy + deviation * between(rng, n), 0, 1)
        return (rng.binomial(samples, right) / samples - accuracy) / spread

    return draw


DATA: Mapping[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "uniform": lambda rng, n: rng.uniform(-math.sqrt(3), math.sqrt(3), n),
    "Student, 3 degrees": lambda rng, n: rng.standard_t(3, n),
    "two peaks": lambda rng, n: (rng.beta(0.5, 0.5, n) - 0.5) * math.sqrt(8),
    "gamma, shape 4": lambda rng, n: rng.gamma(4, 1, n) / 2 - 2,
    "exponential": lambda rng, n: rng.exponential(1, n) - 1,
    "exponential, turned round": lambda rng, n: 1 - rng.exponential(1, n),
    "log-normal, sigma 0.5": lambda rng, n: rng.lognormal(0, 0.5, n) - math.exp(0.125),
    "accuracies, 97 +- 1 %": _beta(0.97, 0.01),
    "accuracies, 99 +- 1 %": _beta(0.99, 0.01),
    "98 +- 0.5 % of 359 samples": _counted(0.98, 0.005, 359),
    "99.5 +- 0.2 % of 359 samples": _counted(0.995, 0.002, 359),
    "98 +- 1 % of 50 samples": _counted(0.98, 0.01, 50),
}


def holds(interval: tuple[float, float] | None, truth: float) -> bool:
    """Whether an interval holds the truth, or there is none that could be wrong."""
    return interval is None or interval[0] <= truth <= interval[1]


def mean(draw: Draw, units: int, rng: np.random.Generator) -> bool:
    """A mean."""
    return holds(statistics.mean((draw(rng, units)).tolist()).interval, 0.0)


def difference(draw: Draw, units: int, rng: np.random.Generator) -> bool:
    """A paired difference of a level that varies little from one that varies much."""
    first, second = 0.3 * draw(rng, units), 1 + draw(rng, units)
    return holds(statistics.mean((first - second).tolist()).interval, -1.0)


def recovery(draw: Draw, units: int, rng: np.random.Generator, loss: float = 5.0) -> bool:
    """60 % recovered of a loss of five of its standard deviations."""
    lost = loss + draw(rng, units)
    regained = 0.6 * lost + 0.5 * draw(rng, units)
    return holds(statistics.ratio(regained.tolist(), lost.tolist()).interval, 0.6)


def recovery_of_a_small_loss(draw: Draw, units: int, rng: np.random.Generator) -> bool:
    """60 % recovered of a loss of seven tenths of its standard deviation."""
    return recovery(draw, units, rng, loss=0.7)


def tolerance(draw: Draw, units: int, rng: np.random.Generator) -> bool:
    """The severity at which 3 points are lost, by networks that lose more and less."""
    from hil.sections.tolerance import tolerance_interval

    severity = np.arange(4.0)
    rate = (1 + 0.4 * draw(rng, units))[:, None]
    noise = np.stack([draw(rng, units) for _ in severity], axis=1) * 0.3
    accuracies = -2 * severity * rate + noise - noise[:, :1] * 0.5
    return holds(tolerance_interval(severity.tolist(), accuracies.tolist(), 3.0), 1.5)


def width(draw: Draw, units: int, rng: np.random.Generator) -> bool:
    """Three levels of six within 5 of the best, two of them at the edge."""
    means = np.array([0.0, -4.999, -4.999, -5.001, -6, -20])
    values = means + np.stack([draw(rng, units) for _ in means], axis=1)
    return holds(statistics.count_near_best(values.tolist(), 5.0), 3)


def nothing_recovered(draw: Draw, units: int, rng: np.random.Generator) -> bool:
    """Whether no recovery is claimed where fine-tuned networks are as those that were deployed."""
    from hil.sections.chips import Recovery

    deployed, tuned = draw(rng, units), draw(rng, units)
    share = statistics.ratio((tuned - deployed).tolist(), (5 - deployed).tolist())
    recovers = share.value is not None and share.value > 0
    return not (
        recovers and Recovery("", "", share, 1.0 if share.test is None else share.test).is_supported
    )


KINDS: Mapping[str, Covers] = {
    "mean": mean,
    "difference": difference,
    "recovery": recovery,
    "small_loss": recovery_of_a_small_loss,
    "tolerance": tolerance,
    "width": width,
    "nothing_recovered": nothing_recovered,
}


def share(
    kind: Covers,
    draw: Draw,
    units: int,
    draws: int,
    seed: int = 0,
) -> float:
    """Share of simulated studies in which a kind of interval covers."""
    rng = np.random.default_rng(seed)
    return sum(kind(draw, units, rng) for _ in range(draws)) / draws


def proportion(trials: int, probability: float) -> float:
    """Coverage of the interval of a proportion, summed over everything that can be counted."""
    from scipy.stats import binom

    chance = binom.pmf(np.arange(trials + 1), trials, probability)
    likely = np.flatnonzero(chance > 1e-12)
    inside = [holds(statistics.proportion(int(k), trials), probability) for k in likely]
    return float(chance[likely][inside].sum())


def _elliptical(r: float, degrees: float = math.inf) -> Joint:
    """Normal pairs, or with tails of Student's distribution."""

    def draw(rng: np.random.Generator, n: int) -> Pairs:
        x, noise = rng.standard_normal((2, n))
        y = r * x + math.sqrt(1 - r * r) * noise
        scale = np.sqrt(degrees / rng.chisquare(degrees, n)) if degrees < math.inf else 1.0
        return x * scale, y * scale

    return draw


def _at_chance(rng: np.random.Generator, n: int) -> Pairs:
    """Half of the accuracies at chance, all alike."""
    x, y = _elliptical(0.8)(rng, n)
    return x, np.maximum(y, 0)


def _tied(rng: np.random.Generator, n: int) -> Pairs:
    x, y = _elliptical(0.8)(rng, n)
    return np.round(x), np.round(y)


JOINT: Mapping[str, Joint] = {
    "independent": _elliptical(0.0),
    "normal, r = 0.5": _elliptical(0.5),
    "normal, r = 0.9": _elliptical(0.9),
    "normal, r = -0.95": _elliptical(-0.95),
    "Student, 3 degrees, r = 0.5": _elliptical(0.5, 3),
    "ties": _tied,
    "half at chance": _at_chance,
}


def rank_correlation(joint: Joint, pairs: int, draws: int, seed: int = 0) -> float:
    """Coverage of the interval of a rank correlation; the truth is that of 200,000 pairs."""
    rng = np.random.default_rng(seed)
    truth = statistics.rank_correlation(*(side.tolist() for side in joint(rng, 200_000))).rho
    assert truth is not None
    inside = 0
    for _ in range(draws):
        found = statistics.rank_correlation(*(side.tolist() for side in joint(rng, pairs)))
        inside += holds(found.interval, truth)
    return inside / draws
