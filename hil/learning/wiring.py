"""Action of a projection on activity and errors, by all synapses that there may be or by some."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil.one_pass import OnePass, parts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]
DENSE_ENOUGH = 0.03  # share of all pairs that have a synapse, from which a product of all is faster
MOST_PAIRS = 1 << 24  # of which it is held


def _add_outer(total: Matrix, column: Matrix, row: Matrix) -> None:
    for i in parts(len(total), row.size):
        for first in parts(1):
            for j in parts(row.size):
                total[i, j] += column[i, first] * row[j]


def _add_products(
    total: Matrix,
    before: Matrix,
    after: Matrix,
    pre: NDArray[np.int32],
    post: NDArray[np.int32],
) -> None:
    for sample in range(len(before)):
        for k in parts(total.size):
            total[k] += before[sample, pre[k]] * after[sample, post[k]]


add_outer = OnePass(_add_outer)
add_products = OnePass(_add_products)


class Wiring:
    """Synapses from each neuron to each: values of synapses are `(n_pre, n_post)`."""

    def operand(self, values: Matrix) -> Any:
        """The matrix `(n_pre, n_post)` of values of synapses, for products `x @ W`, `d @ W.T`."""
        return values

    def forward(self, activity: Matrix | csr_matrix, values: Matrix) -> Matrix:
        """Compute what activity or events `(..., n_pre)` bring to neurons, `(..., n_post)`."""
        return np.asarray(activity @ values)

    def correlate(self, before: Matrix | csr_matrix, after: Matrix) -> Matrix:
        """Sum over rows of activity `(R, n_pre)` times `(R, n_post)`, for each synapse."""
        # Of one sample, an outer product, which products of matrices are not made for.
        if len(after) == 1 and isinstance(before, np.ndarray):
            return before.T * after
        product: Matrix = before.T @ after
        return product

    def add_outer(self, total: Matrix, before: Matrix, after: Matrix) -> None:
        """Add the product of `(n_pre,)` and `(n_post,)` to values of synapses, in place."""
        add_outer(total, before[:, np.newaxis], after)

    def count_targets(self, values: Matrix) -> int:
        """Number of neurons that they lead to, n_post."""
        return int(values.shape[1])

    def at_sources(self, values: Matrix) -> Matrix:
        """Values of neurons `(n_pre,)` at the synapses that come from them, to broadcast."""
        return values[:, np.newaxis]

    def at_targets(self, values: Matrix) -> Matrix:
        """Values of neurons `(n_post,)` at the synapses that lead to them, to broadcast."""
        return values

    def average(self, values: Matrix) -> Matrix:
        """Mean over the synapses that lead to each neuron, `(n_post,)`; 0 without any."""
        mean: Matrix = values.mean(axis=0)
        return mean

    def sum_squares(self, values: Matrix) -> Matrix:
        """Sum over the synapses that lead to each neuron of their squares, `(n_post,)`."""
        squares: Matrix = np.einsum("ij,ij->j", values, values)
        return squares

    def as_matrix(self, values: Matrix) -> Matrix:
        """Values of synapses as an array `(n_pre, n_post)`, with zeros where there are none."""
        return values

    def mask(self, chosen: Matrix | None) -> Matrix | None:
        """1 where there is a chosen synapse, else 0, `(n_pre, n_post)`; None for 1 everywhere.

        Args:
            chosen: 1 or 0, as values of synapses; None for all.
        """
        return chosen


@dataclass(frozen=True, eq=False)
class SparseWiring(Wiring):
    """Some synapses, sorted by `pre`: values of synapses are `(n,)`.

    Attributes:
        pre: Where each comes from, `(n,)`.
        post: Where each leads to, `(n,)`.
        ends: Number of neurons before and after, `(n_pre, n_post)`.
    """

    pre: NDArray[np.int32]
    post: NDArray[np.int32]
    ends: tuple[int, int]

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        return np.searchsorted(self.pre, np.arange(self.ends[0] + 1))

    def operand(self, values: Matrix) -> Any:
        """As `Wiring` has it, in CSR."""
        from scipy.sparse import csr_matrix

        return csr_matrix((values, self.post, self._bounds), self.ends)

    def forward(self, activity: Matrix | csr_matrix, values: Matrix) -> Matrix:
        """As `Wiring` has it."""
        rows = activity
        if isinstance(activity, np.ndarray):
            rows = activity.reshape(-1, activity.shape[-1])
        arriving = rows @ self.operand(values)
        if not isinstance(arriving, np.ndarray):
            arriving = arriving.toarray()
        return np.ascontiguousarray(arriving).reshape(*activity.shape[:-1], self.ends[1])

    def correlate(self, before: Matrix | csr_matrix, after: Matrix) -> Matrix:
        """As `Wiring` has it; of all pairs at once where that is faster, else row after row."""
        if math.prod(self.ends) <= min(self.pre.size / DENSE_ENOUGH, MOST_PAIRS):
            return np.asarray(DENSE.correlate(before, after)[self.pre, self.post])
        rows = before if isinstance(before, np.ndarray) else before.toarray()
        total = np.zeros(self.pre.size, after.dtype)
        given = [np.ascontiguousarray(each, after.dtype) for each in (rows, after)]
        add_products(total, *given, self.pre, self.post)
        return total

    def add_outer(self, total: Matrix, before: Matrix, after: Matrix) -> None:
        """As `Wiring` has it."""
        total += self.at_sources(before) * self.at_targets(after)

    def count_targets(self, values: Matrix) -> int:
        """As `Wiring` has it."""
        return self.ends[1]

    def at_sources(self, values: Matrix) -> Matrix:
        """As `Wiring` has it."""
        return values[self.pre]

    def at_targets(self, values: Matrix) -> Matrix:
        """As `Wiring` has it."""
        return values[self.post]

    def average(self, values: Matrix) -> Matrix:
        """As `Wiring` has it."""
        many = np.bincount(self.post, minlength=self.ends[1])
        sums = np.bincount(self.post, values, self.ends[1])
        mean: Matrix = (sums / np.maximum(many, 1)).astype(values.dtype)
        return mean

    def sum_squares(self, values: Matrix) -> Matrix:
        """As `Wiring` has it."""
        return np.bincount(self.post, values**2, self.ends[1]).astype(values.dtype)

    def as_matrix(self, values: Matrix) -> Matrix:
        """As `Wiring` has it; synapses of the same pair add up."""
        matrix = np.zeros(self.ends, values.dtype)
        np.add.at(matrix, (self.pre, self.post), values)
        return matrix

    def mask(self, chosen: Matrix | None) -> Matrix | None:
        """As `Wiring` has it."""
        every = np.ones(self.pre.size, np.float32) if chosen is None else chosen
        return (self.as_matrix(every) > 0).astype(np.float32)


DENSE = Wiring()
