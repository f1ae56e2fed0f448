"""What suits samples of a user's own, by their number, size and kind."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from hil.tasks import arrays
from hil.tasks.arrays import Arrays
from hil.tasks.formats.format import Size
from hil.tasks.samples.signals import Signals
from hil.tasks.samples.spec import Kind

FEW, IMAGE = 50, 400  # features: below, a table; from, an image of some size
LONG = 50  # steps of a signal: below, each is held for two of the device
Sections = Mapping[str, Mapping[str, object]]

# What suits samples in time: learning step by step, a network that remembers, and a readout that
# tells more than a few spikes. Chosen on validation samples: docs/configuration.md.
BY_TRACES = {"clock": "trace", "feedback": "learned", "recurrent_feedback": 0.2}
IN_TIME: Sections = {
    "network": {"hidden": [200], "recurrent": True, "full_scale": 6.0},
    "rule": {"name": "adfa", **BY_TRACES, "gain": 5.0},
    "readout": {"source": "both"},
    "optimiser": {"learning_rate": 4e-3},
}
IN_TIME_BY_RULE: Mapping[str, Sections] = {
    "dfa": {"rule": {"name": "dfa", **BY_TRACES}},
    "bptt": {"optimiser": {"learning_rate": 3e-3}},
}


def settings(size: Size) -> Sections:
    """Settings that suit a set of samples.

    A small set is learned in small batches, and any set in about 2000 steps at least. Few
    features are shown stronger, beside an input that is always on, as in `yinyang`; few channels of
    signals through receptive fields, for twice as long where they are short. Signals are learned
    from step by step, by a network that projects to itself.

    Args:
        size: How many there are, and of what kind.
    """
    if size.samples < 1:
        return {}
    batch = min(max(size.samples // 25, 10), 100)
    epochs = min(max(ceil(2000 * batch / size.samples), 10), 200)
    found: dict[str, Mapping[str, object]] = {"training": {"batch": batch, "epochs": epochs}}
    found["network"] = {"hidden": [200]}
    if size.kind != "features":
        found |= IN_TIME
        if size.kind == "events":
            found["encoding"] = {"name": "events"}
        elif size.features < FEW:
            hold = 2 if size.steps < LONG else 1
            found["encoding"] = {"name": "receptive_fields", "gain": 2.0, "hold": hold}
    elif size.features < FEW:
        found["encoding"] = {"name": "current", "gain": 2.0, "bias": 0.5}
        found["homeostasis"] = {"weight": 0.003}
        found["optimiser"] = {"weight_decay": 0.01}
    elif size.features >= IMAGE:
        found["network"] = {"hidden": [800]}
        found["optimiser"] = {"learning_rate": 2e-3}
    return found


def of_arrays(given: Arrays) -> Sections:
    """Settings that suit the samples of a program.

    They are told by type, as those of a file, of which nothing else is read.

    Args:
        given: As `hil.tasks.arrays.given` gives them.
    """
    parts, _, _ = arrays.taken(given)
    train, dtype = parts["train"], given["x_train"].dtype
    if not isinstance(train, Signals):
        return settings(Size(len(train), train.shape[-1]))
    kind: Kind = "events" if dtype.names or dtype.kind == "b" else "signals"
    steps = int(train.lengths.mean()) if "lengths_train" in given else train.shape[1]
    return settings(Size(len(train), train.shape[-1], kind, steps=steps))
