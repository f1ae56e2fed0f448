"""Arrays and columns with names: which of them are samples, which labels, which lengths.

They are known by the names that they usually have, arrays whatever the case and with `_`, `-` or
nothing between words. Options name those that are called otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.refusals import nearest
from hil.tasks import arrays as own_arrays
from hil.tasks import labels
from hil.tasks.formats import Address, Arrays, quote_option

OWNERS = " x xs seq seqs sequence sequences signal signals event events sample samples"
# What arrays of each role are called, beside a word for their part, which `train` may lack.
STEMS = {
    "x": "x data image images img imgs feature features sample samples input inputs signal signals "
    "sequence sequences series event events spike spikes",
    "y": "y label labels lbl lbls target targets class classes",
    "lengths": "length lengths len lens",  # after the name of what is long, or nothing
    "offsets": "offset offsets indptr start starts",  # likewise
}
WHOLE = {"nevents": "lengths_train", "nsteps": "lengths_train"}
PARTS = {"train": "train training", "test": "test testing", "validation": "validation valid val"}
OTHERS = {
    "class_names": "class_names label_names target_names",
    "feature_names": "feature_names channel_names",
    "layout": "layout",
    "bins": "bins",
}
SHOWN = 12  # names of arrays that a refusal repeats


def _list_usual_names() -> dict[str, str]:
    """List the usual names of each role and part, in lower case and as one word."""
    roles = dict(WHOLE)
    for (role, stems), (part, words) in product(STEMS.items(), PARTS.items()):
        owners = OWNERS.split(" ") if role in ("lengths", "offsets") else [""]
        for owner, stem, word in product(owners, stems.split(), words.split()):
            usual = [owner + stem + word, word + owner + stem, owner + word + stem]
            roles |= dict.fromkeys(usual, f"{role}_{part}")
            if part == "train":
                roles[owner + stem] = f"{role}_{part}"
    return roles


USUAL = _list_usual_names()
ROLES = tuple(f"{role}_{part}" for role, part in product(STEMS, PARTS))
OPTIONS = (*ROLES, "layout", "bins")


def assign_roles(given: Address, names: Sequence[str]) -> dict[str, str]:
    """Find the array of each role and part that a file has.

    Args:
        given: The address of the file.
        names: Names of its arrays.

    Returns:
        The name of an array by role and part, such as `x_train`.

    Raises:
        ValueError: When it lacks one, or has two for one role.
    """
    usual: dict[str, list[str]] = {}
    for name in names:
        role = USUAL.get(name.lower().replace("_", "").replace("-", ""))
        usual.setdefault(role or "", []).append(name)
    roles: dict[str, str] = {}
    for role in ROLES:
        asked, matching = given.text(role), usual.get(role, [])
        if asked is not None and asked not in names:
            raise ValueError(f"{given.file}: holds no {asked!r}, but {list_names(names)}")
        if asked is None and len(matching) > 1:
            ways = [given.suggest(**{role: quote_option(name)}) for name in matching[:2]]
            raise ValueError(
                f"{given.file}: {list_names(matching)} may all be {role}: say which one is: "
                f"{' or '.join(ways)}"
            )
        if asked is not None or matching:
            roles[role] = matching[0] if asked is None else asked
    needed = ["x_train", "y_train"]  # and no samples without labels, or the other way round
    for part in ("test", "validation"):
        both = [f"x_{part}", f"y_{part}"]
        needed += both if {*both} & {*roles} else []
    missing = [role for role in needed if role not in roles]
    if missing:
        unused = [quote_option(name) for name in names if name not in roles.values()]
        ways = [*unused, *["NAME"] * len(missing)]
        raise ValueError(
            f"{given.file}: holds no {', '.join(missing)}, but {list_names(names)}: name "
            f"{'it' if len(missing) == 1 else 'them'} so, or say which: "
            f"{given.suggest(**dict(zip(missing, ways, strict=False)))}"
        )
    others = {role: [n for n in names if n in usual.split()] for role, usual in OTHERS.items()}
    return roles | {role: matching[-1] for role, matching in others.items() if matching}


def arrange(given: Address, roles: Mapping[str, str], stored: Arrays) -> Arrays:
    """Give the arrays of a file by role and part, with what the address says of them.

    Args:
        given: The address.
        roles: The name of each, as `assign_roles` gives them.
        stored: The arrays by their names.

    Raises:
        ValueError: When an option is none, or offsets are none.
    """
    arrays = {role: stored[name] for role, name in roles.items()}
    for option in ("layout", "bins"):
        if (asked := given.text(option)) is not None:
            is_number = option == "bins" and asked.isdecimal() and len(asked) < 10
            arrays[option] = np.asarray(int(asked) if is_number else asked)
    for role in ("class_names", "feature_names"):
        if role in arrays and arrays[role].dtype.kind in "biu":
            arrays[role] = arrays[role].astype(str)  # as scikit-learn names digits
    for part in PARTS:
        offsets = arrays.pop(f"offsets_{part}", None)
        if offsets is not None and f"x_{part}" in arrays:
            arrays.setdefault(f"lengths_{part}", _find_lengths(given, offsets, arrays, part))
    return own_arrays.name_event_columns(arrays)


def _find_lengths(given: Address, offsets: Any, arrays: Arrays, part: str) -> Any:
    """Find lengths from where each signal begins, with or without the end of the last one."""
    samples, end = (len(np.atleast_1d(arrays[f"{key}_{part}"])) for key in "yx")
    whole = offsets.ndim == 1 and offsets.dtype.kind in "iu"
    if whole and len(offsets) == samples:
        offsets = np.append(offsets.astype(np.int64), end)
    if not whole or len(offsets) != samples + 1 or offsets[0] != 0 or offsets[-1] != end:
        raise ValueError(
            f"{given.file}: offsets_{part} are not where {samples} samples begin in {end} rows: "
            "give whole numbers from 0, or lengths"
        )
    return np.diff(offsets.astype(np.int64))


def list_names(names: Sequence[str]) -> str:
    """List names as a refusal repeats them."""
    shown = ", ".join(name[:40] for name in names[:SHOWN]) or "nothing"
    return shown + (f", ... ({len(names)} in all)" if len(names) > SHOWN else "")


COLUMN_OPTIONS = ("label", "drop")
LABEL_COLUMNS = ("label", "labels", "target", "class", "y")  # names of the column of labels
SHOWN_COLUMNS = 8  # that a refusal names
LONGEST_LABEL = 200  # characters
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-")  # in place of a number


@dataclass(frozen=True)
class Columns:
    """Columns of a table that are used, and for what.

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
        shown = [f"{self.names[n]!r} ({what})" for n, what in list(texts.items())[:SHOWN_COLUMNS]]
        more = f" and {len(texts) - SHOWN_COLUMNS} more" if len(texts) > SHOWN_COLUMNS else ""
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
    usual = [name for name in names if name.lower() in LABEL_COLUMNS]
    if len(usual) == 1:
        return usual[0]
    shown = ", ".join(names[:SHOWN_COLUMNS]) + (
        f", ... {names[-1]}" if len(names) > SHOWN_COLUMNS else ""
    )
    guess = (usual or names or ["NAME"])[-1]
    raise ValueError(
        f"{given.file}: which column holds the labels? {', '.join(usual) if usual else shown}: "
        f"say so: {given.suggest(label=quote_option(guess))}"
    )
