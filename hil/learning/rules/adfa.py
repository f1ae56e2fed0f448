"""Augmented direct feedback alignment (arXiv 2409.07776).

The output error reaches every hidden layer through a fixed random matrix, gated by any function
of the membrane: `delta_l = (e B_l) * g(z_l)`. It needs no model of the neuron.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from numpy.random import Generator
from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema

from hil.discovery import make_name_absolute
from hil.learning import gates
from hil.learning.feedback import FeedbackSettings, draw_feedback, feedback_alignment
from hil.learning.optimisers import Optimiser
from hil.learning.rule import Matrix, Rule, RuleFamily, State


def _check_gate(name: str, info: ValidationInfo) -> str:
    if not info.context:  # that of a recorded run may be elsewhere
        gates.get(name)
    return make_name_absolute(name)


GateName = Annotated[
    str, AfterValidator(_check_gate), WithJsonSchema({"type": "string", "enum": gates.names()})
]
"""The name of a gate, as a setting of a rule; `gates.get` finds the gate."""


class Settings(FeedbackSettings):
    """Settings of aDFA."""

    g: GateName = "surrogate"
    gain: float = Field(1.0, ge=-100, le=100, description="Steepness or frequency, per threshold.")
    shift: float = Field(1.0, ge=-100, le=100, description="Centre or phase, in thresholds.")
    terms: int = Field(4, ge=1, le=64, description="Harmonics of the random Fourier series.")
    feedback_scale: float = Field(1.0, gt=0, le=1e3, description="Scale of the feedback matrices.")
    feedback_sparsity: float = Field(
        0.0, ge=0, lt=1, description="Share of feedback weights that are zero."
    )


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule; of the nominal neuron it takes at most the decay of traces."""
    chosen = gates.get(settings.g)

    def init(rng: Generator, layers: Sequence[int]) -> State:
        state = draw_feedback(rng, layers, settings.feedback_scale, settings.feedback_sparsity)
        terms = chosen.draw_terms(rng, settings.terms)
        if taken := state.keys() & terms.keys():
            raise ValueError(f"gate {settings.g!r} draws {min(taken)!r}, the feedback's: rename it")
        return state | terms

    def gate(state: State, z: Matrix) -> Matrix:
        return chosen.evaluate(z, settings.gain, settings.shift, state)

    return feedback_alignment("adfa", settings, optimiser, init, gate)


RULE = RuleFamily(build, Settings)
