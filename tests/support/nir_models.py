"""Models of NIR to read, and an independent integration of NIR's equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from numpy.typing import NDArray

import drivers
from drivers import Network, Probe, Projection, Quantity, Stimulus
from hil.exchange import model

Array = NDArray[Any]
DT, TAU, TAU_SYNAPSE = 1e-3, 0.02, 0.005


def chain(
    path: Path,
    *nodes: Any,
    metadata: dict[str, Any] | None = None,
    packed: str | None = "gzip",
) -> Path:
    """Write nodes between an input and an output, each leading to the next."""
    first, last = nodes[0].input_type["input"], nodes[-1].output_type["output"]
    named = {"input": nir.Input({"input": first}), "output": nir.Output({"output": last})}
    inside = {f"{type(node).__name__.lower()}{k}": node for k, node in enumerate(nodes)}
    order = list(pairwise(["input", *inside, "output"]))
    notes = {"dt": DT} if metadata is None else metadata
    nir.write(path, nir.NIRGraph({**named, **inside}, order, metadata=notes), compression=packed)
    return path


def small(path: Path) -> Path:
    """A model with delays and one packed array, which is quick to read."""
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    chain(path, nir.Delay(np.full(3, 2 * DT)), nir.Linear(weights), lif(2), packed=None)
    with h5py.File(path, "a") as file:
        place = "node/nodes/linear1/weight"
        del file[place]
        file.create_dataset(place, data=weights, compression="gzip", shuffle=True)
    return path


def lif(n: int, tau: float = TAU, r: float = TAU / DT, leak: float = 0.0, at: float = 1.0) -> Any:
    """Neurons of which an input of 1 adds `r dt / tau` thresholds in a step, if nothing leaks."""
    one = np.ones(n)
    return nir.LIF(tau * one, r * one, leak * one, at * one, leak * one)


def cuba(n: int, r: float = TAU / DT) -> Any:
    """Neurons behind synapses with a time course."""
    one = np.ones(n)
    return nir.CubaLIF(TAU_SYNAPSE * one, TAU * one, r * one, 0 * one, one)


def linear(weights: Array) -> Any:
    """What leads from `n_pre` to `n_post`; NIR has the matrix the other way round."""
    return nir.Linear(np.ascontiguousarray(weights.T))


def affine(weights: Array, bias: Array) -> Any:
    """The same with a bias."""
    return nir.Affine(np.ascontiguousarray(weights.T), bias)


def recurrent(path: Path, layers: Sequence[tuple[Array, Any, Sequence[Any]]]) -> Path:
    """Write layers of a matrix, neurons, and what leads from these to themselves, if anything."""
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([len(layers[0][0])])})}
    back: list[tuple[str, str]] = []
    for k, (matrix, neurons, loop) in enumerate(layers):
        nodes |= {f"fc{k}": linear(matrix), f"cells{k}": neurons}
        inside = {f"back{k}{n}": node for n, node in enumerate(loop)}
        back += pairwise([f"cells{k}", *inside, f"cells{k}"]) if loop else []
        nodes |= inside
    chain_of = [name for name in nodes if not name.startswith("back")]
    nodes["output"] = nir.Output({"output": np.array([layers[-1][0].shape[1]])})
    edges = [*pairwise([*chain_of, "output"]), *back]
    nir.write(path, nir.NIRGraph(nodes, edges, metadata={"dt": DT}))
    return path


def spikes_of_equations(
    graph: Any,
    shown: Array,
    steps: int,
    fine: int = 100,
    back: Array | None = None,
) -> list[NDArray[np.float64]]:
    """Integrate the equations of a chain by Euler, in steps of `DT / fine`.

    A spike is an input of 1 that lasts `DT` from when it is fired on. Between neurons there is
    what `nir.Affine` and `nir.Linear` say.

    Args:
        graph: The graph, whose edges are in the order of the chain.
        shown: `(B, n)`, constant, or `(T, B, n)` step by step.
        steps: How many steps of `DT`.
        fine: Steps of the integration in each of them.
        back: From the first layer to itself, `(n, n)`.

    Returns:
        Spikes of each neuron in all, layer by layer, `(B, n_l)`.
    """
    h, batch = DT / fine, shown.shape[-2]
    nodes = [graph.nodes[name] for name, _ in graph.edges[1:]]
    cells = [node for node in nodes if hasattr(node, "v_threshold")]
    sizes = [(batch, len(cell.v_threshold)) for cell in cells]
    v = [np.zeros(size) + getattr(c, "v_leak", 0.0) for size, c in zip(sizes, cells, strict=True)]
    current, on, counts = ([np.zeros(size) for size in sizes] for _ in range(3))
    fired = [np.zeros((fine, *size)) for size in sizes]
    for step in range(steps * fine):
        x, number = shown[step // fine] if shown.ndim == 3 else shown, 0
        for node in nodes:
            if not hasattr(node, "v_threshold"):
                x = x @ node.weight.T.astype(float) + getattr(node, "bias", 0.0)
                continue
            if back is not None and number == 0:
                x = x + on[0] @ back
            if isinstance(node, nir.CubaLIF):
                synapse = current[number]
                synapse += h / node.tau_syn * (node.w_in * x - synapse)
                x = synapse
            if isinstance(node, nir.IF):
                v[number] += h * node.r * x
            else:
                tau = node.tau_mem if isinstance(node, nir.CubaLIF) else node.tau
                v[number] += h / tau * (node.v_leak - v[number] + node.r * x)
            z = v[number] > node.v_threshold
            v[number] = np.where(z, node.v_reset, v[number])
            counts[number] += z
            x = on[number].copy()
            on[number] += z - fired[number][step % fine]
            fired[number][step % fine] = z
            number += 1
    return counts


def spikes_on_device(
    path: str | Path, address: str, stimulus: Stimulus, bias: float = 0.0
) -> list[NDArray[np.float64]]:
    """Spikes of each neuron of a model on a device, layer by layer, `(B, n_l)`."""
    return [raster.sum(axis=0) for raster in rasters_on_device(path, address, stimulus, bias)]


def rasters_on_device(
    path: str | Path,
    address: str,
    stimulus: Stimulus,
    bias: float = 0.0,
    quantity: Quantity = "spikes",
) -> list[NDArray[np.float64]]:
    """The same step by step, or membranes, `(T, B, n_l)`."""
    found = model.read_model(str(path))
    source = model.NetworkInput(stimulus.kind != "spikes", bias)
    with drivers.open(address) as device:
        on = model.place_model(found, device.info, source, assumed=0.9)
        depth = len(found.layers)
        layers = (on.weights[0].shape[0], *(matrix.shape[1] for matrix in on.weights[:depth]))
        ways = list(pairwise(range(depth + 1)))
        ways += [(n, n) for n in range(1, depth if found.is_recurrent else 1)]
        laid = [Projection(*way, 100.0, late) for way, late in zip(ways, on.delays, strict=True)]
        network = Network.feed_forward(layers, settings=on.settings)
        device.configure(replace(network, projections=tuple(laid)))
        for projection, matrix in enumerate(on.weights):
            full = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
            device.write_weights(projection, full)
        probes = [Probe(k + 1, quantity) for k in range(depth)]
        seen = device.run(stimulus, probes, trial=0)
    return [seen.samples[probe].astype(np.float64) for probe in probes]
