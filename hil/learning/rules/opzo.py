"""Online pseudo-zeroth-order training (Xiao et al. 2024, arXiv 2407.12516).

As DFA, with feedback that is measured: noise that is injected into the hidden neurons tells how the
output answers to each of them, and feedback follows it with momentum:

    M_l <- momentum M_l + (1 - momentum) (mean over b of (o_b(noisy) - o_b) / S_b) / n_l
    delta_l = (e M_l) * f'(z_l)

n_l being the noise, +c or -c for each neuron, added to all its input weights as `mgd` does for
nodes, so that a drive moves by `n_l S_b`; o are the logits. An update costs one noisy run beside
that of the batch. The paper has noise at the output of neurons and in every run; here the batch's
own run is without, and tells what the noise has changed.

It sees the logits, membranes and presynaptic activity. It assumes a transfer function for f', and
that noise of size c, well above half a step of the device's levels, moves neurons linearly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from pydantic import Field

from hil.learning.feedback import draw_feedback, project_error
from hil.learning.optimisers import Optimiser
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Route,
    Rule,
    RuleFamily,
    State,
    gradients_from,
)
from hil.learning.rules import bp
from hil.learning.rules.mgd import Perturbation, draw_moves, invert_shift


class Settings(bp.Settings):
    """Assumptions about the neuron's transfer function, the noise, and how feedback follows it."""

    perturbation: Perturbation = 0.1
    momentum: float = Field(0.95, ge=0, lt=1, description="Share of feedback left by an update.")


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""
    kept, new = np.float32(settings.momentum), np.float32(1 - settings.momentum)

    def init(rng: Generator, layers: Sequence[int]) -> State:
        return {name: np.zeros_like(m) for name, m in draw_feedback(rng, layers).items()}

    def propose(
        rng: Generator, weights: Sequence[Matrix], routes: Sequence[Route]
    ) -> list[list[Matrix]]:
        moves = draw_moves(rng, weights, routes, settings.perturbation, by_node=True)
        last = max(route.target for route in routes) - 1  # what recurs comes behind it
        return [
            [w + d if p < last else w for p, (w, d) in enumerate(zip(weights, moves, strict=True))]
        ]

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        _, logits, (noisy,) = observation.perturbations("opzo", 1)
        before = (observation.inputs, *observation.activity)
        after, deltas = dict(state), []
        for layer, z in enumerate(observation.membrane[:-1], start=1):
            wiring = observation.connections[layer - 1].wiring
            noise = wiring.average(noisy.weights[layer - 1] - weights[layer - 1])
            noise[noise == 0] = np.inf  # of a neuron without synapses
            estimate = ((noisy.logits - logits) * invert_shift(before[layer - 1])).mean(axis=0)
            name = f"feedback_{layer}"
            last = np.asarray(state[name], np.float32)
            after[name] = kept * last + new * (estimate[:, np.newaxis] / noise)
            deltas.append(project_error(after, layer, observation.error) * settings.slope(z))
        return gradients_from([*deltas, observation.error], observation), after

    return Rule(
        "opzo", init=init, update=update, propose=propose, gate=lambda _, z: settings.slope(z)
    )


RULE = RuleFamily(build, Settings)
