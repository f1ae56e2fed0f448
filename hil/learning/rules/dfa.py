"""Direct feedback alignment (Nokland 2016, arXiv 1609.01596).

As aDFA, with the derivative of the neuron's transfer function in place of g: it claims to know
the neuron.
"""

from __future__ import annotations

from hil.learning.feedback import FeedbackSettings, draw_feedback, feedback_alignment
from hil.learning.optimisers import Optimiser
from hil.learning.rule import Rule, RuleFamily
from hil.learning.rules import bp


class Settings(FeedbackSettings, bp.Settings):
    """Assumptions about the neuron's transfer function, and the way of learning."""


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""
    return feedback_alignment(
        "dfa", settings, optimiser, draw_feedback, lambda _, z: settings.slope(z)
    )


RULE = RuleFamily(build, Settings)
