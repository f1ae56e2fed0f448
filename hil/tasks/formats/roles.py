"""Arrays with names: which of them are samples, which labels, which lengths.

They are known by the names that they usually have, whatever the case and with `_`, `-` or nothing
between words. Options name those that are called otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hil.tasks.formats import Address, Arrays, quote_option

_OF = "x xs seq seqs sequence sequences signal signals event events sample samples"
# What arrays of each role are called, beside a word for their part, which `train` may lack; lengths
# and offsets may name what is long, too.
STEMS = {
    "x": "x data image images img imgs feature features sample samples input inputs signal signals "
    "sequence sequences series event events spike spikes",
    "y": "y label labels lbl lbls target targets class classes",
    "lengths": "length lengths len lens",
    "offsets": "offset offsets indptr start starts",
}
OWNERS = {"lengths": ["", *_OF.split()], "offsets": ["", *_OF.split()]}
PARTS = {"train": "train training", "test": "test testing", "validation": "validation valid val"}
OTHERS = {
    "class_names": "class_names label_names target_names",
    "feature_names": "feature_names channel_names",
    "layout": "layout",
    "problem": "problem",
    "bins": "bins",
}
SHOWN = 12  # names of arrays that a refusal repeats


def _list_usual_names() -> Iterator[tuple[str, str]]:
    """List pairs of a usual array name, in lower case, and its role and part, such as `x_train`."""
    yield from (("nevents", "lengths_train"), ("nsteps", "lengths_train"))
    for (role, stems), (part, words) in product(STEMS.items(), PARTS.items()):
        for owner, stem, word in product(OWNERS.get(role, [""]), stems.split(), words.split()):
            for usual in (owner + stem + word, word + owner + stem, owner + word + stem):
                yield usual, f"{role}_{part}"
            if part == "train":
                yield owner + stem, f"{role}_{part}"


USUAL = dict(_list_usual_names())
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
    usual = {name: USUAL.get(name.lower().replace("_", "").replace("-", "")) for name in names}
    roles: dict[str, str] = {}
    for role in ROLES:
        matching = [name for name in names if usual[name] == role]
        if (asked := given.text(role)) is not None:
            if asked not in names:
                raise ValueError(f"holds no {asked!r}, but {_list_names(names)}")
            matching = [asked]
        if len(matching) > 1:
            ways = [given.suggest(**{role: quote_option(name)}) for name in matching[:2]]
            raise ValueError(
                f"{_list_names(matching)} may all be {role}: say which one is: {' or '.join(ways)}"
            )
        if matching:
            roles[role] = matching[0]
    # No samples without labels, or the other way round.
    parts = [part for part in PARTS if part == "train" or {f"x_{part}", f"y_{part}"} & {*roles}]
    keys = "xy" if given.is_labelled else "x"
    missing = [f"{key}_{part}" for part in parts for key in keys if f"{key}_{part}" not in roles]
    if missing:
        unused = [quote_option(name) for name in names if name not in roles.values()]
        ways = [*unused, *["NAME"] * len(missing)]
        raise ValueError(
            f"holds no {', '.join(missing)}, but {_list_names(names)}: name "
            f"{'it' if len(missing) == 1 else 'them'} so, or say which: "
            f"{given.suggest(**dict(zip(missing, ways, strict=False)))}"
        )
    others = {
        role: [name for name in names if name in words.split()] for role, words in OTHERS.items()
    }
    return roles | {role: matching[-1] for role, matching in others.items() if matching}


def arrange(given: Address, roles: Mapping[str, str], stored: Arrays) -> Arrays:
    """Give the arrays of a file by role and part, with what the address says of them.

    Args:
        given: The address.
        roles: The name of each, as `assign_roles` gives them.
        stored: The arrays by their names.

    Raises:
        ValueError: When offsets are none.
    """
    arrays = {role: stored[name] for role, name in roles.items()}
    if (layout := given.text("layout")) is not None:
        arrays["layout"] = np.asarray(layout)
    if (bins := given.text("bins")) is not None:
        arrays["bins"] = np.asarray(int(bins) if bins.isdecimal() and len(bins) < 10 else bins)
    for role in ("class_names", "feature_names"):
        if role in arrays and arrays[role].dtype.kind in "biu":
            arrays[role] = arrays[role].astype(str)  # as scikit-learn names digits
    for part in PARTS:
        offsets = arrays.pop(f"offsets_{part}", None)
        if offsets is not None and f"x_{part}" in arrays and f"lengths_{part}" not in arrays:
            end = len(np.atleast_1d(arrays[f"x_{part}"]))
            is_whole = offsets.ndim == 1 and offsets.dtype.kind in "iu" and offsets.size
            begun = offsets.size - bool(is_whole and offsets[-1] == end)
            labels = arrays.get(f"y_{part}")
            samples = begun if labels is None else len(np.atleast_1d(labels))
            arrays[f"lengths_{part}"] = _find_lengths(offsets, samples, end, f"offsets_{part}")
    return arrays


def _find_lengths(
    offsets: NDArray[np.generic], samples: int, end: int, name: str
) -> NDArray[np.int64]:
    """Find lengths from where each signal begins, with or without the end of the last one."""
    whole = offsets.ndim == 1 and offsets.dtype.kind in "iu"
    starts = offsets.astype(np.int64) if whole else np.empty(0, np.int64)
    if len(starts) == samples:
        starts = np.append(starts, end)
    if len(starts) != samples + 1 or starts[0] != 0 or starts[-1] != end:
        raise ValueError(
            f"{name} are not where {samples} samples begin in {end} rows: give whole numbers from "
            "0, or lengths"
        )
    return np.diff(starts)


def _list_names(names: Sequence[str]) -> str:
    """List names as a refusal repeats them."""
    some = ", ".join(name[:40] for name in names[:SHOWN]) or "nothing"
    return some + (f", ... ({len(names)} in all)" if len(names) > SHOWN else "")
