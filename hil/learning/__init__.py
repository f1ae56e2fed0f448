"""How weights are learned: rules, gates, estimators, losses, optimisers. Pure functions.

A rule is a pair of functions over what the host saw of a batch (`Rule`, `Observation`, `Timing`);
`rules.module(name)` finds one of those that come with the package.
"""

from hil.learning import homeostasis, losses, optimisers, rate_estimators, rules, surrogates
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading
from hil.learning.rule import Gradients, Observation, Rule, Timing, gradients_from

__all__ = [
    "Estimate",
    "Estimator",
    "Gradients",
    "LayerReading",
    "Observation",
    "Rule",
    "Timing",
    "gradients_from",
    "homeostasis",
    "losses",
    "optimisers",
    "rate_estimators",
    "rules",
    "surrogates",
]
