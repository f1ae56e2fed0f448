"""Tables with a name for each column, one of them the labels and all others features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.refusals import nearest
from hil.tasks.formats.format import Address, Arrays, quoted
from hil.tasks.samples import labels

OPTIONS = ("label", "drop")
USUAL = ("label", "labels", "target", "class", "y")  # names of the column of labels
SHOWN = 8  # columns that a refusal names
LONG = 200  # characters that no label has
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
    def of(cls, names: Sequence[str], given: Address) -> Columns:
        """Choose by the options of the address, and by what columns of labels are usually called.

        Raises:
            ValueError: When the columns have no names of their own, or none holds the labels.
        """
        named = [name.strip() for name in names]
        names = [name or f"column{number}" for number, name in enumerate(named, 1)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{given.file}: column {twice[0]!r} is there twice: rename one")
        dropped = given.texts("drop")
        for name in dropped:
            if name not in names:
                raise ValueError(f"{given.file}: drop={name}: {nearest(name, names)}")
        left = [name for name in names if name not in dropped]
        if nameless := [name for name in left if name not in named]:
            raise ValueError(
                f"{given.file}: {nameless[0]} has no name, as an index that pandas writes: leave "
                f"it out: {_line(given, drop=','.join(map(quoted, [*dropped, *nameless])))}"
            )
        label = _label_column(given, left)
        features = tuple(n for n, name in enumerate(names) if name in left and name != label)
        if not features:
            raise ValueError(f"{given.file}: has no column besides {label!r}: give features, too")
        return cls(features, names.index(label), tuple(names), given)

    def dropping(self, positions: Sequence[int]) -> str:
        """The address that leaves columns out."""
        left_out = [*self.given.texts("drop"), *(self.names[n] for n in positions)]
        return _line(self.given, drop=",".join(map(quoted, left_out)))

    def refuse_text(self, found: Mapping[int, str]) -> ValueError:
        """What to say of features that are no numbers.

        Args:
            found: What stands there instead, by position.
        """
        shown = [f"{self.names[n]!r} ({what})" for n, what in list(found.items())[:SHOWN]]
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        one = len(found) == 1
        return ValueError(
            f"{self.given.file}: column{'' if one else 's'} {', '.join(shown)}{more} "
            f"{'holds' if one else 'hold'} no numbers: leave {'it' if one else 'them'} out: "
            f"{self.dropping(list(found))}"
        )

    def refuse_missing(self, position: int, where: str) -> ValueError:
        """What to say of a value that is not there.

        Args:
            position: Of its column.
            where: Its row.
        """
        name, file = self.names[position], self.given.file
        if position == self.label:
            return ValueError(f"{file}: {where}: no label in column {name!r}: leave such rows out")
        return ValueError(
            f"{file}: {where}: no value in column {name!r}: fill it in, or leave the column out: "
            f"{self.dropping([position])}"
        )

    def arrays(self, x: NDArray[np.float64], y: Sequence[Any]) -> Arrays:
        """Features and labels as the arrays of a file.

        Args:
            x: `(N, n)` features.
            y: N labels.

        Raises:
            ValueError: When these are no labels.
        """
        name = self.names[self.label]
        longest = max((label for label in y if isinstance(label, str)), key=len, default="")
        if len(longest) > LONG:
            raise ValueError(
                f"{self.given.file}: column {name!r} holds texts of {len(longest)} characters: "
                f"name the column of labels: {_line(self.given, label='NAME')}"
            )
        try:
            return {
                "x_train": x,
                "y_train": labels.plain(y, f"column {name!r}"),
                "feature_names": np.asarray([self.names[n] for n in self.features]),
            }
        except ValueError as error:
            raise ValueError(f"{self.given.file}: {error}") from None


def _label_column(given: Address, names: Sequence[str]) -> str:
    """The name of the column of labels."""
    asked = given.text("label")
    if asked is not None:
        if asked not in names:
            raise ValueError(f"{given.file}: label={asked}: {nearest(asked, names)}")
        return asked
    usual = [name for name in names if name.lower() in USUAL]
    if len(usual) == 1:
        return usual[0]
    guess = (usual or names or ["NAME"])[-1]
    shown = ", ".join(names[:SHOWN]) + (f", ... {names[-1]}" if len(names) > SHOWN else "")
    raise ValueError(
        f"{given.file}: which column holds the labels? {', '.join(usual) if usual else shown}: "
        f"say so: {_line(given, label=quoted(guess))}"
    )


def is_missing(text: str) -> bool:
    """Whether a text stands for no number."""
    return text.strip().lower() in MISSING


def read_labels(texts: Sequence[str]) -> Sequence[Any]:
    """Labels that were written as texts: as whole numbers or floats where all of them are."""
    kinds: tuple[type, ...] = (int, float)
    for kind in kinds:
        try:
            return [kind(text) for text in texts]
        except ValueError:
            continue
    return texts


def _line(given: Address, **options: str) -> str:
    """An address with other options, as it is written in a shell."""
    return quote(str(given.having(**options)))
