"""`SpikingRegressor`: a network that gives numbers, trained on a device, for scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from hil.classifier import SpikingEstimator
from hil.tasks.preparation import name_targets


class SpikingRegressor(RegressorMixin, SpikingEstimator):  # type: ignore[misc]
    """A spiking network that gives real numbers: see `SpikingEstimator`.

    Each output aims at a number by what drives it: its spikes, and its membrane where the device
    shows it. The range of the training targets is that from rest to a spike in every step; numbers
    beyond it are given as far as the neuron goes.
    """

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn once from further samples: `fit_batches` of them alone.

        Args:
            X: Features, `(N, n)`, or `(N, ...)` as `layout` says.
            y: Targets, `(N,)` or `(N, K)`.
        """
        return self.fit_batches([(X, y)])

    def fit_batches(self, batches: Iterable[Any]) -> Self:
        """Go once through batches, as `SpikingClassifier.fit_batches` does.

        The first of all decides how targets are scaled, too.

        Args:
            batches: Gives pairs `(X, y)`.
        """
        return self._learn(batches)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The numbers for each sample, `(N,)` or `(N, K)` as the targets were.

        Args:
            X: Features, `(N, n)`, or `(N, ...)` as `layout` says.
        """
        return self._answer(self._scores(X))

    def _answer(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        numbers = self._preparation.read_outputs(scores)
        return numbers[:, 0] if self._is_flat else numbers

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that there may be several targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _validate(
        self, X: ArrayLike, y: ArrayLike, *, reset: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        nd = self.layout is not None
        given: dict[str, Any] = {"dtype": np.float64, "allow_nd": nd, "reset": reset}
        x, targets = validate_data(self, X, y, multi_output=True, y_numeric=True, **given)
        self._is_flat = targets.ndim == 1
        return x, targets.reshape(len(x), -1).astype(np.float64)

    def _name_outputs(
        self, targets: NDArray[Any], *classes: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        return name_targets(targets)

    def _encode(self, targets: NDArray[Any]) -> NDArray[np.float32]:
        return self._preparation.scale_targets(targets)
