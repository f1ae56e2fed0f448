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

from drivers.files.writing import replace_file
from hil.exchange.nir_file import LARGEST, MISSING, NODES, NirGraph
from hil.exchange.returning import build_graph
from hil.learning.nominal_neuron import integrate_held_current

Matrix = NDArray[np.float32]
Delay = int | NDArray[np.int64]


@dataclass(frozen=True)
class ExportedNeurons:
    """The neurons of a network on a device, nominally, and what it is shown.

    Attributes:
        dt: Length of a step, in seconds.
        decay: Fraction of a membrane left after a step without input.
        threshold: Where a neuron fires, in units of the device's default threshold.
        synapse: Time constant of a synaptic current that decays exponentially, in seconds; None
            where an event is a jump.
        leaks_first: For each projection of the chain, whether its events leak once before they can
            cause a spike; those that come back do as those of the second.
        current: Whether the network is shown a current, else spikes.
        bias: What comes in a step of the channel that is always on, the last one; 0 without.
    """

    dt: float
    decay: float
    threshold: float
    synapse: float | None
    leaks_first: Sequence[bool]
    current: bool
    bias: float


def write_network(
    path: Path,
    weights: Sequence[Matrix],
    delays: Sequence[Delay],
    neurons: ExportedNeurons,
    notes: Mapping[str, Any],
    returned: NirGraph | None = None,
) -> Path:
    """Write a network to a file that is either complete or not there.

    Args:
        path: The file, replaced when it exists.
        weights: Of each projection, `(n_pre, n_post)` in neurons thresholds: the chain, then from
            each hidden layer to itself, where they lead there.
        delays: Of each projection, in steps: one number, or `(n_pre, n_post)`.
        neurons: The neurons.
        notes: What else to keep in the metadata of the graph; `encoding` is a table.
        returned: The graph that the network began with, with its weights; written in place of one
            of our own, which weights and delays are for.

    Returns:
        The path written.

    Raises:
        OSError: When the folder cannot be written; the old file then stands untouched.
        ValueError: When the package that writes it is not installed, or delays differ in so many
            ways that the file would be too large to be read.
    """
    try:
        import nir
    except ImportError:
        raise ValueError(MISSING) from None
    metadata = {**notes, "dt": neurons.dt, "encoding": json.dumps(notes["encoding"])}
    if returned is not None:
        graph = build_graph(nir, returned, metadata)
    else:
        nodes, edges = _build_graph(nir, weights, delays, neurons)
        if any(map(np.any, delays)):
            _check_size(nodes, edges)
        graph = nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)
    content = io.BytesIO()
    nir.write(content, graph)
    with replace_file(path) as handle:
        handle.write(content.getvalue())
    return path


def _build_graph(
    nir: Any, weights: Sequence[Matrix], delays: Sequence[Delay], neurons: ExportedNeurons
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Build the nodes by name, and the edges."""
    features = len(weights[0]) - (neurons.bias > 0)
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([features])})}
    edges: list[tuple[str, str]] = []
    depth, layers = len(neurons.leaks_first), ["input"]
    for number, matrix in enumerate(weights[:depth]):
        name, cells = _build_neurons(nir, neurons, number, matrix.shape[1])
        layers.append(f"{name}_{number + 1}")
        bias = neurons.bias if number == 0 else 0.0
        for way in _build_ways(nir, str(number + 1), matrix, bias, delays[number], neurons.dt):
            nodes |= way
            edges += pairwise([layers[-2], *way, layers[-1]])
        nodes[layers[-1]] = cells
    nodes["output"] = nir.Output({"output": np.array([weights[depth - 1].shape[1]])})
    edges.append((layers[-1], "output"))
    for number, matrix in enumerate(weights[depth:]):
        share = _find_strength(neurons, late=neurons.leaks_first[1]) / _find_strength_into(
            neurons, number
        )
        own, name = delays[depth + number], layers[number + 1]
        for k, way in enumerate(
            _build_ways(nir, f"recurrent_{number + 1}", matrix, 0, own, neurons.dt)
        ):
            if share != 1:  # what is a current otherwise is an event here
                way[f"scale_recurrent_{number + 1}_{k}"] = nir.Scale(np.full(len(matrix), share))
            nodes |= way
            edges += pairwise([name, *way, name])
    return nodes, edges


def _build_ways(
    nir: Any, name: str, matrix: Matrix, bias: float, delay: Delay, dt: float
) -> list[dict[str, Any]]:
    """Build a projection as nodes in a row, or in several rows of which each has one delay.

    In one row stand delays that are the sum of one of the source and one of the target.

    Args:
        nir: The package.
        name: What ends the names of the nodes.
        matrix: The weights, those of the channel that is always on in the last row.
        bias: What comes of that channel in a step; 0 without it.
        delay: In steps, of all or of each synapse.
        dt: Seconds of a step.
    """
    late = np.broadcast_to(np.asarray(delay) * matrix.any(), matrix.shape)
    # A bias has no source that could be late.
    first = len(late) - 1 if bias else int(late[:, 0].argmin())
    before, after = late[:, :1] - late[first, 0], late[first]
    if (before >= 0).all() and (late == before + after).all():
        own = before[: len(late) - (bias > 0), 0]
        way = _build_delay(nir, f"delay_before_{name}", own, dt)
        way |= _build_linear(nir, name, matrix, bias)
        return [way | _build_delay(nir, f"delay_after_{name}", after, dt)]
    ways = []
    for steps in np.unique(late[matrix != 0]):
        part = f"{name}_late_{steps}"
        way = _build_linear(nir, part, np.where(late == steps, matrix, np.float32(0)), bias)
        ways.append(way | _build_delay(nir, f"delay_{part}", np.full(matrix.shape[1], steps), dt))
    return ways


def _build_linear(nir: Any, name: str, matrix: Matrix, bias: float) -> dict[str, Any]:
    if not bias:
        return {f"linear_{name}": nir.Linear(weight=matrix.T.copy())}
    always = matrix[-1].astype(np.float64) * bias
    return {f"affine_{name}": nir.Affine(weight=matrix[:-1].T.copy(), bias=always)}


def _build_delay(nir: Any, name: str, steps: NDArray[np.int64], dt: float) -> dict[str, Any]:
    return {name: nir.Delay(steps * dt)} if steps.any() else {}


def _check_size(nodes: Mapping[str, Any], edges: Sequence[tuple[str, str]]) -> None:
    """Refuse what would not be read."""
    size = sum(getattr(node, "weight", np.empty(0)).nbytes for node in nodes.values())
    if len(nodes) > NODES or len(edges) > NODES or size > LARGEST:
        raise ValueError(
            f"a file of NIR with {len(nodes)} nodes, and {size} bytes of weights: it holds one "
            f"matrix for each delay, and at most {NODES} nodes, {NODES} edges and {LARGEST} bytes "
            "are read: export a run with fewer delays or layers"
        )


def _build_neurons(nir: Any, neurons: ExportedNeurons, number: int, size: int) -> tuple[str, Any]:
    """Build the neurons of a layer, and name their node."""
    decay, dt = neurons.decay, neurons.dt
    zero, threshold = np.zeros(size), np.full(size, neurons.threshold)
    if decay == 1:
        return "if", nir.IF(r=zero + 1 / dt, v_threshold=threshold, v_reset=zero)
    tau = -dt / math.log(decay)
    # Such that an input of 1 adds what a weight of 1 does: see `hil.exchange.model`.
    own = {"v_leak": zero, "v_threshold": threshold, "v_reset": zero}
    if neurons.synapse is not None:
        times = {"tau_mem": zero + tau, "tau_syn": zero + neurons.synapse}
        return "cubalif", nir.CubaLIF(**times, r=zero + tau / dt, w_in=zero + 1, **own)
    r = tau / dt * _find_strength_into(neurons, number)
    return "lif", nir.LIF(tau=zero + tau, r=zero + r, **own)


def _find_strength_into(neurons: ExportedNeurons, number: int) -> float:
    """Find the input to neurons that does what a weight of 1 into a layer, counted from 0, does."""
    current = neurons.current and number == 0
    return 1.0 if current else _find_strength(neurons, late=neurons.leaks_first[number])


def _find_strength(neurons: ExportedNeurons, *, late: bool) -> float:
    """Find the same of events."""
    if neurons.synapse is not None or neurons.decay == 1:
        return 1.0
    return (neurons.decay if late else 1.0) / integrate_held_current(neurons.decay)
