"""How well rates of hidden layers are estimated, told from the output, where spikes are visible."""

from __future__ import annotations

from collections.abc import Mapping

FAITHFUL = 0.9  # correlation with measured output rates below which an estimate is not trusted
BETTER = 0.03  # by which another estimator has to correlate better to be taken instead


def better(name: str, correlations: Mapping[str, float]) -> str | None:
    """The estimator to use from now on in place of the one in use; None to keep it.

    Args:
        name: The one in use.
        correlations: With the measured rates of the output, over an epoch, by estimator.
    """
    if name not in correlations:
        return None
    best = max(correlations, key=lambda each: correlations[each])
    return best if correlations[best] > correlations[name] + BETTER else None


def findings(name: str, correlations: Mapping[str, float], spikes_offered: bool) -> list[str]:
    """A sentence when no estimator fits.

    Args:
        name: The estimator in use.
        correlations: As for `better`.
        spikes_offered: Whether the device shows hidden spikes.
    """
    if name not in correlations or max(correlations.values()) >= FAITHFUL:
        return []
    advice = (
        "read measured spikes: observe=spikes"
        if spikes_offered
        else (
            "check what the driver states of reset, decay, events and where membranes are sampled: "
            "hil check"
        )
    )
    return [
        f"hidden rates are estimated poorly: at the output, where spikes are visible, {name!r} "
        f"correlates {correlations[name]:.2f} with them; {advice}"
    ]
