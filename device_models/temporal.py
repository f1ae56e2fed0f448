"""Tier 3, drawn at each step: what differs from one moment to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.figures import figure


@dataclass(frozen=True)
class Temporal:
    """Noise in time. Every figure is 0 on an ideal chip."""

    membrane_noise: float = figure(
        0.0,
        "threshold",
        0.0,
        1.0,
        "Standard deviation of a membrane that receives no input (Ornstein-Uhlenbeck process).",
    )
    spike_loss: float = figure(
        0.0,
        "",
        0.0,
        1.0,
        "Chance that an event is lost on its way: to the next layer and the host.",
    )


def step_noise(membrane_noise: float, tau: NDArray[np.float32], dt: float) -> NDArray[np.float32]:
    """Standard deviation of the noise that one step adds to a leaky membrane.

    A membrane `dv/dt = -v/tau + sigma sqrt(2/tau) xi` has the stationary standard deviation sigma;
    over a step it receives `sigma sqrt(1 - exp(-2 dt/tau))`, exactly (Gillespie 1996,
    Phys. Rev. E 54, 2084).

    Args:
        membrane_noise: sigma, in nominal thresholds.
        tau: Membrane time constants `(n,)`, in seconds.
        dt: Step, in seconds.

    Returns:
        `(n,)` float32, in nominal thresholds.
    """
    sd: NDArray[np.float32] = membrane_noise * np.sqrt(-np.expm1(-2.0 * dt / tau))
    return sd.astype(np.float32)


def survivors(
    events: NDArray[np.int32], loss: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    """The events that arrive when each is lost with the given chance."""
    return events[rng.random(events.size, dtype=np.float32) >= loss]
