"""Delays that a network has from its beginning on: drawn, or those that its weights came with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers import Network
from drivers.contract.arrays import select_prefix
from hil import streams

if TYPE_CHECKING:
    from hil.config import Config

Delay = int | NDArray[np.int64]
Begun = Mapping[str, NDArray[Any]] | None  # arrays of a start or a checkpoint


def of_network(config: Config, layers: tuple[int, ...], begun: Begun) -> list[Delay]:
    """Delay of each projection: those of what the network begins with, or drawn.

    Args:
        config: The configuration.
        layers: Sizes of the network, the input first.
        begun: Arrays of a start or a checkpoint, if any. Delays `delays/N` that do not fit count as
            none until `check` refuses them.
    """
    connections = config.network.connections
    if not config.network.delays:
        return [0] * len(connections)
    kept, draw = select_prefix(begun or {}, "delays/"), streams.generator(config.seed, "delays")
    found: list[Delay] = []
    for p, (source, target) in enumerate(connections):
        shape = layers[source], layers[target]
        if kept:
            found.append(_taken(kept.get(str(p)), shape, config.network.delays))
        elif target < len(layers) - 1:
            found.append(draw.integers(0, config.network.delays + 1, shape))
        else:
            found.append(0)
    return found


def _taken(array: NDArray[Any] | None, shape: tuple[int, int], longest: int) -> Delay:
    if array is None or not _are_delays(array, shape) or array.max() > longest:
        return 0
    return array.astype(np.int64) if array.ndim else int(array)


def kept(network: Network) -> dict[str, NDArray[np.uint16]]:
    """The delays of a network, `delays/N`, of those projections that have any."""
    delays = {f"delays/{p}": np.asarray(each.delay) for p, each in enumerate(network.projections)}
    return {name: each.astype(np.uint16) for name, each in delays.items() if each.any()}


def check(begun: Mapping[str, NDArray[Any]], config: Config, network: Network) -> None:
    """Refuse delays that `of_network` did not take.

    Args:
        begun: Arrays of a start or a checkpoint.
        config: The configuration.
        network: The network.

    Raises:
        ValueError: Naming the first that does not fit.
    """
    shapes = {str(p): shape for p, shape in enumerate(network.shapes)}
    longest = config.network.delays
    for name, each in select_prefix(begun, "delays/").items() if longest else ():
        if name not in shapes:
            raise ValueError(f"delays/{name[:60]} is not known here")
        if not _are_delays(each, shapes[name]):
            raise ValueError(
                f"delays/{name} is {each.dtype} {each.shape}, uint16 () or {shapes[name]} is meant"
            )
        if each.max() > longest:
            raise ValueError(
                f"delays/{name} are of up to {each.max()} steps, and network.delays is {longest}: "
                "give as many, or 0 for no delays"
            )


def _are_delays(array: NDArray[Any], shape: tuple[int, int]) -> bool:
    return array.dtype == np.uint16 and array.shape in ((), shape)
