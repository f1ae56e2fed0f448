"""The Xylo chips of SynSense, in their maker's bit-exact simulator `xylosim`.

What a chip has room for: "Overview of the Xylo family", rockpool.ai/devices/xylo-overview.html.
What a step does: `xylosim` 0.1.3, the sources of its version 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.device import Device
from drivers.contract.info import (
    Abilities,
    Capacity,
    DeviceInfo,
    Identity,
    Membrane,
    Neuron,
    Offers,
    ProbeOffer,
    Quantity,
    Setting,
    Timing,
    WeightFormat,
)
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network, Projection
from drivers.contract.requests import check_limit
from drivers.contract.sampling import answer
from drivers.errors import CapacityError, DeviceNotFound, SettingError, StimulusError, nearest

DT = 1e-3  # s, the simulator's default
LARGEST_CODE = 127  # of 8 bits, symmetric
LARGEST_SHIFT = 7  # at 8, two events of the largest weight overflow 16 bits
# A threshold of 11 bits leaves a state of 16 bits room for 16 thresholds either way.
LARGEST_THRESHOLD = 2048
SYNAPSE_SHIFT = 1  # the fastest: half of the synaptic current is left after a step
LARGEST_MEMBRANE_SHIFT = 15
MOST_INPUT_SPIKES = 15  # in a step and channel
MOST_SPIKES = 31  # of a hidden neuron in a step; an output fires one


@dataclass(frozen=True)
class XyloChip:
    """Room of one member of the family.

    Attributes:
        name: The maker's name.
        neurons: Hidden neurons.
        ends: Hidden neurons that inputs reach, and as many that reach the outputs.
        outputs: Output neurons.
        fan_out: Hidden neurons that one hidden neuron reaches.
        average_fan_out: The same, on average over all hidden neurons.
        inputs: Input channels.
    """

    name: str
    neurons: int
    ends: int
    outputs: int
    fan_out: int
    average_fan_out: int = 64
    inputs: int = 16


CHIPS = {
    "audio2": XyloChip("XyloAudio 2", neurons=1000, ends=1000, outputs=8, fan_out=64),
    "audio3": XyloChip("XyloAudio 3", neurons=992, ends=128, outputs=32, fan_out=1024),
    "imu": XyloChip("XyloIMU", neurons=496, ends=128, outputs=16, fan_out=512),
}


class Xylo(Device):
    """`xylo:CHIP`, where CHIP is `audio2` (the default), `audio3` or `imu`."""

    independent = True

    def __init__(self, key: str) -> None:
        """Take a chip of the family, by its key in `CHIPS`."""
        self._key, self._chip = key, CHIPS[key]

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Xylo:
        """Take the chip that the address names."""
        key = target or "audio2"
        if key not in CHIPS:
            raise DeviceNotFound(f"xylo: has no chip {key!r}: {nearest(key, CHIPS)}")
        if options:
            raise SettingError(f"xylo: takes no options, was given {', '.join(options)}")
        try:
            import xylosim.v2  # noqa: F401
        except ImportError as error:
            raise DeviceNotFound(
                f"xylo: needs the simulator xylosim ({error}): pip install 'spikeloop[xylo]'"
            ) from None
        return cls(key)

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """Every chip of the family."""
        return [
            (
                f"xylo:{key}",
                f"simulated {c.name}: {c.inputs} inputs, {c.neurons} hidden neurons, "
                f"{c.outputs} outputs, 8-bit weights",
            )
            for key, c in CHIPS.items()
        ]

    @property
    def info(self) -> DeviceInfo:
        """Statement of the chip; its membranes are given in thresholds."""
        unit = LARGEST_CODE / LARGEST_THRESHOLD
        return DeviceInfo(
            contract=4,
            identity=Identity(f"xylo:{self._key}", firmware="xylosim.v2"),
            capacity=Capacity(
                layers=8,
                inputs=self._chip.inputs,
                neurons=self._chip.ends,
                batch=1024,
                steps=10_000,
                recurrence=True,
            ),
            timing=Timing(dt=DT),
            neuron=Neuron(
                membrane=Membrane("thresholds"),
                settings=(
                    Setting(
                        "tau_membrane",
                        unit="s",
                        minimum=DT * 2,
                        maximum=DT * 2**LARGEST_MEMBRANE_SHIFT,
                        default=DT * 2**4,
                        meaning="Time constant of the membrane, rounded to powers of two of steps.",
                        role="time_constant",
                    ),
                ),
                reset="soft",
                refractory=0,
                decay=1 - 2.0**-4,
                spikes_per_step=MOST_SPIKES,
            ),
            weights=(WeightFormat(unit, unit * 2**LARGEST_SHIFT * 2, 2 * LARGEST_CODE + 1),),
            offers=Offers(
                stimuli=("spikes",), probes=(ProbeOffer("spikes"), ProbeOffer("membrane"))
            ),
            abilities=Abilities(deterministic=True),
        )

    def _configure(self, network: Network) -> None:
        from xylosim.v2 import XyloLayer, XyloSynapse

        # Inputs reach hidden neurons alone: they play the only layer of a network of one.
        hidden = network.layers[1:-1] or network.layers[1:]
        outputs = network.layers[-1] if network.depth > 1 else 0
        self._check_room(network, hidden, outputs)
        starts = np.cumsum([0, *hidden]).tolist()
        # Rows of inputs, of hidden neurons to hidden ones, and to outputs; each has a weight shift.
        sources = {"in": network.inputs, "inner": sum(hidden), "out": sum(hidden)}
        rows: dict[str, list[list[Any]]] = {k: [[] for _ in range(n)] for k, n in sources.items()}
        kinds = [_synapse_kind(each, network.depth) for each in network.projections]
        synapses: list[list[list[Any]]] = []  # of each projection, by source and target
        for kind, each, (pre, post) in zip(kinds, network.projections, network.ends, strict=True):
            first = 0 if kind == "out" else starts[each.target - 1]
            cells = [[XyloSynapse(first + n, 0, 0) for n in range(post)] for _ in range(pre)]
            for neuron, row in enumerate(cells, start=starts[max(each.source - 1, 0)]):
                rows[kind][neuron] += row
            synapses.append(cells)
        scaled = list(zip(kinds, network.full_scale, strict=True))
        shift = {k: _shift(min((s for o, s in scaled if o == k), default=1.0)) for k in rows}
        thresholds = [
            min(
                math.ceil(LARGEST_CODE * 2 ** shift[kind] / scale * (1 - 1e-6))
                for each, (kind, scale) in zip(network.projections, scaled, strict=True)
                if each.target == layer
            )
            for layer in range(1, network.depth + 1)
        ]
        dash = round(math.log2(network.settings["tau_membrane"] / DT))
        self._layer: Any = XyloLayer(
            synapses_in=rows["in"],
            synapses_rec=rows["inner"],
            synapses_out=rows["out"],
            aliases=[[]] * sum(hidden),
            threshold=np.repeat(thresholds[: len(hidden)], hidden).tolist(),
            threshold_out=thresholds[-1:] * outputs,
            has_bias=False,
            bias=[],
            bias_out=[],
            weight_shift_inp=shift["in"],
            weight_shift_rec=shift["inner"],
            weight_shift_out=shift["out"],
            dash_mem=[dash] * sum(hidden),
            dash_mem_out=[dash] * outputs,
            dash_syns=[[SYNAPSE_SHIFT]] * sum(hidden),
            dash_syns_out=[[SYNAPSE_SHIFT]] * outputs,
            name=self._key,
        )
        self._synapses, self._thresholds = synapses, thresholds
        self._shifts = [shift[kind] for kind in kinds]
        self._spans = [slice(a, b) for a, b in pairwise(starts)]

    def _check_room(self, network: Network, hidden: Sequence[int], outputs: int) -> None:
        chip = self._chip
        check_limit("outputs after a hidden layer", outputs, chip.outputs)
        check_limit("hidden neurons", sum(hidden), chip.neurons)
        inner = [
            (each.source, *shape)
            for each, shape in zip(network.projections, network.ends, strict=True)
            if each.source and each.target <= len(hidden)
        ]
        for layer in range(1, len(hidden) + 1):
            reached = sum(post for source, _, post in inner if source == layer)
            check_limit("neurons after a hidden layer", reached, chip.fan_out)
        synapses = sum(pre * post for _, pre, post in inner)
        check_limit(
            "synapses between hidden neurons", synapses, chip.neurons * chip.average_fan_out
        )

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scale = self.network.full_scale[projection]
        target = self.network.projections[projection].target
        unit = 2 ** self._shifts[projection] / self._thresholds[target - 1]
        # Where another projection has set the threshold of its targets, fewer codes are left.
        largest = min(LARGEST_CODE, scale / unit * (1 + 2e-6))
        codes = np.rint(np.clip(weights / np.float32(scale), -1, 1) * largest)
        codes = np.clip(codes, -math.floor(largest), math.floor(largest)).astype(np.int64)
        for synapses, row in zip(self._synapses[projection], codes.tolist(), strict=True):
            for synapse, code in zip(synapses, row, strict=True):
                synapse.weight = code
        return np.asarray(codes * unit, np.float32)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        steps, batch, layers = stimulus.steps, stimulus.batch, self.network.layers
        depth = self.network.depth
        counts = stimulus.dense()
        if counts.max() > MOST_INPUT_SPIKES:
            raise StimulusError(
                f"{counts.max():g} spikes of a channel in one step: {self._chip.name} takes "
                f"{MOST_INPUT_SPIKES}, ask for less"
            )
        # Spikes of a hidden layer arrive one step later, so that layer l runs l - 1 steps late.
        drive = np.zeros((steps + depth - 1, batch, layers[0]), np.uint8)
        drive[:steps] = counts
        wanted: set[tuple[int, Quantity]] = {(depth, "spikes")}
        wanted |= {(probe.layer, probe.quantity) for probe in probes}
        traces = {
            (layer, quantity): np.empty(
                (steps, batch, layers[layer]), np.uint8 if quantity == "spikes" else np.float32
            )
            for layer, quantity in wanted
        }
        for sample in range(batch):
            self._layer.reset_all()
            self._layer.evolve(drive[:, sample].tolist())
            for (layer, quantity), trace in traces.items():
                trace[:, sample] = self._read_trace(layer, quantity)[layer - 1 :][:steps]
        return Readout(
            traces[depth, "spikes"].sum(axis=0, dtype=np.int32),
            steps,
            {probe: answer(probe, traces[probe.layer, probe.quantity]) for probe in probes},
        )

    def _read_trace(self, layer: int, quantity: Quantity) -> NDArray[np.generic]:
        """Read spikes, or membranes in thresholds, of one layer in the last run, `(steps, n_l)`."""
        output = layer > len(self._spans)
        neurons = slice(None) if output else self._spans[layer - 1]
        spike_rows = self._layer.rec_out_spikes if output else self._layer.rec_recurrent_spikes
        spikes = np.array(spike_rows, np.uint8)[:, neurons]
        if quantity == "spikes":
            return spikes
        potentials = self._layer.rec_v_mem_out if output else self._layer.rec_v_mem
        membrane = np.array(potentials, np.float32).T[:, neurons]
        # Recorded after its reset, which took one threshold for each spike.
        return membrane / np.float32(self._thresholds[layer - 1]) + spikes


def _synapse_kind(each: Projection, depth: int) -> str:
    """Choose the synapses of the chip for a projection; refuse one that has none in time."""
    if each.source == 0:
        return "in"
    if each.target == depth > each.source:
        return "out"
    if each.target == each.source + 1 or each.target == each.source < max(depth, 2):
        return "inner"
    raise CapacityError(
        f"projection from {each.source} to {each.target}: on this chip hidden layers project back, "
        "each to itself alone"
    )


def _shift(full_scale: float) -> int:
    """Compute the largest shift of weights at which the threshold has the bits that it should."""
    fitting = math.floor(math.log2(LARGEST_THRESHOLD * full_scale / LARGEST_CODE) + 1e-6)
    return min(max(fitting, 0), LARGEST_SHIFT)
