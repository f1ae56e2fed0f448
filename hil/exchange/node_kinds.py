"""Kinds of nodes of NIR that are read: one entry of `KINDS` each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.exchange.nir_file import NirNode, NirRefusal
from hil.exchange.synapses import ALIKE, Way, broadcast

Array = NDArray[Any]
Fields = Mapping[str, Array]
SHORTEST, LONGEST = 1e-9, 1e9  # seconds of a time constant
SMALLEST = 1e-30  # from rest to threshold


@dataclass(frozen=True, eq=False)
class Neurons:
    """The neurons of a layer, by NIR's equations, in units where rest is 0 and the threshold 1.

    Attributes:
        kind: `LIF`, `CubaLIF` or `IF`.
        tau: Time constant of the membrane, `(n,)` seconds; infinite for `IF`.
        slope: What an input of 1 adds to a membrane in a second, if nothing leaks, `(n,)`.
        tau_synapse: Time constant of the synaptic current, `(n,)`; None where there is none.
    """

    kind: str
    tau: Array
    slope: Array
    tau_synapse: Array | None = None


@dataclass(frozen=True)
class NodeKind:
    """A kind of node.

    Attributes:
        fields: What such a node consists of; what stands after `+` may be missing.
        lead_on: Adds what it does to a way from one population to another; None for what is no
            part of a way.
        membrane: Makes neurons of their fields, one number for each, and of how far the threshold
            is from rest; None for what is no neurons.
        rest: The field of the membrane at rest.
    """

    fields: str
    lead_on: Callable[[Way, Fields], None] | None = None
    membrane: Callable[[Fields, Array], Neurons] | None = None
    rest: str = "v_leak"


def _read_lif(fields: Fields, swing: Array) -> Neurons:
    return Neurons("LIF", fields["tau"], fields["r"] / fields["tau"] / swing)


def _read_cuba_lif(fields: Fields, swing: Array) -> Neurons:
    charge = fields["r"] * fields.get("w_in", np.ones_like(swing))
    return Neurons(
        "CubaLIF", fields["tau_mem"], charge / fields["tau_mem"] / swing, fields["tau_syn"]
    )


def _read_if(fields: Fields, swing: Array) -> Neurons:
    return Neurons("IF", np.full(swing.shape, math.inf), fields["r"] / swing)


CONVOLUTION = "weight bias stride padding dilation groups + input_shape"
POOLING = "kernel_size stride padding"
KINDS: Mapping[str, NodeKind] = {
    "Input": NodeKind("shape"),
    "Output": NodeKind("shape"),
    "Affine": NodeKind(
        "weight bias", lambda way, fields: way.mix(fields["weight"], fields["bias"])
    ),
    "Linear": NodeKind("weight", lambda way, fields: way.mix(fields["weight"])),
    "Scale": NodeKind("scale", lambda way, fields: way.scale(fields["scale"])),
    "Delay": NodeKind("delay", lambda way, fields: way.delay(fields["delay"])),
    "Conv1d": NodeKind(CONVOLUTION, lambda way, fields: way.convolve(fields, 1)),
    "Conv2d": NodeKind(CONVOLUTION, lambda way, fields: way.convolve(fields, 2)),
    "SumPool2d": NodeKind(POOLING, lambda way, fields: way.pool(fields, average=False)),
    "AvgPool2d": NodeKind(POOLING, lambda way, fields: way.pool(fields, average=True)),
    "Flatten": NodeKind("start_dim end_dim + input_type", lambda way, fields: way.flatten()),
    "LIF": NodeKind("tau r v_leak v_threshold + v_reset", membrane=_read_lif),
    "CubaLIF": NodeKind(
        "tau_mem tau_syn r v_leak v_threshold + v_reset w_in", membrane=_read_cuba_lif
    ),
    "IF": NodeKind("r v_threshold + v_reset", membrane=_read_if, rest="v_reset"),
}
NEURONS = tuple(name for name, kind in KINDS.items() if kind.membrane)
LINKS = tuple(name for name, kind in KINDS.items() if kind.lead_on)
POPULATIONS = tuple(name for name in KINDS if name not in LINKS)
# What has no place on a chip of neurons that fire, and what to write in its place.
FIRELESS = "does not fire: give {} of a threshold that it rarely reaches, and read its membranes"
INSTEAD = {
    "LI": f"{FIRELESS.format('LIF')} by readout.source = membrane",
    "CubaLI": f"{FIRELESS.format('CubaLIF')} by readout.source = membrane",
    "I": f"{FIRELESS.format('IF')} by readout.source = membrane",
    "Threshold": "keeps no membrane: give LIF of a time constant of a step, or less",
}
READ = f"a chain of {', '.join(LINKS)}, and of the neurons {', '.join(NEURONS)}"


def read_neurons(name: str, node: NirNode, size: int) -> Neurons:
    """Read the neurons of a node.

    Raises:
        NirRefusal: For parameters that make no such neuron, or one that no device is given here.
    """
    kind = KINDS[node.kind]
    assert kind.membrane is not None
    fields = {key: broadcast(f"{name}.{key}", value, size) for key, value in node.fields.items()}
    fields.setdefault("v_reset", np.zeros(size))
    rest, reset = fields[kind.rest], fields["v_reset"]
    swing = fields["v_threshold"] - rest
    if not (swing >= SMALLEST).all():
        raise NirRefusal(f"{name}.v_threshold: has to be above rest in every neuron")
    if not np.allclose(reset, rest, rtol=0, atol=ALIKE * float(swing.min())):
        raise NirRefusal(
            f"{name}.v_reset: is not v_leak: neurons here are reset to rest: make both equal"
        )
    for key in (key for key in fields if key.startswith("tau")):
        if not ((fields[key] >= SHORTEST) & (fields[key] <= LONGEST)).all():
            raise NirRefusal(f"{name}.{key}: give {SHORTEST:g} to {LONGEST:g} s in every neuron")
    return kind.membrane(fields, swing)


def read_shape(name: str, node: NirNode) -> tuple[int, ...]:
    """Read the shape of an input or output."""
    shape = [float(n) for n in node.fields["shape"].reshape(-1)]
    if min(shape, default=0) < 1 or math.prod(shape) > 2**31 or any(n != int(n) for n in shape):
        raise NirRefusal(f"{name}.shape: is no shape of at least one channel")
    return tuple(int(n) for n in shape)
