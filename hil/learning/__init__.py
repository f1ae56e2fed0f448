"""Learning of weights: rules, gates, estimators, losses, optimisers. Pure functions.

A rule is a pair of functions with state over what the host saw of a batch (`Rule`, `Observation`);
a `RuleFamily` makes it of its settings: `adfa(g="tanh", gain=2)`.
"""

from hil.learning import gates, homeostasis, losses, optimisers, rate_estimators, rules, surrogates
from hil.learning.eligibility import eligibility_gradients
from hil.learning.feedback import draw_feedback, project_error
from hil.learning.gates import Gate
from hil.learning.rate_estimators import Estimator, LayerReading, RateEstimate
from hil.learning.rule import (
    Gradients,
    HostModel,
    Observation,
    Route,
    Rule,
    RuleFamily,
    gradients_from,
    stateless,
)
from hil.learning.rules.adfa import RULE as adfa
from hil.learning.rules.adfa import GateName
from hil.learning.rules.bp import RULE as bp
from hil.learning.rules.bptt import RULE as bptt
from hil.learning.rules.dfa import RULE as dfa
from hil.learning.rules.drtp import RULE as drtp
from hil.learning.rules.forward_forward import RULE as forward_forward
from hil.learning.rules.mgd import RULE as mgd
from hil.learning.rules.opzo import RULE as opzo
from hil.learning.rules.output_only import RULE as output_only
from hil.learning.rules.pat import RULE as pat
from hil.learning.rules.progressive import RULE as progressive
from hil.learning.rules.spsa import RULE as spsa

__all__ = [
    "Estimator",
    "Gate",
    "GateName",
    "Gradients",
    "HostModel",
    "LayerReading",
    "Observation",
    "RateEstimate",
    "Route",
    "Rule",
    "RuleFamily",
    "adfa",
    "bp",
    "bptt",
    "dfa",
    "drtp",
    "forward_forward",
    "mgd",
    "opzo",
    "pat",
    "progressive",
    "draw_feedback",
    "gates",
    "gradients_from",
    "eligibility_gradients",
    "homeostasis",
    "losses",
    "optimisers",
    "output_only",
    "project_error",
    "rate_estimators",
    "rules",
    "spsa",
    "stateless",
    "surrogates",
]
