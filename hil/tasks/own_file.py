"""The user's own files as tasks: `FORMAT:FILE`, with the formats of `hil.tasks.formats`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from drivers.errors import FileFormatError, nearest, refuse_in_one_line
from hil.tasks import formats, labels
from hil.tasks.formats import Address, Arrays, quote_option
from hil.tasks.labels import Labels, Targets
from hil.tasks.reading import check_lengths
from hil.tasks.sample_set import TEST_SHARE, SampleSet
from hil.tasks.samples import AmbiguousSamples
from hil.tasks.task import IN_TIME_BY_RULE, Data, Sections, Size, Task, suggest_settings

if TYPE_CHECKING:
    from hil.tasks.preparation import Preparation
    from hil.tasks.samples import Samples

TEST = "test"  # an option that every format has: a file, or a share
PROBLEM = "problem"  # another: one of `labels.PROBLEMS`
State = tuple[str, *tuple[int, ...]]

_sizes: dict[State, Size] = {}
_latest: dict[State, SampleSet] = {}  # the file whose size was asked for last, until it is loaded


@refuse_in_one_line()
def parse_address(name: str) -> Address | None:
    """Read a task as the address of a file; None where it is none.

    Raises:
        ValueError: When it names no file, or has options that it cannot have.
    """
    if name.partition(":")[0] not in formats.names() or ":" not in name:
        return None
    address = Address.parse(name)
    allowed = (TEST, PROBLEM, *formats.get(address.format).options)
    for option in address.options:
        if option not in allowed:
            raise ValueError(f"option {option!r} of {name!r}: {nearest(option, allowed)}")
    _parse_test(address)
    return address


def guess_address(name: str) -> str | None:
    """Guess the task that was meant by the name of a file alone, where its ending tells."""
    for form in formats.names():
        if name.lower().endswith(formats.get(form).endings):
            return f"{form}:{name}"
    return None


def make_task(address: Address) -> Task:
    """Make the task whose samples are in a file; its defaults suit their number, size and kind."""
    suited = _suggest_settings(address)
    return Task(
        str(address),
        f"samples of {address.file}",
        partial(load, address),
        suited,
        IN_TIME_BY_RULE if "rule" in suited else {},
        files=partial(_list_files, address),
    )


def make_absolute(address: Address) -> Address:
    """Give the same address wherever it is used: its files by absolute paths."""
    absolute, test = address.at(address.path.absolute()), _parse_test(address)
    if isinstance(test, Address):
        return absolute.with_options(test=str(test.path.absolute()))
    return absolute


@refuse_in_one_line()
def load(address: Address, rng: Generator | None, validation_fraction: float) -> Data:
    """Read the samples of a file.

    Args:
        address: Its address.
        rng: Draws the validation part where the file brings none; None as `SampleSet.build`.
        validation_fraction: Share of the training samples set aside for validation then.

    Returns:
        The samples, uint8 or float32.

    Raises:
        ValueError: When the file is no such file or its samples cannot be used.
    """
    samples = _latest.pop(_find_state(address), None) or _read_samples(address)
    with _add_file_to_errors(address):
        return samples.build(rng, validation_fraction)


@refuse_in_one_line()
def load_labelled(
    name: str, trained_on: str, preparation: Preparation
) -> tuple[Samples, Labels | Targets]:
    """Read the samples of another file than a run was trained on, prepared as those of the run.

    Args:
        name: Its address. Of a file with a test part, that part is taken, else all. Options that
            it has not are those of the run's own file.
        trained_on: The task of the run.
        preparation: How the samples of the run are prepared.

    Returns:
        Features `(N, n)` as the network takes them, and the class of each sample `(N,)`, or the
        numbers that the outputs are to give, `(N, K)`.

    Raises:
        ValueError: When the file is no such file or its samples do not fit.
    """
    address = _complete_address(name, trained_on)
    part = _read_test_part(address, preparation.feature_names.tolist())
    with _add_file_to_errors(address):
        y, lengths = labels.read_labels(part["y"], "y"), part.get("lengths")
        if lengths is not None:
            lengths = check_lengths(lengths, len(y), "lengths")
        rows = preparation.apply(part["x"], lengths=lengths)
        if not len(rows):
            raise ValueError("holds no samples: give some")
        if preparation.is_real:
            return rows, preparation.scale_targets(labels.check_targets(y, len(rows), "y"))
        single = labels.check_single(y, len(rows), "y")
        return rows, labels.number_labels(single, preparation.labels, "y")


@refuse_in_one_line()
def load_unlabelled(name: str, trained_on: str, preparation: Preparation) -> Samples:
    """Read new samples of a file, prepared as those of a run were; labels there are left out.

    Args:
        name: Its address, or its path where the ending tells the format.
        trained_on: The task of the run.
        preparation: How the samples of the run are prepared.

    Raises:
        ValueError: When the file is no such file or its samples do not fit.
    """
    address = _complete_address(name, trained_on)
    address = replace(address, is_labelled=False)
    part = _read_test_part(address, preparation.feature_names.tolist())
    with _add_file_to_errors(address):
        lengths = part.get("lengths")
        if lengths is not None:
            lengths = check_lengths(lengths, len(lengths), "lengths")
        return preparation.apply(part["x"], lengths=lengths)


def _complete_address(name: str, trained_on: str) -> Address:
    """Read the address of further samples, with the options of the file of the run."""
    address = parse_address(name) or parse_address(guess_address(name) or "")
    own = parse_address(trained_on)
    if address is None or TEST in address.options:
        ways = ", ".join(f"{form}:FILE" for form in formats.names())
        raise ValueError(f"{name!r} is no file of samples: give {ways}, without {TEST}=")
    if own is None:
        return address
    allowed = formats.get(address.format).options
    inherited = {key: text for key, text in own.options.items() if key in allowed}
    return address.with_options(**{**inherited, **address.options})


def _suggest_settings(address: Address) -> Sections:
    """Suggest settings that suit the samples in a file; none where it cannot be read."""
    try:
        state = _find_state(address)
        if state not in _sizes:
            _latest.clear()
            _latest[state] = _read_samples(address)
            _sizes[state] = _latest[state].size
        return suggest_settings(_sizes[state])
    except ValueError:
        return {}


def _find_state(address: Address) -> State:
    """Find which files an address means, and how they are by now: when written, and how large."""
    about = [path.stat() for path in _list_files(address) if path.is_file()]
    sizes = [number for each in about for number in (each.st_mtime_ns, each.st_size)]
    return str(make_absolute(address)), *sizes


def _read_samples(address: Address) -> SampleSet:
    """Read the samples of a file and of the file with its test part, or set aside a share."""
    arrays, test = _read(address), _parse_test(address)
    if (problem := address.text(PROBLEM)) is not None:
        arrays[PROBLEM] = np.asarray(problem)
    if isinstance(test, Address):
        part = _read_test_part(
            test, arrays["feature_names"].tolist() if "feature_names" in arrays else []
        )
    with _add_file_to_errors(address):
        if "x_test" in arrays:
            if TEST in address.options:
                raise ValueError(f"it has a test part of its own: leave {TEST}= out")
            return SampleSet.read(arrays)
        if isinstance(test, float):
            return SampleSet.read(arrays).set_aside(test)
        return SampleSet.read(arrays | {f"{key}_test": array for key, array in part.items()})


def _read(address: Address) -> Arrays:
    with _add_file_to_errors(address):
        return formats.get(address.format).read(address)


def _read_test_part(address: Address, names: list[str]) -> Arrays:
    """Read `x`, `y` and `lengths` of the test part, else of the training part; order features.

    Those of the test part, or all that there is.
    """
    arrays = _read(address)
    part = "test" if "x_test" in arrays else "train"
    chosen = {
        key: arrays[f"{key}_{part}"] for key in ("x", "y", "lengths") if f"{key}_{part}" in arrays
    }
    own = arrays["feature_names"].tolist() if "feature_names" in arrays else []
    if not names or not own or names == own:
        return chosen
    lacking, more = sorted({*names} - {*own}), sorted({*own} - {*names})
    if lacking or more or len(own) != len(names):
        way = address.suggest(drop=",".join(map(quote_option, [*address.texts("drop"), *more])))
        raise ValueError(
            f"{address.file}: {'lacks' if lacking else 'has also'} "
            f"{', '.join((lacking or more)[: labels.SHOWN])}: give the features that the "
            f"network was trained on{'' if lacking else f': {way}'}"
        )
    place = {name: number for number, name in enumerate(own)}
    return chosen | {"x": chosen["x"][..., [place[name] for name in names]]}


@contextmanager
def _add_file_to_errors(address: Address) -> Iterator[None]:
    """Add the file to every refusal, and to an ambiguous layout the address that settles it."""
    try:
        yield
    except FileFormatError:  # names it already
        raise
    except AmbiguousSamples as error:
        way = address.suggest(**error.option)
        raise ValueError(f"{address.file}: {error.reason}: {way}") from error
    except ValueError as error:
        raise ValueError(f"{address.file}: {error}") from error


def _parse_test(address: Address) -> Address | float:
    """Read the option for the test: a file, or the share that is set aside."""
    text = address.text(TEST)
    if text is None:
        return TEST_SHARE
    try:
        share = float(text)
    except ValueError:
        others = {key: value for key, value in address.options.items() if key != TEST}
        return Address(address.format, text, others)
    if not 0 < share < 1:
        raise ValueError(
            f"{TEST}={text} of {str(address)!r}: give a share between 0 and 1, or a file"
        )
    return share


@refuse_in_one_line()
def _list_files(address: Address) -> list[Path]:
    test = _parse_test(address)
    return [address.path, *([test.path] if isinstance(test, Address) else [])]
