"""What a simulated board has room for, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.board import hello
from drivers.board.hello import Capacity, Hello, Input, Neuron, Probe, Setting, Timing, Weights
from drivers.board.link import frames

FIRMWARE = 2, 1, 0
PROBES = 8
GRAPH = 1 | 2 | 4  # recurrence, projections of any two populations, delays by synapse
NEURON = {
    # A step stands for 1 ms. Events are added after the test and the reset of their step.
    "timing": Timing(step=1_000_000, input=2, layer=2, add=2),
    "neuron": Neuron(reset=1, spikes=1, refractory=1, unit=4096),
    # Below, whole multiples of 2^-16 are too coarse a step.
    "weights": (Weights(levels=255, least=100_000, greatest=100_000_000),),
    "inputs": (Input(0, 256, 4095), Input(1, 256, 4095), Input(2, 1, 1), Input(3, 1, 255)),
    "settings": (
        Setting(2, 2, 0, "s", 100, 1_000_000, 10_000, "tau_membrane"),
        Setting(1, 1, 0, "", 100_000, 10_000_000, 1_000_000, "threshold"),
    ),
    "probes": (Probe(0, 3, 7, 0, 1), Probe(1, 3, 7, 1, 1)),
    "abilities": hello.Abilities(1 | hello.CARRIES_ON | hello.LENGTHS),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a board has room for.

    Attributes:
        name: Of the port of the firmware, at most 16 characters of ASCII.
        layers: Most layers of neurons.
        inputs: Most inputs, at most 4096, so that sums fit 32 bits and products 64.
        neurons: Most neurons in a layer, at most 4096.
        weights: Most weights in all.
        steps: Most steps of a run.
        payload: Longest payload, in bytes.
        kept: Most membranes kept from run to run.
        delay: Longest delay, in steps.
    """

    name: str = "simulated"
    layers: int = 8
    inputs: int = 4096
    neurons: int = 1024
    weights: int = 1 << 20
    steps: int = 1024
    payload: int = 16384
    kept: int = 1 << 16
    delay: int = 31

    @classmethod
    def told(cls, by: Hello) -> Limits:
        """Those of a board that has said HELLO."""
        room = by.capacity
        return cls(
            by.name,
            room.layers,
            room.inputs,
            room.neurons,
            room.synapses,
            room.steps,
            by.payload,
            room.kept,
            room.delay,
        )

    def hello(self, boot_id: int, chip: int) -> Hello:
        """What a board with the neurons of the page says of itself."""
        room = Capacity(
            inputs=self.inputs,
            neurons=self.neurons,
            synapses=self.weights,
            kept=self.kept,
            layers=self.layers,
            steps=self.steps,
            delay=self.delay,
            probes=PROBES,
            graph=GRAPH,
        )
        return Hello(
            payload=self.payload,
            boot_id=boot_id,
            chip=chip,
            firmware=FIRMWARE,
            protocol=frames.VERSION,
            name=self.name,
            capacity=room,
            **NEURON,  # type: ignore[arg-type]
        )
