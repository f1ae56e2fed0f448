"""The mean membrane where it is positive: no rate, but it rises with one where there is leak."""

from __future__ import annotations

import numpy as np

from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, certain


def estimate(reading: LayerReading) -> Estimate:
    """The mean membrane, rectified."""
    assert reading.mean is not None
    rate = np.maximum(reading.mean, np.float32(0))
    return Estimate(rate, reading.mean, certain(rate))


ESTIMATOR = Estimator("rectified", "mean", estimate, needs_drive=False, target=0.3)
