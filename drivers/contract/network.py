"""The network that a device is given: populations of neurons, and projections between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import Kind
from drivers.errors import CapacityError, SettingError


@dataclass(frozen=True)
class Population:
    """Neurons that share their nominal settings; a layer, where the network is feed-forward.

    Attributes:
        size: Number of neurons.
        settings: Nominal settings by name, in the units that `Neuron.settings` states.
        trims: Settings chosen for each neuron, where the device offers that: by name, `(size,)`.
    """

    size: int
    settings: Mapping[str, float] = field(default_factory=dict)
    trims: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Synapses:
    """Places of the synapses of a sparse projection, in the order of their weights.

    They are sorted by `pre`, then `post`, then delay (`np.lexsort` does that); two of the same pair
    differ in their delays.

    Attributes:
        pre: Number of the neuron that each comes from, `(n,)` int32.
        post: Number of the neuron that each leads to, `(n,)` int32.
    """

    pre: NDArray[np.int32]
    post: NDArray[np.int32]

    @property
    def size(self) -> int:
        """Number of synapses."""
        return self.pre.size

    def scatter(self, values: NDArray[Kind], shape: tuple[int, int]) -> NDArray[Kind]:
        """Put a value of each synapse, `(n,)`, into a matrix of zeros `(n_pre, n_post)`."""
        matrix = np.zeros(shape, values.dtype)
        matrix[self.pre, self.post] = values
        return matrix

    def gather(self, matrix: NDArray[Kind]) -> NDArray[Kind]:
        """Take the value of each synapse, `(n,)`, out of a matrix `(n_pre, n_post)`."""
        values: NDArray[Kind] = matrix[self.pre, self.post]
        return values

    def __deepcopy__(self, memo: object) -> Synapses:
        """Return itself: nothing in it changes, and there may be much of it."""
        return self


@dataclass(frozen=True)
class Projection:
    """Synapses from neurons of one population to those of another, or of the same.

    Without delay, events of the input act when `Timing.input` states, those of a population when
    `Timing.layer` states. Where that is the `same_step` and the source is not before the target,
    they come too late for their own step, and act before the test of the next one.

    Attributes:
        source: Number of the population that they come from; 0 is the input.
        target: Number of the population that they lead to, counted from 1.
        full_scale: Largest |weight| to be storable, in nominal thresholds; None leaves the choice
            to the device (its smallest full scale that is at least 1, or else its largest).
        delay: How many steps later than without it an event acts: one number, or one for each
            synapse, in the shape of the weights.
        synapses: Which synapses there are; None for one from each neuron to each.
    """

    source: int
    target: int
    full_scale: float | None = None
    delay: int | NDArray[np.int64] = 0
    synapses: Synapses | None = None


@dataclass(frozen=True)
class Network:
    """A network to be mapped on a device. `feed_forward` makes the usual kind.

    Population 0 is the input, the last one the output. Weights are written, and formats are
    stated, for projections in the order in which they stand.

    Attributes:
        inputs: Number of input channels.
        populations: The populations, number 1 first.
        projections: The projections.
    """

    inputs: int
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]

    @classmethod
    def feed_forward(
        cls,
        sizes: Sequence[int],
        full_scale: Sequence[float] = (),
        settings: Mapping[str, float] | None = None,
        trims: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    ) -> Network:
        """Layers in a chain, each projecting to the next without delay.

        Args:
            sizes: Size of each layer, the input first: `(n_0, n_1, ..., n_L)`.
            full_scale: Largest |weight| to be storable in each of the L projections, in nominal
                thresholds; empty leaves the choice to the device.
            settings: Nominal settings of all neurons, by name.
            trims: Settings chosen for each neuron: by name, one array `(n_l,)` for each of the L
                layers of neurons.

        Raises:
            CapacityError: For fewer or more full scales than projections, or no sizes.
            SettingError: For fewer or more arrays of a trim than layers.
        """
        depth = len(sizes) - 1
        if depth < 0:
            raise CapacityError("network without layers: give an input and at least one layer")
        if full_scale and len(full_scale) != depth:
            raise CapacityError(
                f"{len(full_scale)} full scales for {depth} projections: give one for each, or none"
            )
        for name, arrays in (trims or {}).items():
            if len(arrays) != depth:
                raise SettingError(
                    f"setting {name} for each neuron has {len(arrays)} arrays: give one for each "
                    f"of {depth} layers"
                )
        populations = tuple(
            Population(size, settings or {}, {n: arrays[k] for n, arrays in (trims or {}).items()})
            for k, size in enumerate(sizes[1:])
        )
        projections = tuple(
            Projection(p, p + 1, full_scale[p] if full_scale else None) for p in range(depth)
        )
        return cls(sizes[0], populations, projections)

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Size of the input and of each population: `(n_0, n_1, ..., n_L)`."""
        return (self.inputs, *(population.size for population in self.populations))

    @cached_property
    def depth(self) -> int:
        """Number of populations, which is that of projections where the network is a chain."""
        return len(self.populations)

    @cached_property
    def ends(self) -> list[tuple[int, int]]:
        """Number of neurons before and after each projection, `(n_pre, n_post)`."""
        return [(self.layers[p.source], self.layers[p.target]) for p in self.projections]

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of the weights of each projection: `(n_pre, n_post)`, or `(n,)` of a sparse one."""
        return [
            ends if p.synapses is None else (p.synapses.size,)
            for p, ends in zip(self.projections, self.ends, strict=True)
        ]

    def as_dense(self) -> Network:
        """The same with a synapse from each neuron to each, where sparse ones are to be written.

        Raises:
            CapacityError: Where two synapses lead from one neuron to the same other one.
        """
        projections = []
        for p, (each, ends) in enumerate(zip(self.projections, self.ends, strict=True)):
            delay, synapses = each.delay, each.synapses
            if synapses is not None:
                same = (np.diff(synapses.pre) == 0) & (np.diff(synapses.post) == 0)
                if same.any():
                    raise CapacityError(
                        f"projection {p} with two synapses between the same neurons: this device "
                        "has one between each two"
                    )
                if np.ndim(delay):
                    delay = synapses.scatter(np.asarray(delay), ends)
            projections.append(replace(each, delay=delay, synapses=None))
        return replace(self, projections=tuple(projections))

    @cached_property
    def full_scale(self) -> tuple[float, ...]:
        """Full scale of each projection of a network that a device was given."""
        return tuple(p.full_scale for p in self.projections if p.full_scale is not None)

    @property
    def settings(self) -> Mapping[str, float]:
        """Settings of all neurons, where no population has other ones than the first."""
        return self.populations[0].settings

    @property
    def trims(self) -> dict[str, list[NDArray[np.float32]]]:
        """By name, what is chosen for each neuron: one array `(n_l,)` for each population."""
        return {
            name: [population.trims[name] for population in self.populations]
            for name in self.populations[0].trims
        }

    def values(self, name: str) -> list[NDArray[np.float32]]:
        """A setting as each neuron is to have it, trimmed or not.

        Args:
            name: Its name.

        Returns:
            One array `(n_l,)` for each population.
        """
        return [
            np.asarray(p.trims.get(name, np.full(p.size, p.settings[name])), np.float32)
            for p in self.populations
        ]

    @property
    def is_chain(self) -> bool:
        """Tell whether each population projects to the next and to nothing else, in order."""
        ends = [(projection.source, projection.target) for projection in self.projections]
        return ends == list(pairwise(range(len(self.populations) + 1)))
