"""The measured rate: with `observe = "spikes"` there is nothing to estimate."""

from hil.learning.rate_estimator import Estimate, Estimator, LayerReading


def estimate(reading: LayerReading) -> Estimate:
    """Refuse: what is measured is not estimated."""
    raise AssertionError("hidden spikes are measured, not estimated")


ESTIMATOR = Estimator("spikes", "mean", estimate, needs_drive=False)
