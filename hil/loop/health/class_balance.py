"""What an accuracy is worth where classes are out of balance, and classes that are never answered.

A network that answers one class alone is as often right as that class is frequent. Balanced
accuracy, the mean recall of the classes, shows it (K. H. Brodersen et al. 2010, ICPR, 3121).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.statistics import proportion

UNEVEN = 1.25  # the majority's share, in those of equal classes, from which they are out of balance
NAMED = 20  # classes that are named one by one


@dataclass(frozen=True)
class Score:
    """How the test samples were answered.

    Attributes:
        right: How many were answered right.
        samples: How many there are.
        balanced_accuracy: Mean recall of the classes that have samples.
        majority: The class with most samples, the first of equals.
        majority_share: Its share of the samples: what answering it alone would reach.
        classes: Classes that have samples.
        never: Of these, the ones that no sample was answered by.
    """

    right: int
    samples: int
    balanced_accuracy: float
    majority: int
    majority_share: float
    classes: int
    never: tuple[int, ...]

    @classmethod
    def of(cls, predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> Score:
        """Hold answers against labels.

        Args:
            predicted: Class that each sample was answered by, `(N,)`.
            labels: Its class, `(N,)`, N at least 1.
        """
        counts = np.bincount(labels)
        present = np.flatnonzero(counts)
        hits = np.bincount(labels[predicted == labels], minlength=len(counts))
        return cls(
            right=int(hits.sum()),
            samples=len(labels),
            balanced_accuracy=float(np.mean(hits[present] / counts[present])),
            majority=int(counts.argmax()),
            majority_share=float(counts.max() / len(labels)),
            classes=len(present),
            never=tuple(int(c) for c in np.setdiff1d(present, predicted)),
        )

    @property
    def accuracy(self) -> float:
        """Share of the samples answered right."""
        return self.right / self.samples

    def final(self) -> dict[str, Any]:
        """As it stands in `result.json`."""
        return {
            "test_accuracy": self.accuracy,
            "test_accuracy_ci95": list(proportion(self.right, self.samples)),
            "balanced_accuracy": self.balanced_accuracy,
            "majority_share": self.majority_share,
            "classes_out_of_balance": self.majority_share * self.classes > UNEVEN,
        }

    def findings(self) -> list[str]:
        """A sentence for classes that are never answered, and one for an accuracy worth nothing."""
        found = []
        if self.never:
            named = ", ".join(map(str, self.never[:NAMED])) + ", ..." * (len(self.never) > NAMED)
            found.append(
                f"[test] class{'es' if len(self.never) > 1 else ''} {named} "
                f"{'are' if len(self.never) > 1 else 'is'} never answered: balanced accuracy is "
                f"{100 * self.balanced_accuracy:.2f} %; weigh the classes "
                "(training.class_weight=balanced), or train longer"
            )
        low, high = proportion(self.right, self.samples)
        if low <= self.majority_share:
            found.append(
                f"[test] test accuracy is not above the majority's share: "
                f"{100 * self.accuracy:.2f} % (95 %: {100 * low:.2f} to {100 * high:.2f}), where "
                f"answering class {self.majority} alone gives {100 * self.majority_share:.2f} %"
            )
        return found
