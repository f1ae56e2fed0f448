"""Are weights stored as stated?"""

from __future__ import annotations

import numpy as np

from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check

# How many of the stated levels are tried at most.
LEVELS = 257
# Mean of what rounding adds, in levels: to the nearest, or at random, adds nothing.
BIAS = 0.25


def stored_is_within_full_scale(harness: Harness) -> None:
    """Stored weights are finite float32 of the shape written, within the full scale."""
    network = harness.configure()
    rng = np.random.default_rng(1)
    asked = rng.normal(0, 2 * harness.full_scale, network.layers).astype(np.float32)
    stored = harness.device.write_weights(0, asked)
    if stored.shape != asked.shape or stored.dtype != np.float32:
        raise Failed(f"stored is {stored.dtype} {stored.shape}: give float32 {asked.shape}")
    form = harness.info.weight_format(0)
    # Where levels are not stated they may lie so that the full scale is rounded up.
    limit = harness.full_scale * (1 + (1e-5 if form.levels else 0.05))
    if not (np.isfinite(stored).all() and np.abs(stored).max() <= limit):
        raise Failed(
            f"stored reaches {np.abs(stored).max():g}, full scale is {harness.full_scale:g}"
        )
    if (stored * asked < 0).any():
        raise Failed("some stored weights have another sign than those written")


def stored_is_on_the_levels(harness: Harness) -> None:
    """Stored weights are of the stated levels, every level can be stored, the next is taken."""
    form = harness.info.weight_format(0)
    if form.levels is None:
        raise NotApplicable("the device states no levels")
    network = harness.configure()
    step = 2 * harness.full_scale / (form.levels - 1)
    chosen = np.unique(np.linspace(0, form.levels - 1, min(form.levels, LEVELS)).round())
    levels = (chosen - (form.levels - 1) / 2) * step
    rng = np.random.default_rng(2)
    shape = network.layers
    for part in np.array_split(levels, -(-levels.size // (shape[0] * shape[1]))):
        asked = np.resize(part, shape).astype(np.float32)
        stored = harness.device.write_weights(0, asked)
        if np.abs(stored - asked).max() > 0.01 * step:
            place = np.unravel_index(np.abs(stored - asked).argmax(), shape)
            raise Failed(
                f"one of {form.levels} levels, {asked[place]:g}, was stored as {stored[place]:g}"
            )
    asked = rng.uniform(-harness.full_scale, harness.full_scale, shape).astype(np.float32)
    stored = harness.device.write_weights(0, asked)
    number = stored / step + (form.levels - 1) / 2
    if np.abs(number - number.round()).max() > 0.01:
        place = np.unravel_index(np.abs(number - number.round()).argmax(), shape)
        raise Failed(f"{stored[place]:g} was stored, which is none of {form.levels} levels")
    if np.abs(stored - asked).max() > 1.01 * step:
        raise Failed(f"stored is up to {np.abs(stored - asked).max() / step:.2g} levels off")


def rounding_has_no_bias(harness: Harness) -> None:
    """Weights are rounded to either side alike, neither down nor toward zero."""
    form = harness.info.weight_format(0)
    if form.levels is None:
        raise NotApplicable("the device states no levels")
    network = harness.configure()
    step = 2 * harness.full_scale / (form.levels - 1)
    rng = np.random.default_rng(5)
    shape = network.layers
    repeats = -(-512 // (shape[0] * shape[1]))
    limit = harness.full_scale - step
    down, inward = [], []
    for _ in range(repeats if limit > step else 0):
        asked = rng.uniform(step, limit, shape) * rng.choice([-1, 1], shape)
        off = harness.device.write_weights(0, asked.astype(np.float32)) - asked
        down.append(off)
        inward.append(off * np.sign(asked))
    if not down:
        raise NotApplicable("too few levels")
    for what, off in (("up", down), ("away from zero", inward)):
        mean = float(np.mean(off)) / step
        if abs(mean) > BIAS:
            raise Failed(
                f"stored weights are {mean:+.2f} levels {what} of those written, on average: look "
                "at how _write rounds, WeightFormat.quantise takes the nearest"
            )


def writing_stored_gives_stored(harness: Harness) -> None:
    """Writing what was stored stores the same again."""
    network = harness.configure()
    rng = np.random.default_rng(3)
    asked = rng.normal(0, harness.full_scale / 2, network.layers).astype(np.float32)
    stored = harness.device.write_weights(0, asked)
    again = harness.device.write_weights(0, stored)
    apart = float(np.abs(again - stored).max())
    if apart > 1e-5 * harness.full_scale:
        raise Failed(f"stored again is up to {apart:g} away from what was stored")


def larger_weights_are_not_stored_smaller(harness: Harness) -> None:
    """Of two weights, the larger is stored as large as the other at least."""
    network = harness.configure()
    count = network.layers[0] * network.layers[1]
    rng = np.random.default_rng(4)
    asked = np.linspace(-1.5, 1.5, count, dtype=np.float32) * np.float32(harness.full_scale)
    order = rng.permutation(count)
    written = np.empty(count, np.float32)
    written[order] = asked
    stored = harness.device.write_weights(0, written.reshape(network.layers)).reshape(-1)[order]
    # A device may round at random, to either side.
    levels = harness.info.weight_format(0).levels
    slack = harness.full_scale * (2.02 / (levels - 1) if levels else 1e-5)
    fall = float((np.maximum.accumulate(stored) - stored).max())
    if fall > slack:
        raise Failed(f"a weight was stored {fall:g} below a smaller one")


CHECKS: tuple[Check, ...] = (
    stored_is_within_full_scale,
    stored_is_on_the_levels,
    rounding_has_no_bias,
    writing_stored_gives_stored,
    larger_weights_are_not_stored_smaller,
)
