"""A model of NIR as devices here are given it, and the address that names one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError
from drivers.files.bounded import parse_json
from hil.exchange.chain import Layer, layers_of
from hil.exchange.nir_file import Refused, read
from hil.exchange.synapses import Synapses

LEAST, LONGEST = 1e-9, 1e3  # seconds of a step
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
    def recurrent(self) -> bool:
        """Whether any hidden layer leads to itself."""
        return any(layer.recurrent is not None for layer in self.layers)

    @property
    def biased(self) -> bool:
        """Whether any layer has a bias."""
        return any(layer.synapses.bias is not None for layer in self.layers)

    def relays(self, number: int) -> bool:
        """Whether a layer, counted from 0, has one more neuron, for the biases of later ones."""
        return any(layer.synapses.bias is not None for layer in self.layers[number + 1 :])

    @property
    def hidden(self) -> list[int]:
        """Neurons of each hidden layer, with those that stand for a bias."""
        return [
            layer.synapses.weights.shape[1] + self.relays(number)
            for number, layer in enumerate(self.layers[:-1])
        ]

    @property
    def projections(self) -> list[Synapses | None]:
        """What leads from layer to layer; then, where any leads to itself, the same of each hidden
        layer, None where it does not."""
        own = [layer.recurrent for layer in self.layers[:-1]] if self.recurrent else []
        return [*(layer.synapses for layer in self.layers), *own]

    @property
    def delay(self) -> int:
        """The longest delay, in steps; 0 without any."""
        longest = max(each.longest for each in self.projections if each is not None)
        return int(self.in_steps(np.array(longest)))

    @property
    def undelayed(self) -> Model:
        """The same without delays."""
        return replace(self, layers=[layer.undelayed for layer in self.layers])

    def in_steps(self, seconds: NDArray[Any]) -> NDArray[np.int64]:
        """Delays as the whole numbers of steps that they are nearest to."""
        return np.floor(seconds / self.dt + 0.5).astype(np.int64)


def opened(address: str) -> Model:
    """The model that an address names: a file, or `FILE?dt=SECONDS`.

    Raises:
        FileFormatError: Naming the file, and the node or field that is wrong.
        ValueError: When the length of a step is not known.
    """
    path, _, query = address.partition("?")
    graph = read(path)
    try:
        notes = _notes(graph.notes)
        if query:
            notes["dt"] = _step(query)
        layers = layers_of(graph)
        dt = notes.pop("dt", None)
        if dt is None:
            raise Refused(
                f"does not say how long one of its steps is: add it, as in {path}?dt="
                + _suggested(layers)
            )
        found = Model(path, layers, dt, notes)
        for each in found.projections:
            if each is not None and each.longest > LONGEST_DELAY * dt:
                raise Refused(
                    f"{each.slowest[0]} (Delay): up to {each.longest:g} s are "
                    f"{each.longest / dt:.0f} steps of {dt:g} s: at most {LONGEST_DELAY} are read"
                )
    except Refused as error:
        raise FileFormatError(f"{path}: {error}") from None
    return found


def _step(query: str) -> float:
    key, _, text = query.partition("=")
    try:
        dt = float(text)
    except ValueError:
        dt = 0.0
    if key != "dt" or not LEAST <= dt <= LONGEST:
        raise Refused(
            f"?{query[:40]}: give dt in seconds, {LEAST:g} to {LONGEST:g}, e.g. ?dt=0.001"
        )
    return dt


def _suggested(layers: Sequence[Layer]) -> str:
    """The step in whose units weights are those of a network in discrete time, or an example.

    In such a step an input of 1 adds 1 to a membrane, or to a synaptic current that adds 1 to it.
    """
    steps = []
    for neurons in (layer.neurons for layer in layers):
        with np.errstate(all="ignore"):
            found = 1 / neurons.slope
            if neurons.tau_synapse is not None:
                found = np.sqrt(found * neurons.tau_synapse)
        # Where it is as long as a time constant, weights are in other units.
        steps += np.where(found < neurons.tau / 2, found, 0).tolist()
    if LEAST <= steps[0] <= LONGEST and np.allclose(steps, steps[0], rtol=1e-3):
        return f"{steps[0]:.4g} (in such a step, an input of 1 adds one threshold)"
    return "0.001"


def _notes(given: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata as what they stand for."""
    notes: dict[str, Any] = {}
    for name, low, high in (("dt", LEAST, LONGEST), ("steps", 1, MOST_STEPS)):
        if name in given:
            value = given[name]
            number = float(value.reshape(-1)[0]) if np.size(value) == 1 else 0.0
            if isinstance(value, str) or not low <= number <= high:
                raise Refused(f"metadata.{name}: give one number, {low:g} to {high:g}")
            notes[name] = number if name == "dt" else int(number)
    if "task" in given:
        notes["task"] = given["task"]
    if "encoding" in given:
        notes["encoding"] = parse_json(given["encoding"], "metadata.encoding")
    return notes
