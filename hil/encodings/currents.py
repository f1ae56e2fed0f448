"""Encodings that make currents.

`current`: in proportion to the features, constant, or to a signal, step by step.

`receptive_fields`: several neurons for each feature, with Gaussian bumps as receptive fields, equal
distances between their centres, from 0 to 1, and that distance as their standard deviation (S. M.
Bohte, J. N. Kok and H. La Poutre, Neurocomputing 48, 17 (2002), give them as times of spikes). The
time since the start of a signal can have some as well: a network that forgets is told when it sees
what.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.encoding import (
    Encoding,
    SignalSettings,
    append_bias,
    current_stimulus,
    width_with_bias,
)


class CurrentSettings(SignalSettings):
    """Settings of `current`."""

    gain: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="current of a feature of 1, in spikes per step that would inject as much",
    )


def encode_current(
    x: NDArray[np.float32], steps: int, settings: CurrentSettings, rng: Generator
) -> Stimulus:
    """Encode a batch as currents.

    Args:
        x: `(B, n)` features in [0, 1], or signals `(B, T', n)`.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Currents `gain * x`: `(B, width)`, constant, or of signals `(T, B, width)`.
    """
    currents = append_bias(x, settings.bias) * settings.gain
    return current_stimulus(currents, steps)


class ReceptiveFieldsSettings(SignalSettings):
    """Settings of `receptive_fields`."""

    bias: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="current of an always-on channel, times the gain; 0: none",
    )
    fields: int = Field(
        default=16,
        ge=2,
        le=1000,
        description="receptive fields of each feature",
    )
    time_fields: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="receptive fields of the time since the start of a signal, up to the longest's "
        "end; 0: none",
    )
    gain: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="current at the centre of a field, in spikes per step that would inject as "
        "much",
    )


def receptive_fields_width(n_features: int, settings: ReceptiveFieldsSettings) -> int:
    """Number of input channels for so many features."""
    return n_features * settings.fields + settings.time_fields + (settings.bias > 0)


def encode_receptive_fields(
    x: NDArray[np.float32], steps: int, settings: ReceptiveFieldsSettings, rng: Generator
) -> Stimulus:
    """Encode a batch as currents of receptive fields.

    Args:
        x: `(B, n)` features in [0, 1], or signals `(B, T', n)`.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Currents: `(B, width)`, constant, or of signals `(T, B, width)`; the fields of a feature
        side by side, then those of the time, which stands still where samples are features.
    """
    bumps = _compute_bumps(x, settings.fields)
    if settings.time_fields:
        time = np.linspace(0, 1, x.shape[1] if x.ndim == 3 else 1, dtype=np.float32)
        passed = _compute_bumps(time[:, np.newaxis], settings.time_fields)
        ends = (*x.shape[:-1], settings.time_fields)
        bumps = np.concatenate([bumps, np.broadcast_to(passed, ends)], axis=-1)
    currents = append_bias(bumps, settings.bias) * np.float32(settings.gain)
    return current_stimulus(currents, steps)


def _compute_bumps(x: NDArray[np.float32], fields: int) -> NDArray[np.float32]:
    """Compute what the fields of each feature say of `(..., n)`: `(..., n * fields)`."""
    centres = np.linspace(0, 1, fields, dtype=np.float32)
    distances = (x[..., np.newaxis] - centres) * np.float32(fields - 1)
    bumps: NDArray[np.float32] = np.exp(-np.square(distances) / 2).reshape(*x.shape[:-1], -1)
    return bumps


ENCODINGS = {
    "current": Encoding(
        encode_current,
        CurrentSettings,
        width_with_bias,
        takes=("features", "signals", "events"),
        description="Currents in proportion to the features, constant, or to a signal, step by "
        "step.",
    ),
    "receptive_fields": Encoding(
        encode_receptive_fields,
        ReceptiveFieldsSettings,
        receptive_fields_width,
        takes=("features", "signals"),
        description="Currents of several neurons for each feature, each of which prefers a "
        "value of its own.",
    ),
}
