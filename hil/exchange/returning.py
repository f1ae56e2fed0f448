"""A model of NIR that is given back as it came: the same nodes, with the weights learned."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from drivers import DeviceInfo
from hil.exchange.graph import Layer, find_nodes, follow, read_layers
from hil.exchange.model import Model, NetworkInput, from_euler, place_model, weight_factor
from hil.exchange.nir_file import NirGraph, NirNode, NirRefusal, read_graph
from hil.exchange.node_kinds import KINDS
from hil.exchange.synapses import ALIKE, scale_targets

Array = NDArray[Any]
Matrix = NDArray[np.float32]
Changes = dict[str, NirNode]
WEIGHTED = ("Linear", "Affine", "Conv1d", "Conv2d")
ARGUMENTS = (
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "input_shape",
    "start_dim",
    "end_dim",
)
UNLIKE = 1e-4  # share by which synapses of one cell may differ


def return_graph(
    content: bytes,
    weights: Sequence[Any],
    info: DeviceInfo,
    source: NetworkInput,
    decay: float,
    dt: float,
    threshold: float,
    euler: bool = False,
) -> NirGraph | None:
    """Put weights of a network on a device into the model that it began with.

    Args:
        content: The file of the model.
        weights: Of each projection, `(n_pre, n_post)`, in default thresholds, sparse or not.
        info: What the device states.
        source: What the network is shown.
        decay: Fraction of a membrane left after a step, nominally, with the settings in use.
        dt: Length of a step of the model, in seconds.
        threshold: The threshold in use, in default thresholds.
        euler: Whether the model was read as one of steps by Euler's rule.

    Returns:
        The graph; None where weights of its nodes do not follow from those of synapses, as of
        several matrices in a row, of kernels whose synapses differ, and of delays.
    """
    with tempfile.NamedTemporaryFile(suffix=".nir") as file:
        file.write(content)
        file.flush()
        graph = read_graph(file.name, {name: kind.fields for name, kind in KINDS.items()})
    nodes = find_nodes(graph)
    changes: Changes = {}
    layers = [_adopt_decay(nodes, layer, decay, dt, euler, changes) for layer in read_layers(graph)]
    if euler:
        layers = [from_euler(layer, dt) for layer in layers]
    model = Model("", layers, dt, {})
    if model.delay or len(weights) != len(model.projections):
        return None
    try:
        placed = place_model(model, info, source, decay)
    except NirRefusal:
        return None
    late = info.timing.layer == "end_of_step"
    for number, layer in enumerate(layers):
        size = layer.synapses.weights.shape
        scale = placed.factors[number] * threshold
        matrix = weights[number].astype(float)
        if not isinstance(matrix, np.ndarray):
            matrix = csr_array(matrix)
        level, row = placed.levels[number], np.zeros(size[1])
        if level:
            row = np.asarray(matrix[size[0] :, : size[1]].sum(axis=0)) * level / scale
        wanted = scale_targets(matrix[: size[0], : size[1]], 1 / scale)
        ways = [(layer.way, wanted, row)]
        if layer.recurrent is not None:
            back = weights[len(layers) + number].astype(float)[: size[1], : size[1]]
            own = weight_factor(layer, dt, False, late) * threshold
            ways.append((layer.way_back, back / own, np.zeros(size[1])))
        for way, synapses, bias in ways:
            change = None if way is None else _return_way(nodes, way, layer, synapses, bias)
            if change is None:
                return None
            changes |= change
    return _replace_nodes(graph, changes, "")


def _adopt_decay(
    nodes: Mapping[str, NirNode],
    layer: Layer,
    decay: float,
    dt: float,
    euler: bool,
    changes: Changes,
) -> Layer:
    """Give neurons the decay of the device, where they have another, at the same slope."""
    neurons, node = layer.neurons, nodes[layer.name]
    own = 1 - dt / neurons.tau if euler else np.exp(-dt / neurons.tau)
    if neurons.kind == "IF" or np.allclose(own, decay, rtol=ALIKE, atol=0):
        return layer
    constant = 1e9 if decay == 1 else dt / (1 - decay) if euler else -dt / np.log(decay)
    tau = np.full_like(neurons.tau, constant)
    name = "tau" if "tau" in node.fields else "tau_mem"
    stretched = tau / neurons.tau
    shape = node.fields[name].shape
    if node.fields[name].size == 1:
        tau, stretched = tau[:1], stretched[:1]
    r = node.fields["r"] * stretched.reshape(shape)
    changes[layer.name] = replace(node, fields={**node.fields, name: tau.reshape(shape), "r": r})
    return replace(layer, neurons=replace(neurons, tau=np.full_like(neurons.tau, tau.flat[0])))


def _return_way(
    nodes: Mapping[str, NirNode], way: Sequence[str], layer: Layer, wanted: Any, bias: Array
) -> Changes | None:
    """Find the one node of a way whose weights make its synapses what they are wanted to be."""
    weighted = [name for name in way if nodes[name].kind in WEIGHTED]
    if len(weighted) != 1:
        return None
    name = weighted[0]
    node = nodes[name]
    filled = {
        key: np.ones(node.fields[key].shape) for key in ("weight", "bias") if key in node.fields
    }
    probed = {**nodes, name: replace(node, fields={**node.fields, **filled})}
    source, shape = (layer.source, layer.shape) if way is layer.way else (layer.name, layer.own)
    unit = follow(source, shape, probed, way).synapses()
    kernel, ones = node.fields["weight"], unit.weights
    if not isinstance(ones, np.ndarray):
        wanted, ones = wanted[ones.tocoo().coords], ones.data
    elif not isinstance(wanted, np.ndarray):
        wanted = wanted.toarray()
    there = ones != 0
    values = np.divide(wanted, ones, out=np.zeros_like(wanted), where=there)
    if unit.cells is not None:
        held = unit.cells[there]
        count = np.bincount(held, minlength=kernel.size)
        mean = np.bincount(held, values[there], kernel.size) / np.maximum(count, 1)
        if abs(values[there] - mean[held]).max() > UNLIKE * abs(mean).max():
            return None
        new = np.where(count > 0, mean, kernel.reshape(-1)).reshape(kernel.shape)
    elif node.kind in ("Linear", "Affine"):
        new = np.where(there, values, kernel.T).T
    else:
        return None
    fields = {**node.fields, "weight": new.astype(np.float32)}
    kind = node.kind
    if "bias" in fields or bias.any():
        factors = np.ones_like(bias) if unit.bias is None else unit.bias
        own = np.divide(bias, factors, out=np.zeros_like(bias), where=factors != 0)
        own = own.reshape(len(kernel), -1).mean(axis=1)
        fields["bias"] = own.astype(np.float32)
        kind = "Affine" if kind == "Linear" else kind
    return {name: NirNode(kind, fields)}


def _replace_nodes(graph: NirGraph, changes: Changes, prefix: str) -> NirGraph:
    nodes = {}
    for name, node in graph.nodes.items():
        full = prefix + name
        if node.graph is not None:
            node = replace(node, graph=_replace_nodes(node.graph, changes, f"{full}."))
        nodes[name] = changes.get(full, node)
    return replace(graph, nodes=nodes)


def build_graph(nir: Any, graph: NirGraph, metadata: Mapping[str, Any]) -> Any:
    """Build a graph as the package `nir` has it."""
    nodes = {name: _build_node(nir, node) for name, node in graph.nodes.items()}
    return nir.NIRGraph(nodes, list(graph.edges), metadata=dict(metadata), type_check=False)


def _build_node(nir: Any, node: NirNode) -> Any:
    if node.graph is not None:
        return build_graph(nir, node.graph, {})
    fields: dict[str, Any] = dict(node.fields)
    if node.kind in ("Input", "Output"):
        key = node.kind.lower()
        return getattr(nir, node.kind)({key: fields["shape"]})
    for key in ARGUMENTS:
        if key in fields and (node.kind not in ("SumPool2d", "AvgPool2d") or not fields[key].ndim):
            plain = fields[key].tolist()
            fields[key] = tuple(plain) if isinstance(plain, list) else plain
    if node.kind == "Flatten":
        fields["input_type"] = {"input": fields.get("input_type")}
    return getattr(nir, node.kind)(**fields)
