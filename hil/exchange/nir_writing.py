"""A network with a device's nominal neurons, as a file of NIR.

Weights are written as they are: what else there is to a neuron, down to when an event acts, stands
in its resistance.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.files.writing import replacing
from hil.exchange.nir_file import MISSING
from hil.learning.nominal_neuron import held_current

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Nominal:
    """The neurons of a network on a device, nominally, and what it is shown.

    Attributes:
        dt: Length of a step, in seconds.
        decay: Fraction of a membrane left after a step without input.
        threshold: Where a neuron fires, in units of the device's default threshold.
        synapse: Time constant of a synaptic current that decays exponentially, in seconds; None
            where an event is a jump.
        late: For each projection of the chain, whether its events leak once before they can cause a
            spike; those that come back do as those of the second.
        current: Whether the network is shown a current, else spikes.
        bias: What comes in a step of the channel that is always on, the last one; 0 without.
    """

    dt: float
    decay: float
    threshold: float
    synapse: float | None
    late: Sequence[bool]
    current: bool
    bias: float


def write(
    path: Path, weights: Sequence[Matrix], nominal: Nominal, notes: Mapping[str, Any]
) -> Path:
    """Write a network to a file that is either complete or not there.

    Args:
        path: The file, replaced when it exists.
        weights: Of each projection, `(n_pre, n_post)` in nominal thresholds: the chain, then from
            each hidden layer to itself, where they lead there.
        nominal: The neurons.
        notes: What else to keep in the metadata of the graph; `encoding` is a table.

    Returns:
        The path written.

    Raises:
        OSError: When the folder cannot be written; the old file then stands untouched.
        ValueError: When the package that writes it is not installed.
    """
    try:
        import nir
    except ImportError:
        raise ValueError(MISSING) from None
    features = len(weights[0]) - (nominal.bias > 0)
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([features])})}
    depth = len(nominal.late)
    for number, matrix in enumerate(weights[:depth]):
        own = matrix[:features] if number == 0 else matrix
        if len(own) < len(matrix):
            bias = matrix[-1].astype(np.float64) * nominal.bias
            nodes["affine_1"] = nir.Affine(weight=own.T.copy(), bias=bias)
        else:
            nodes[f"linear_{number + 1}"] = nir.Linear(weight=own.T.copy())
        name, node = _neurons(nir, nominal, number, matrix.shape[1])
        nodes[f"{name}_{number + 1}"] = node
    nodes["output"] = nir.Output({"output": np.array([weights[depth - 1].shape[1]])})
    edges = list(pairwise(nodes))
    for number, matrix in enumerate(weights[depth:]):
        (name,) = (name for name in nodes if name.endswith(f"if_{number + 1}"))
        way = {f"recurrent_{number + 1}": nir.Linear(weight=matrix.T.copy())}
        share = _strength(nominal, late=nominal.late[1]) / _strength_into(nominal, number)
        if share != 1:  # what is a current otherwise is an event here
            way[f"recurrent_scale_{number + 1}"] = nir.Scale(np.full(len(matrix), share))
        nodes |= way
        edges += pairwise([name, *way, name])
    metadata = {**notes, "dt": nominal.dt, "encoding": json.dumps(notes["encoding"])}
    content = io.BytesIO()
    nir.write(content, nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata))
    with replacing(path) as handle:
        handle.write(content.getvalue())
    return path


def _neurons(nir: Any, nominal: Nominal, number: int, size: int) -> tuple[str, Any]:
    """The neurons of a layer, and what their node is called."""
    decay, dt = nominal.decay, nominal.dt
    zero, threshold = np.zeros(size), np.full(size, nominal.threshold)
    if decay == 1:
        return "if", nir.IF(r=zero + 1 / dt, v_threshold=threshold, v_reset=zero)
    tau = -dt / math.log(decay)
    # Such that an input of 1 adds what a weight of 1 does: see `placement`.
    own = {"v_leak": zero, "v_threshold": threshold, "v_reset": zero}
    if nominal.synapse is not None:
        times = {"tau_mem": zero + tau, "tau_syn": zero + nominal.synapse}
        return "cubalif", nir.CubaLIF(**times, r=zero + tau / dt, w_in=zero + 1, **own)
    r = tau / dt * _strength_into(nominal, number)
    return "lif", nir.LIF(tau=zero + tau, r=zero + r, **own)


def _strength_into(nominal: Nominal, number: int) -> float:
    """Input to neurons that does what a weight of 1 into a layer, counted from 0, does."""
    current = nominal.current and number == 0
    return 1.0 if current else _strength(nominal, late=nominal.late[number])


def _strength(nominal: Nominal, *, late: bool) -> float:
    """The same of events."""
    if nominal.synapse is not None or nominal.decay == 1:
        return 1.0
    return (nominal.decay if late else 1.0) / held_current(nominal.decay)
