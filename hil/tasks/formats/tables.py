"""Tables: which columns are features, which holds the labels, and what no table may lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers.errors import nearest
from hil.tasks import labels
from hil.tasks.formats import Address, Arrays, quote_option

if TYPE_CHECKING:
    import pandas

OPTIONS = ("label", "drop")
LABEL_COLUMNS = ("label", "labels", "target", "class", "y")  # names of the column of labels
SHOWN = 8  # columns that a refusal names
LONGEST_LABEL = 200  # characters
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-")  # in place of a number


@dataclass(frozen=True)
class Columns:
    """Columns of a table that are used, and for what.

    Attributes:
        features: Names of the features.
        label: Name of the column of labels; empty where none are read.
        given: Address of the file.
    """

    features: list[str]
    label: str
    given: Address

    @classmethod
    def choose(cls, names: Sequence[str], given: Address) -> Columns:
        """Choose by the options of the address, and by what columns of labels are usually called.

        Args:
            names: The name of every column, as `name_columns` gives them.
            given: The address.

        Raises:
            ValueError: When one is there twice, or has no name, or none holds the labels.
        """
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"column {twice[0]!r} is there twice: rename one")
        dropped = given.texts("drop")
        for name in dropped:
            if name not in names and given.is_labelled:
                raise ValueError(f"drop={name}: {nearest(name, names)}")
        left = [name for name in names if name not in {*dropped}]
        label = _find_label(given, left) if given.is_labelled else ""
        if not given.is_labelled:
            usual = [name for name in left if name.lower() in LABEL_COLUMNS]
            asked = given.text("label")
            left = [name for name in left if name not in ([asked] if asked else usual)]
        features = [name for name in left if name != label]
        if not features:
            raise ValueError(f"has no column besides {label or names!r}: give features, too")
        return cls(features, label, given)

    def refuse_texts(self, texts: Mapping[str, str]) -> ValueError:
        """Say that features are no numbers.

        Args:
            texts: What stands there instead, by name.
        """
        some = [f"{name!r} ({what})" for name, what in list(texts.items())[:SHOWN]]
        more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
        return ValueError(
            f"no numbers in {', '.join(some)}{more}: leave such columns out: "
            f"{suggest_without(self.given, [*texts])}"
        )

    def arrays(self, table: pandas.DataFrame) -> Arrays:
        """Give features `(N, n)` and N labels as the arrays of a file.

        Args:
            table: The columns; its index says where each row stands in the file, and the name of
                that what it counts.

        Raises:
            ValueError: When there are none, or a value is missing, or these are no labels.
        """
        x = table[self.features].to_numpy(np.float64)
        for row, column in np.argwhere(~np.isfinite(x))[:1]:
            name = self.features[column]
            raise ValueError(
                f"{table.index.name} {table.index[row]}: no value in column {name!r}: fill it in, "
                f"or leave the column out: {suggest_without(self.given, [name])}"
            )
        named = {"x_train": x, "feature_names": np.asarray(self.features)}
        if not self.label:
            return named
        y = table[self.label]
        for row in np.flatnonzero(y.isna().to_numpy())[:1]:
            where = f"{table.index.name} {table.index[row]}"
            raise ValueError(f"{where}: no label in column {self.label!r}: leave such rows out")
        texts: list[Any] = y.tolist()
        longest = max((len(label) for label in texts if isinstance(label, str)), default=0)
        if longest > LONGEST_LABEL:
            raise ValueError(
                f"column {self.label!r} holds texts of {longest} characters: name the column of "
                f"labels: {self.given.suggest(label='NAME')}"
            )
        y_train = labels.read_labels(texts, f"column {self.label!r}")
        return {**named, "y_train": y_train, "label_name": np.asarray(self.label)}


def name_columns(names: Sequence[str], given: Address) -> list[str]:
    """Name every column, by its number where it has no name.

    Raises:
        ValueError: For such a column that is not left out, as the index that pandas writes.
    """
    complete = [name.strip() or f"column{number}" for number, name in enumerate(names, 1)]
    dropped = given.texts("drop")
    for name, own in zip(complete, names, strict=True):
        if not own.strip() and name not in dropped:
            raise ValueError(
                f"{name} has no name, as an index that pandas writes: leave it out: "
                f"{suggest_without(given, [name])}"
            )
    return complete


def suggest_without(given: Address, names: Sequence[str]) -> str:
    """Write an address without columns."""
    return given.suggest(drop=",".join(map(quote_option, [*given.texts("drop"), *names])))


def _find_label(given: Address, names: Sequence[str]) -> str:
    """Find the column of labels."""
    asked = given.text("label")
    usual = [name for name in names if name.lower() in LABEL_COLUMNS]
    if asked is None and len(usual) == 1:
        return usual[0]
    if asked is None:
        some = [*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])]
        guess = (usual or names or ["NAME"])[-1]
        raise ValueError(
            f"which column holds the labels? {', '.join(usual or some)}: say so: "
            f"{given.suggest(label=quote_option(guess))}"
        )
    if asked not in names:
        raise ValueError(f"label={asked}: no such column: {nearest(asked, names)}")
    return asked
