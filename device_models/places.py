"""Places of the synapses of a projection: all pairs of neurons, or some of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Places:
    """Pairs of neurons that the synapses of a projection join.

    Attributes:
        ends: Number of neurons before and after, `(n_pre, n_post)`.
        pre: Where each synapse comes from, `(n,)` int32, ascending; None for one of each pair.
        post: Where each leads to, `(n,)` int32, ascending among those of the same `pre`.
    """

    ends: tuple[int, int]
    pre: NDArray[np.int32] | None = None
    post: NDArray[np.int32] | None = None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of values of synapses: `(n_pre, n_post)`, or `(n,)` of some pairs."""
        return self.ends if self.pre is None else self.pre.shape

    @cached_property
    def size(self) -> int:
        """Number of synapses."""
        return math.prod(self.shape)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number of the pair of each synapse among all pairs, in C order, `(n,)`."""
        if self.pre is None or self.post is None:
            return np.arange(self.size)
        return self.pre.astype(np.int64) * self.ends[1] + self.post

    def find_pairs(
        self, synapses: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Find where synapses of some numbers come from and lead to."""
        if self.pre is None or self.post is None:
            pre, post = divmod(synapses, self.ends[1])
            return pre.astype(np.int32), post.astype(np.int32)
        return self.pre[synapses], self.post[synapses]

    def gather(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Values of synapses out of those of all pairs, `(n_pre, n_post)`."""
        return matrix if self.pre is None else matrix[self.pre, self.post]

    def repeat(self, times: int) -> Places:
        """As many cells for each synapse: all first ones before all second ones."""
        ends = (times * self.ends[0], self.ends[1])
        if self.pre is None or self.post is None:
            return Places(ends)
        turns = [self.pre + np.int32(turn * self.ends[0]) for turn in range(times)]
        return Places(ends, np.concatenate(turns), np.tile(self.post, times))
