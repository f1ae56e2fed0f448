"""Encodings that make spikes of what happens in a signal.

`events`: events, each in the step of its bin.

`level_crossing`: each channel becomes two. A reference, 0 at first, follows the signal: in every
step in which the signal is a threshold or more above it, the one channel fires and the reference
rises by the threshold; below it, the other one fires and the reference falls. A signal that moves
by more in a step is followed by and by, the better the longer its steps are held.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.encoding import (
    ChangeSettings,
    Encoding,
    fill_bias_channel,
    repeat_steps,
    width_with_bias,
)


class EventsSettings(ChangeSettings):
    """Settings of `events`."""


def encode_events(
    x: NDArray[np.float32], steps: int, settings: EventsSettings, rng: Generator
) -> Stimulus:
    """Encode a batch of events.

    Args:
        x: `(B, T', n)` events, 0 or 1.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Spikes, `(T * B, width)`, those of a step of `x` in the first of its steps.
    """
    raster = np.zeros((steps, len(x), width_with_bias(x.shape[2], settings)), np.float32)
    raster[:: steps // x.shape[1], :, : x.shape[2]] = x.swapaxes(0, 1)
    fill_bias_channel(raster, settings.bias)
    return Stimulus.of("spikes", raster)


class LevelCrossingSettings(ChangeSettings):
    """Settings of `level_crossing`."""

    threshold: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="change of a signal that gives a spike",
    )


def level_crossing_width(n_features: int, settings: LevelCrossingSettings) -> int:
    """Number of input channels for so many of a signal: up, down, and always on."""
    return 2 * n_features + (settings.bias > 0)


def encode_level_crossing(
    x: NDArray[np.float32], steps: int, settings: LevelCrossingSettings, rng: Generator
) -> Stimulus:
    """Encode a batch as crossings of levels.

    Args:
        x: `(B, T', n)` signals in [0, 1].
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Spikes, `(T * B, width)`: channels that rise, then channels that fall.
    """
    channels = x.shape[2]
    raster = np.zeros((steps, len(x), level_crossing_width(channels, settings)), np.float32)
    crossings = np.zeros((len(x), channels), np.int64)  # the reference, in thresholds: exact
    for spikes, values in zip(raster, repeat_steps(x, steps), strict=True):
        above = values / np.float64(settings.threshold) - crossings
        up, down = above >= 1, above <= -1
        spikes[:, :channels], spikes[:, channels : 2 * channels] = up, down
        crossings += up.astype(np.int64) - down
    fill_bias_channel(raster, settings.bias)
    return Stimulus.of("spikes", raster)


ENCODINGS = {
    "events": Encoding(
        encode_events,
        EventsSettings,
        width_with_bias,
        takes=("events",),
        description="Events of a signal as input spikes, each in the step of its bin.",
    ),
    "level_crossing": Encoding(
        encode_level_crossing,
        LevelCrossingSettings,
        level_crossing_width,
        takes=("signals",),
        description="Spikes where a signal has risen or fallen by a threshold: send on delta, "
        "or delta modulation.",
    ),
}
