"""All checks, in the order in which they are made: each `Check` of these modules is one."""

from __future__ import annotations

from drivers.conformance.checking import Check
from drivers.conformance.checks import events, limits, neurons, order, probes, runs, weights

# The first and the last check ask the same of a device just opened, so that a recorded session of
# all checks answers both.
CHECKS: tuple[Check, ...] = tuple(
    value
    for module in (weights, limits, runs, probes, neurons, events, order)
    for value in vars(module).values()
    if isinstance(value, Check)
)
