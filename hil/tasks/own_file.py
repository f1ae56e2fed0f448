"""The user's own files as tasks: `FORMAT:FILE`, with the formats of `hil.tasks.formats`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from drivers.refusals import nearest, refuse_in_one_line
from hil.tasks import arrays, formats, suited
from hil.tasks.arrays import Arrays
from hil.tasks.formats.format import Address
from hil.tasks.samples import labels, raw
from hil.tasks.samples.labels import Labels
from hil.tasks.samples.layout import OpenLayout
from hil.tasks.task import Data, Task

if TYPE_CHECKING:
    from hil.tasks.samples.preparation import Preparation, Samples

TEST = "test"  # the option that every format has: a file, or a share


@refuse_in_one_line()
def address(name: str) -> Address | None:
    """The address of a file that a task is, None where the task is none.

    Raises:
        ValueError: When it names no file, or has options that it cannot have.
    """
    if name.partition(":")[0] not in formats.names() or ":" not in name:
        return None
    found = Address.of(name)
    known = (TEST, *formats.get(found.format).options)
    for option in found.options:
        if option not in known:
            raise ValueError(f"option {option!r} of {name!r}: {nearest(option, known)}")
    _test(found)
    return found


def meant(name: str) -> str | None:
    """The task that was meant by the name of a file alone, where its ending tells."""
    for form in formats.names():
        if name.lower().endswith(formats.get(form).endings):
            return f"{form}:{name}"
    return None


def task(given: Address) -> Task:
    """The task whose samples are in a file.

    Its defaults suit the number of samples and features; nothing else is read before `load` is
    called.
    """
    fitting = _suited(given)
    return Task(
        str(given),
        f"samples of {given.file}",
        partial(load, given),
        fitting,
        suited.IN_TIME_BY_RULE if "rule" in fitting else {},
        files=lambda: _files(given),
    )


def placed(given: Address) -> Address:
    """The same wherever it is used: its files by absolute paths."""
    found = given.at(given.path.absolute())
    test = _test(given)
    if isinstance(test, Address):
        found = found.having(test=str(test.path.absolute()))
    return found


def _suited(given: Address) -> suited.Sections:
    """Settings that suit the size of the data set in a file; none where it tells no size."""
    try:
        size, test = formats.get(given.format).size(given), _test(given)
    except ValueError:
        return {}
    if not size.tested and isinstance(test, float):
        size = replace(size, samples=size.samples - round(test * size.samples))
    return suited.settings(size)


@refuse_in_one_line()
def load(given: Address, rng: Generator, validation_fraction: float) -> Data:
    """Read the samples of a file.

    Args:
        given: Its address.
        rng: Draws the validation part where the file brings none.
        validation_fraction: Share of the training samples set aside for validation then.

    Returns:
        The samples, uint8 or float32.

    Raises:
        ValueError: When the file is no such file or its samples cannot be used.
    """
    found = formats.get(given.format).read(given)
    test = _test(given)
    try:
        if "x_test" in found:
            if TEST in given.options:
                raise ValueError(f"it has a test part of its own: leave {TEST}= out")
        elif isinstance(test, float):
            found = arrays.set_aside(found, test)
        else:
            part = _part(test, found.get("feature_names"))
            found |= {f"{key}_test": array for key, array in part.items()}
        return arrays.data(found, rng, validation_fraction)
    except OpenLayout as error:
        way = quote(str(given.having(layout=error.layout)))
        raise ValueError(f"{given.file}: {error.reason}: {way}") from error
    except ValueError as error:
        raise ValueError(f"{given.file}: {error}") from error


@refuse_in_one_line()
def labelled(name: str, trained_on: str, preparation: Preparation) -> tuple[Samples, Labels]:
    """The samples of another file than a run was trained on, prepared as those of the run.

    Args:
        name: Its address. Of a file with a test part, that part is taken, else all. Options that
            it has not are those of the run's own file.
        trained_on: The task of the run.
        preparation: How the samples of the run are prepared.

    Returns:
        Features `(N, n)` as the network takes them, and the class of each sample `(N,)`.

    Raises:
        ValueError: When the file is no such file or its samples do not fit.
    """
    given, own = address(name), address(trained_on)
    if given is None or TEST in given.options:
        ways = ", ".join(f"{form}:FILE" for form in formats.names())
        raise ValueError(f"{name!r} is no file of labelled samples: give {ways}, without {TEST}=")
    known = formats.get(given.format).options
    if own is not None:
        inherited = {key: text for key, text in own.options.items() if key in known}
        given = given.having(**{**inherited, **given.options})
    part = _part(given, preparation.feature_names)
    try:
        x, y, lengths = part["x"], labels.plain(part["y"], "y"), part.get("lengths")
        if lengths is not None:
            lengths = raw.lengths_of(lengths, len(y), "lengths")
        rows = preparation.apply(x, lengths=lengths)
        single = labels.single(y, len(rows), "y")
        if not len(rows):
            raise ValueError("holds no samples: give some")
        return rows, labels.numbered(single, preparation.labels, "y")
    except ValueError as error:
        raise ValueError(f"{given.file}: {error}") from error


def _part(given: Address, names: NDArray[np.str_] | None) -> Arrays:
    """Samples `x`, features in the order of their names, and their labels `y` and `lengths`.

    Those of the test part, or all that there is.
    """
    found = formats.get(given.format).read(given)
    part = "test" if "x_test" in found else "train"
    x, own = found[f"x_{part}"], found.get("feature_names")
    if names is not None and len(names) and own is not None and own.tolist() != names.tolist():
        if sorted(own) != sorted(names):
            missing = sorted(set(names) - set(own)) or sorted(set(own) - set(names))
            which = "lacks" if set(names) - set(own) else "has also"
            raise ValueError(
                f"{given.file}: {which} {', '.join(missing[: labels.SHOWN])}: give the features "
                "that the network was trained on"
            )
        place = {name: number for number, name in enumerate(own.tolist())}
        x = x[..., [place[name] for name in names.tolist()]]
    others = {key: found[f"{key}_{part}"] for key in ("y", "lengths") if f"{key}_{part}" in found}
    return {"x": x, **others}


def _test(given: Address) -> Address | float:
    """The file to test with, or the share that is set aside for it."""
    text = given.text(TEST)
    if text is None:
        return arrays.TEST_SHARE
    try:
        share = float(text)
    except ValueError:
        return Address(given.format, text, {k: v for k, v in given.options.items() if k != TEST})
    if not 0 < share < 1:
        raise ValueError(
            f"{TEST}={text} of {str(given)!r}: give a share between 0 and 1, or a file"
        )
    return share


@refuse_in_one_line()
def _files(given: Address) -> list[Path]:
    test = _test(given)
    return [given.path, *([test.path] if isinstance(test, Address) else [])]


__all__ = ["Arrays", "address", "labelled", "load", "meant", "placed", "task"]
