"""A model of NIR as devices here are given it, and the address that names one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError
from drivers.files.bounded import parse_json
from hil.exchange.graph import Layer, read_layers
from hil.exchange.nir_file import NirRefusal, read_graph
from hil.exchange.synapses import Synapses

SHORTEST_STEP, LONGEST_STEP = 1e-9, 1e3  # seconds
MOST_STEPS = 10**9
LONGEST_DELAY = 10_000  # steps, as in `network.delays`


@dataclass(frozen=True, eq=False)
class Model:
    """A model of NIR that devices here can be given.

    Attributes:
        path: Its file.
        layers: Its layers of neurons, each fed by the one before.
        dt: Length of one of its steps, in seconds.
        notes: What else this package keeps in its metadata: `steps`, `encoding`, `task`.
    """

    path: str
    layers: list[Layer]
    dt: float
    notes: Mapping[str, Any]

    @property
    def is_recurrent(self) -> bool:
        """Whether any hidden layer leads to itself."""
        return any(layer.recurrent is not None for layer in self.layers)

    @property
    def has_bias(self) -> bool:
        """Whether any layer has a bias."""
        return self.has_relay(-1)

    def has_relay(self, number: int) -> bool:
        """Whether a layer, counted from 0, has one more neuron, for the biases of later ones."""
        return any(layer.synapses.bias is not None for layer in self.layers[number + 1 :])

    @property
    def hidden(self) -> list[int]:
        """Neurons of each hidden layer, with those that stand for a bias."""
        return [
            layer.synapses.weights.shape[1] + self.has_relay(number)
            for number, layer in enumerate(self.layers[:-1])
        ]

    @property
    def projections(self) -> list[Synapses | None]:
        """What leads from layer to layer; then, where any leads to itself, the same of each hidden
        layer, None where it does not."""
        own = [layer.recurrent for layer in self.layers[:-1]] if self.is_recurrent else []
        return [*(layer.synapses for layer in self.layers), *own]

    @property
    def delay(self) -> int:
        """The longest delay, in steps; 0 without any."""
        longest = max(synapses.longest for synapses in self.projections if synapses is not None)
        return int(self.count_steps(np.array(longest)))

    def without_delays(self) -> Model:
        """Give the same without delays."""
        return replace(self, layers=[layer.without_delays() for layer in self.layers])

    def count_steps(self, seconds: NDArray[Any]) -> NDArray[np.int64]:
        """Round delays to whole numbers of steps."""
        return np.floor(seconds / self.dt + 0.5).astype(np.int64)


def read_model(address: str) -> Model:
    """Read the model that an address names: a file, or `FILE?dt=SECONDS`.

    Raises:
        FileFormatError: Naming the file, and the node or field that is wrong.
        ValueError: When the length of a step is not known.
    """
    path, _, query = address.partition("?")
    graph = read_graph(path)
    try:
        notes = _read_notes(graph.notes)
        if query:
            notes["dt"] = _parse_step(query)
        layers = read_layers(graph)
        dt = notes.pop("dt", None)
        if dt is None:
            raise NirRefusal(
                f"does not say how long one of its steps is: add it, as in {path}?dt="
                + _suggest_step(layers)
            )
        model = Model(path, layers, dt, notes)
        for synapses in model.projections:
            if synapses is not None and synapses.longest > LONGEST_DELAY * dt:
                raise NirRefusal(
                    f"{synapses.slowest[1]} (Delay): up to {synapses.longest:g} s are "
                    f"{synapses.longest / dt:.0f} steps of {dt:g} s: at most {LONGEST_DELAY} are "
                    "read"
                )
    except NirRefusal as error:
        raise FileFormatError(f"{path}: {error}") from None
    return model


def check_step(dt: float, option: str) -> float:
    """Refuse what is no length of a step in seconds.

    Raises:
        NirRefusal: Naming the option that states it.
    """
    if not SHORTEST_STEP <= dt <= LONGEST_STEP:
        raise NirRefusal(
            f"{option}: give dt in seconds, {SHORTEST_STEP:g} to {LONGEST_STEP:g}, e.g. 0.001"
        )
    return dt


def _parse_step(query: str) -> float:
    key, _, text = query.partition("=")
    try:
        dt = float(text) if key == "dt" else 0.0
    except ValueError:
        dt = 0.0
    return check_step(dt, f"?{query[:40]}")


def _suggest_step(layers: Sequence[Layer]) -> str:
    """Suggest the step in whose units weights are those of a network in discrete time.

    In such a step an input of 1 adds 1 to a membrane, or to a synaptic current that adds 1 to it.
    """
    steps = []
    for neurons in (layer.neurons for layer in layers):
        with np.errstate(all="ignore"):
            step = 1 / neurons.slope
            if neurons.tau_synapse is not None:
                step = np.sqrt(step * neurons.tau_synapse)
        # Where it is as long as a time constant, weights are in other units.
        steps += np.where(step < neurons.tau / 2, step, 0).tolist()
    if SHORTEST_STEP <= steps[0] <= LONGEST_STEP and np.allclose(steps, steps[0], rtol=1e-3):
        return f"{steps[0]:.4g} (in such a step, an input of 1 adds one threshold)"
    return "0.001"


def _read_notes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Read the metadata as what they stand for."""
    notes: dict[str, Any] = {}
    for name, low, high in (("dt", SHORTEST_STEP, LONGEST_STEP), ("steps", 1, MOST_STEPS)):
        if name in metadata:
            value = metadata[name]
            number = float(value.reshape(-1)[0]) if np.size(value) == 1 else 0.0
            if isinstance(value, str) or not low <= number <= high:
                raise NirRefusal(f"metadata.{name}: give one number, {low:g} to {high:g}")
            notes[name] = number if name == "dt" else int(number)
    if "task" in metadata:
        notes["task"] = metadata["task"]
    if "encoding" in metadata:
        notes["encoding"] = parse_json(metadata["encoding"], "metadata.encoding")
    return notes
