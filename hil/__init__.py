"""The host: tasks, learning rules, the loop, runs and reports.

The whole loop in one call:

    import hil

    result = hil.train("digits", device="emulator:mixed-signal?chip=7", rule="adfa", seed=1)
    print(result.test_accuracy, result.report)

or on arrays: `hil.train(x, y)`, then `result.predict(new)`.

What a program calls is `train`, `resume`, `load`, `evaluate` and `export`; the first three give a
`Result`.
`SpikingClassifier` is an estimator of scikit-learn. Rules, gates and losses to use on their own are
in `hil.learning`, what an encoding and a task of one's own are in `hil.encodings` and `hil.tasks`;
everything else is internal.
"""

from typing import Any

from hil.api import evaluate, export, load, resume, train
from hil.result import Result

__version__ = "0.1.0"
__all__ = ["Result", "SpikingClassifier", "evaluate", "export", "load", "resume", "train"]


def __getattr__(name: str) -> Any:
    """`SpikingClassifier`, which takes a second to import, when it is first asked for."""
    if name == "SpikingClassifier":
        from hil.classifier import SpikingClassifier

        return SpikingClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
