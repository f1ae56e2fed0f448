"""Samples from a numpy archive: `npz:FILE`.

Its arrays are known by the names that they usually have: `x_train`, `train_images`, `X`, `data` and
the like for features, `y_train`, `train_labels`, `target` and the like for labels. An archive may
bring a test and a validation part. Options name the arrays where their names are others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote

import numpy as np

from drivers.contract.errors import FileFormatError
from drivers.contract.files.archives import array_header, array_names, read_arrays
from hil.tasks.formats.format import Address, Arrays, Format, quoted

_STEMS = {
    "x": "x|data|images?|imgs?|features?|samples?|inputs?",
    "y": "y|labels?|lbls?|targets?|class|classes",
}
_PARTS = {"train": "train|training", "test": "test|testing", "validation": "validation|valid|val"}
_OTHERS = {
    "class_names": ("class_names", "label_names", "target_names"),
    "feature_names": ("feature_names",),
    "layout": ("layout",),
}
SHOWN = 12  # names of arrays that a refusal repeats


def _patterns() -> Mapping[str, re.Pattern[str]]:
    """What the arrays of each role and part are usually called."""
    found = {}
    for role, stem in _STEMS.items():
        for part, word in _PARTS.items():
            either = rf"(?:{stem})[_-]?(?:{word})|(?:{word})[_-]?(?:{stem})"
            alone = rf"|{stem}" if part == "train" else ""
            found[f"{role}_{part}"] = re.compile(f"(?:{either}{alone})", re.IGNORECASE)
    return found


_ROLES = _patterns()


def read(given: Address) -> Arrays:
    """Read an archive.

    Args:
        given: Its address.

    Returns:
        The arrays by role and part.

    Raises:
        ValueError: When it is no archive, or lacks an array, or has two for one role.
    """
    names = _names(given)
    for role, array in names.items():
        if role in _ROLES:
            _check_kind(given, role, array)
    try:
        found = read_arrays(given.path, set(names.values()), deflated=True)
    except FileFormatError as error:
        raise _no_archive(error) from None
    layout = given.text("layout")
    asked = {} if layout is None else {"layout": np.asarray(layout)}
    arrays = {role: found[array] for role, array in names.items()} | asked
    for role in ("class_names", "feature_names"):
        if role in arrays and arrays[role].dtype.kind in "biu":
            arrays[role] = arrays[role].astype(str)  # as scikit-learn names digits
    return arrays


def shapes(given: Address) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the features by part; nothing else is read.

    Raises:
        ValueError: As for `read`.
    """
    wanted = {role: array for role, array in _names(given).items() if role[0] == "x"}
    return {role: array_header(given.path, array)[0] for role, array in wanted.items()}


def _names(given: Address) -> dict[str, str]:
    """The name of the array of each role and part that the archive has."""
    try:
        there = array_names(given.path)
    except FileFormatError as error:
        raise _no_archive(error) from None
    found: dict[str, str] = {}
    for role, pattern in _ROLES.items():
        asked = given.text(role)
        matching = [name for name in there if pattern.fullmatch(name)]
        if asked is not None and asked not in there:
            raise ValueError(f"{given.file}: holds no {asked!r}, but {_told(there)}")
        if asked is None and len(matching) > 1:
            ways = " or ".join(_line(given, {role: quoted(name)}) for name in matching[:2])
            raise ValueError(
                f"{given.file}: {_told(matching)} may all be {role}: say which one is: {ways}"
            )
        if asked is not None or matching:
            found[role] = matching[0] if asked is None else asked
    _check_complete(given, found, there)
    for role, usual in _OTHERS.items():
        found.update((role, name) for name in there if name in usual)
    return found


def _check_complete(given: Address, found: Mapping[str, str], there: list[str]) -> None:
    """Refuse features without labels, and the other way round."""
    needed = ["x_train", "y_train"]
    for part in ("test", "validation"):
        both = [f"x_{part}", f"y_{part}"]
        needed += both if set(both) & set(found) else []
    missing = [role for role in needed if role not in found]
    if missing:
        unused = [name for name in there if name not in found.values()]
        names = dict(zip(missing, [*map(quoted, unused), *["NAME"] * len(missing)], strict=False))
        raise ValueError(
            f"{given.file}: holds no {', '.join(missing)}, but {_told(there)}: name "
            f"{'it' if len(missing) == 1 else 'them'} so, or say which: {_line(given, names)}"
        )


def _check_kind(given: Address, role: str, array: str) -> None:
    """Refuse arrays of objects and of records, which numpy keeps as code, by what they are."""
    _, dtype = array_header(given.path, array)
    if dtype.names:
        raise ValueError(
            f"{given.file}: {array} holds records of {', '.join(dtype.names)}: events and other "
            "signals in time are not supported yet: count the events to (N, features)"
        )
    if dtype.hasobject and role[0] == "y":
        raise ValueError(
            f"{given.file}: {array} holds Python objects, which are never loaded: save it with "
            f"{array}={array}.astype(str)"
        )
    if dtype.hasobject:
        raise ValueError(
            f"{given.file}: {array} holds Python objects, such as samples of different lengths: "
            "signals in time are not supported yet; save numbers of one shape, (N, features)"
        )


def _line(given: Address, options: Mapping[str, str]) -> str:
    """An address with other options, as it is written in a shell."""
    return quote(str(given.having(**options)))


def _no_archive(error: FileFormatError) -> ValueError:
    return ValueError(f"{error}; such files are written with numpy.savez")


def _told(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:SHOWN]) or "nothing"
    return shown + (f", ... ({len(names)} in all)" if len(names) > SHOWN else "")


FORMAT = Format(
    description="numpy.savez: x and y, with a part for the test or without, by any usual name",
    endings=(".npz",),
    options=(*_ROLES, "layout"),
    read=read,
    shapes=shapes,
)
