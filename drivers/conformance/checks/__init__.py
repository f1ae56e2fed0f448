"""All checks, in the order in which they are made."""

from __future__ import annotations

from drivers.conformance.checks import (
    charges,
    graphs,
    layers,
    limits,
    membranes,
    neurons,
    order,
    probes,
    runs,
    stimuli,
    storing,
    timing,
    weights,
)
from drivers.conformance.kit.verdict import Check

# The first and the last ask the same of a device just opened, so that a recorded session of all
# checks answers both.
CHECKS: tuple[Check, ...] = (
    *weights.CHECKS,
    *storing.CHECKS,
    *limits.CHECKS,
    *stimuli.CHECKS,
    *runs.CHECKS,
    *probes.CHECKS,
    *membranes.CHECKS,
    *neurons.CHECKS,
    *charges.CHECKS,
    *timing.CHECKS,
    *layers.CHECKS,
    *graphs.CHECKS,
    *order.CHECKS,
)
