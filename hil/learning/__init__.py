"""How weights are learned: rules, gates, estimators, losses, optimisers. Pure functions.

A rule is a pair of functions over what the host saw of a batch (`Rule`, `Observation`, `Timing`);
`rules.get(name)` finds a `RuleFamily`, which makes it of its settings.
"""

from hil.learning import gates, homeostasis, losses, optimisers, rate_estimators, rules, surrogates
from hil.learning.feedback import feedback, projected
from hil.learning.gate import Gate
from hil.learning.in_time import gradients_in_time
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading
from hil.learning.rule import (
    Gradients,
    Observation,
    Route,
    Rule,
    RuleFamily,
    Timing,
    gradients_from,
    stateless,
)
from hil.learning.rules.adfa import GateName

__all__ = [
    "Estimate",
    "Estimator",
    "Gate",
    "GateName",
    "Gradients",
    "LayerReading",
    "Observation",
    "Route",
    "Rule",
    "RuleFamily",
    "Timing",
    "feedback",
    "gates",
    "gradients_from",
    "gradients_in_time",
    "homeostasis",
    "losses",
    "optimisers",
    "projected",
    "rate_estimators",
    "rules",
    "stateless",
    "surrogates",
]
