"""The host: tasks, learning rules, the loop, runs and reports.

The whole loop in one call:

    import hil

    result = hil.train("digits", device="emulator:mixed-signal?chip=7", rule="adfa", seed=1)
    print(result.test_accuracy, result.report)

or on arrays: `hil.train(x, y)`, then `result.predict(new)`.

What a program calls is `train`, `resume`, `load`, `evaluate` and `export`; the first three give a
`Result`.
`SpikingClassifier` and `SpikingRegressor` are estimators of scikit-learn. Rules, gates and losses
to use on their own are in `hil.learning`, what an encoding and a task of one's own are in
`hil.encodings` and `hil.tasks`; everything else is internal.
"""

from importlib import import_module
from typing import Any

from hil.api import evaluate, export, load, resume, train
from hil.result import Result

__version__ = "0.1.0"
_ESTIMATORS = {"SpikingClassifier": "hil.classifier", "SpikingRegressor": "hil.regressor"}
__all__ = ["Result", *_ESTIMATORS, "evaluate", "export", "load", "resume", "train"]


def __getattr__(name: str) -> Any:
    """An estimator, which takes a second to import, when it is first asked for."""
    if name in _ESTIMATORS:
        return getattr(import_module(_ESTIMATORS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
