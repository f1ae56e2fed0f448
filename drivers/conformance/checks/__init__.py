"""All checks, in the order in which they are made: each public function of these modules is one."""

from __future__ import annotations

from inspect import isfunction

from drivers.conformance.checks import events, limits, neurons, order, probes, runs, weights
from drivers.conformance.harness import Check

# The first and the last check ask the same of a device just opened, so that a recorded session of
# all checks answers both.
CHECKS: tuple[Check, ...] = tuple(
    value
    for module in (weights, limits, runs, probes, neurons, events, order)
    for name, value in vars(module).items()
    if isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
)
