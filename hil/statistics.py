"""Intervals for what was counted."""

from __future__ import annotations

import math


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209).

    Args:
        successes: How often it happened.
        trials: Out of how many, at least 1.
        z: Normal quantile; the default gives 95 %.

    Returns:
        Lower and upper bound.
    """
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
