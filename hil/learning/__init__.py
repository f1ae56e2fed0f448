"""How weights are learned: rules, gates, estimators, losses, optimisers. Pure functions.

A rule is a pair of functions over what the host saw of a batch (`Rule`, `Observation`, `Timing`);
`rules.get(name)` finds a `RuleFamily`, which makes it of its settings.
"""

from hil.learning import gates, homeostasis, losses, optimisers, rate_estimators, rules, surrogates
from hil.learning.gate import Gate
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading
from hil.learning.rule import (
    Gradients,
    Observation,
    Rule,
    RuleFamily,
    Timing,
    gradients_from,
    stateless,
)
from hil.learning.rules.adfa import GateName, feedback, projected

__all__ = [
    "Estimate",
    "Estimator",
    "Gate",
    "GateName",
    "Gradients",
    "LayerReading",
    "Observation",
    "Rule",
    "RuleFamily",
    "Timing",
    "feedback",
    "gates",
    "gradients_from",
    "homeostasis",
    "losses",
    "optimisers",
    "projected",
    "rate_estimators",
    "rules",
    "stateless",
    "surrogates",
]
