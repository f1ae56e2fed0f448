"""Arrays with names: which of them are samples, which labels, which lengths.

They are known by the names that they usually have: `x_train`, `train_images`, `X`, `events` and the
like for samples, `y_train`, `train_labels`, `target` and the like for labels, `lengths_train` or
`offsets` for signals of different lengths. Options name the arrays where their names are others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from shlex import quote
from typing import Any

import numpy as np

from hil.tasks.formats.format import Address, Arrays, Size, quoted
from hil.tasks.samples import layout
from hil.tasks.samples.spec import Kind

_OWNERS = "(?:x|seq|sequence|signal|event|sample)s?_?"  # before `lengths`
_STEMS = {
    "x": "x|data|images?|imgs?|features?|samples?|inputs?|"
    "signals?|sequences?|series|events?|spikes?",
    "y": "y|labels?|lbls?|targets?|class|classes",
    "lengths": f"(?:{_OWNERS})?(?:lengths?|lens?)|n_(?:events|steps)",
    "offsets": f"(?:{_OWNERS})?(?:offsets?|indptr|starts?)",
}
_PARTS = {"train": "train|training", "test": "test|testing", "validation": "validation|valid|val"}
_OTHERS = {
    "class_names": ("class_names", "label_names", "target_names"),
    "feature_names": ("feature_names", "channel_names"),
    "layout": ("layout",),
    "bins": ("bins",),
}
SHOWN = 12  # names of arrays that a refusal repeats
Header = tuple[tuple[int, ...], np.dtype[Any]]
Stored = Callable[[str], Any]


def _patterns() -> Mapping[str, re.Pattern[str]]:
    """What the arrays of each role and part are usually called."""
    found = {}
    for role, stem in _STEMS.items():
        for part, word in _PARTS.items():
            either = rf"(?:{stem})[_-]?(?:{word})|(?:{word})[_-]?(?:{stem})"
            alone = rf"|{stem}" if part == "train" else ""
            between = rf"|x[_-]?(?:{word})[_-]?(?:{stem})" if role in ("lengths", "offsets") else ""
            found[f"{role}_{part}"] = re.compile(f"(?:{either}{alone}{between})", re.IGNORECASE)
    return found


ROLES = _patterns()
OPTIONS = (*ROLES, "layout", "bins")


def assigned(given: Address, there: Sequence[str]) -> dict[str, str]:
    """The name of the array of each role and part that a file has.

    Args:
        given: The address of the file.
        there: Names of its arrays.

    Raises:
        ValueError: When it lacks one, or has two for one role.
    """
    found: dict[str, str] = {}
    for role, pattern in ROLES.items():
        asked = given.text(role)
        matching = [name for name in there if pattern.fullmatch(name)]
        if asked is not None and asked not in there:
            raise ValueError(f"{given.file}: holds no {asked!r}, but {told(there)}")
        if asked is None and len(matching) > 1:
            ways = " or ".join(_line(given, {role: quoted(name)}) for name in matching[:2])
            raise ValueError(
                f"{given.file}: {told(matching)} may all be {role}: say which one is: {ways}"
            )
        if asked is not None or matching:
            found[role] = matching[0] if asked is None else asked
    _check_complete(given, found, there)
    for role, usual in _OTHERS.items():
        found.update((role, name) for name in there if name in usual)
    return found


def _check_complete(given: Address, found: Mapping[str, str], there: Sequence[str]) -> None:
    """Refuse samples without labels, and the other way round."""
    needed = ["x_train", "y_train"]
    for part in ("test", "validation"):
        both = [f"x_{part}", f"y_{part}"]
        needed += both if set(both) & set(found) else []
    missing = [role for role in needed if role not in found]
    if missing:
        unused = [name for name in there if name not in found.values()]
        names = dict(zip(missing, [*map(quoted, unused), *["NAME"] * len(missing)], strict=False))
        raise ValueError(
            f"{given.file}: holds no {', '.join(missing)}, but {told(there)}: name "
            f"{'it' if len(missing) == 1 else 'them'} so, or say which: {_line(given, names)}"
        )


def by_role(given: Address, names: Mapping[str, str], found: Arrays) -> Arrays:
    """The arrays of a file by role and part, with what the address says of them.

    Args:
        given: The address.
        names: The name of each, as `assigned` gives them.
        found: The arrays by their names.

    Raises:
        ValueError: When an option is none, or offsets are none.
    """
    arrays = {role: found[array] for role, array in names.items()}
    for option, asked in (("layout", given.text("layout")), ("bins", given.text("bins"))):
        if asked is not None:
            number = option == "bins" and asked.isdecimal() and len(asked) < 10
            arrays[option] = np.asarray(int(asked) if number else asked)
    for role in ("class_names", "feature_names"):
        if role in arrays and arrays[role].dtype.kind in "biu":
            arrays[role] = arrays[role].astype(str)  # as scikit-learn names digits
    for part in _PARTS:
        offsets = arrays.pop(f"offsets_{part}", None)
        if offsets is not None and f"x_{part}" in arrays:
            arrays.setdefault(f"lengths_{part}", _lengths(given, offsets, arrays, part))
    return arrays


def _lengths(given: Address, offsets: Any, arrays: Arrays, part: str) -> Any:
    """Lengths from where each signal begins, with or without the end of the last one."""
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


def size_of(
    given: Address, names: Mapping[str, str], header: Callable[[str], Header], stored: Stored
) -> Size:
    """How much is in a file, by shapes and types alone.

    Args:
        given: Its address.
        names: The name of each array, as `assigned` gives them.
        header: Gives shape and type of one of them.
        stored: Gives one of them.

    Raises:
        ValueError: When it does not tell.
    """
    shape, dtype = header(names["x_train"])
    samples, tested = header(names["y_train"])[0][:1], "x_test" in names
    told_lengths = "lengths_train" in names or "offsets_train" in names
    if not samples or not shape:
        raise ValueError(f"{given.file}: holds no samples")
    if dtype.names:
        return Size(samples[0], 0, "events", tested)
    asked = given.text("layout")
    if asked is None and "layout" in names:
        asked = "".join(stored(names["layout"]).ravel()[:1])
    kind: Kind = "events" if dtype.kind == "b" else "signals"
    if told_lengths and len(shape) < 3:
        channels, mean = (shape[-1] if len(shape) == 2 else 1), shape[0] // max(samples[0], 1)
        return Size(samples[0], channels, kind, tested, mean)
    if asked is None and told_lengths:
        asked = layout.STEPS
    stand_in = np.broadcast_to(np.asarray(2).astype(dtype), shape)
    axes = layout.of(stand_in, asked, "x_train")
    features, steps = layout.features(shape[1:], axes), layout.steps(shape[1:], axes)
    if steps is None:
        return Size(samples[0], features, "features", tested)
    return Size(samples[0], features, kind, tested, steps)


def check_kind(given: Address, role: str, array: str, dtype: np.dtype[Any]) -> None:
    """Refuse arrays of objects, which numpy keeps as code, by what they are.

    Args:
        given: The address of the file.
        role: What the array is.
        array: Its name.
        dtype: Its type.

    Raises:
        ValueError: With what to save in place of them.
    """
    if not dtype.hasobject:
        return
    if role.startswith("x_"):
        raise ValueError(
            f"{given.file}: {array} holds Python objects, which are never loaded: of samples of "
            f"different lengths, save all steps one after the other, and how many each has: "
            f"{array}=np.concatenate({array}), "
            f"lengths{role[1:]}=[len(one) for one in {array}]"
        )
    raise ValueError(
        f"{given.file}: {array} holds Python objects, which are never loaded: save it with "
        f"{array}={array}.astype(str)"
    )


def _line(given: Address, options: Mapping[str, str]) -> str:
    """An address with other options, as it is written in a shell."""
    return quote(str(given.having(**options)))


def told(names: Sequence[str]) -> str:
    """Names as a refusal repeats them."""
    shown = ", ".join(name[:40] for name in names[:SHOWN]) or "nothing"
    return shown + (f", ... ({len(names)} in all)" if len(names) > SHOWN else "")
