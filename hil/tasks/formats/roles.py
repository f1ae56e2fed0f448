"""Arrays with names: which of them are samples, which labels, which lengths.

They are known by the names that they usually have, whatever the case and with `_`, `-` or nothing
between words. Options name the arrays where their names are others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from hil.tasks import arrays as own_arrays
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
