"""Tables with a name for each column, one of them the labels and all others features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.refusals import nearest
from hil.tasks import labels
from hil.tasks.formats import Address, Arrays, quote_option

OPTIONS = ("label", "drop")
USUAL = ("label", "labels", "target", "class", "y")  # names of the column of labels
SHOWN = 8  # columns that a refusal names
LONGEST_LABEL = 200  # characters
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-")  # in place of a number


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are used, and for what.

    Attributes:
        features: Positions of the features.
        label: Position of the labels.
        names: The name of every column.
        given: Address of the file.
    """

    features: tuple[int, ...]
    label: int
    names: tuple[str, ...]
    given: Address

    @classmethod
    def choose(cls, names: Sequence[str], given: Address) -> Columns:
        """Choose by the options of the address, and by what columns of labels are usually called.

        Raises:
            ValueError: When the columns have no names of their own, or none holds the labels.
        """
        file = given.file
        stripped = [name.strip() for name in names]
        names = [name or f"column{number}" for number, name in enumerate(stripped, 1)]
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise ValueError(f"{file}: column {twice[0]!r} is there twice: rename one")
        places = {name: place for place, name in enumerate(names)}
        dropped = given.texts("drop")
        for name in dropped:
            if name not in places:
                raise ValueError(f"{file}: drop={name}: {nearest(name, names)}")
            places.pop(name, None)
        if nameless := [name for name, place in places.items() if not stripped[place]]:
            without = given.suggest(drop=",".join(map(quote_option, [*dropped, *nameless])))
            raise ValueError(
                f"{file}: {nameless[0]} has no name, as an index that pandas writes: leave it out: "
                f"{without}"
            )
        label = places.pop(_find_label(given, list(places)))
        if not places:
            raise ValueError(f"{file}: has no column besides {names[label]!r}: give features, too")
        return cls(tuple(places.values()), label, tuple(names), given)

    def refuse_texts(self, texts: Mapping[int, str]) -> ValueError:
        """Say that features are no numbers.

        Args:
            texts: What stands there instead, by position.
        """
        shown = [f"{self.names[n]!r} ({what})" for n, what in list(texts.items())[:SHOWN]]
        more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
        one = len(texts) == 1
        return ValueError(
            f"{self.given.file}: column{'' if one else 's'} {', '.join(shown)}{more} "
            f"{'holds' if one else 'hold'} no numbers: leave {'it' if one else 'them'} out: "
            f"{self._suggest_without(texts)}"
        )

    def refuse_missing(self, position: int, where: str) -> ValueError:
        """Say that a value is not there.

        Args:
            position: Of its column.
            where: Its row.
        """
        name, file = self.names[position], self.given.file
        if position == self.label:
            return ValueError(f"{file}: {where}: no label in column {name!r}: leave such rows out")
        return ValueError(
            f"{file}: {where}: no value in column {name!r}: fill it in, or leave the column out: "
            f"{self._suggest_without([position])}"
        )

    def _suggest_without(self, positions: Mapping[int, str] | Sequence[int]) -> str:
        dropped = [*self.given.texts("drop"), *(self.names[n] for n in positions)]
        return self.given.suggest(drop=",".join(map(quote_option, dropped)))

    def arrays(self, x: NDArray[np.float64], y: Sequence[Any]) -> Arrays:
        """Give features `(N, n)` and N labels as the arrays of a file.

        Raises:
            ValueError: When these are no labels.
        """
        name, file = self.names[self.label], self.given.file
        longest = max((len(label) for label in y if isinstance(label, str)), default=0)
        if longest > LONGEST_LABEL:
            raise ValueError(
                f"{file}: column {name!r} holds texts of {longest} characters: name the column of "
                f"labels: {self.given.suggest(label='NAME')}"
            )
        try:
            y_train = labels.read_labels(y, f"column {name!r}")
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        names = np.asarray([self.names[n] for n in self.features])
        return {"x_train": x, "y_train": y_train, "feature_names": names}


def _find_label(given: Address, names: Sequence[str]) -> str:
    """Find the column of labels."""
    asked = given.text("label")
    if asked is not None:
        if asked not in names:
            raise ValueError(f"{given.file}: label={asked}: {nearest(asked, names)}")
        return asked
    usual = [name for name in names if name.lower() in USUAL]
    if len(usual) == 1:
        return usual[0]
    shown = ", ".join(names[:SHOWN]) + (f", ... {names[-1]}" if len(names) > SHOWN else "")
    guess = (usual or names or ["NAME"])[-1]
    raise ValueError(
        f"{given.file}: which column holds the labels? {', '.join(usual) if usual else shown}: "
        f"say so: {given.suggest(label=quote_option(guess))}"
    )
