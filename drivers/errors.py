"""All errors that a device or its driver raises, as one tree; and how their one line is made.

Each message is one line that says what was asked, what the device allows and what to do next. What
a file, an address or an argument holds, it repeats escaped, and no more than a little of it:
`DeviceError` in its own messages, `hil.validation` in those about values, the command line in all.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

Number = TypeVar("Number")
GIVEN, LINE = 200, 1000  # characters shown of what was given, and of all
LISTED = 800  # characters of all names that are allowed
ECHO = 120  # characters of a text that a message repeats on purpose
_CLOSING = {"[": "]", "{": "}", "(": ")"}
_QUOTED = re.compile(r"(?<![^\s(\[{=:,])(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_UNBROKEN = re.compile(rf"\S{{{GIVEN + 1},}}")


def format_refusal(message: str, given: Sequence[str] = ()) -> str:
    """A message as one line of what can be printed.

    Of what was given, a text in quotes, a list or table in brackets, and anything without a space
    in it, the first 200 characters are left; of whatever is longer than 1000 then, 100 characters
    of its beginning and of its end.

    Args:
        message: The message.
        given: What was given, e.g. the arguments of the command.
    """
    line = _printable(message)
    for text in given:
        line = _cut_given(line, _printable(text))
    line = _QUOTED.sub(lambda match: _cut(match[0], match[0][0]), line)
    line = "".join(
        _cut(part, _CLOSING[part[0]]) if part[0] in _CLOSING else part
        for part in _split_brackets(line)
    )
    line = _UNBROKEN.sub(lambda match: _cut(match[0], ""), line)
    return line if len(line) <= LINE else f"{line[: GIVEN // 2]} ... {line[-GIVEN // 2 :]}"


@contextmanager
def refuse_in_one_line() -> Iterator[None]:
    """Whatever `ValueError` is raised within says its message as `line_of` does."""
    try:
        yield
    except ValueError as error:
        error.args = (format_refusal(str(error)),)
        raise


def shorten(text: str) -> str:
    """A text that a message repeats: what can be printed of it, and the beginning of a long one."""
    line = _printable(text[: 2 * ECHO])
    whole = len(text) <= 2 * ECHO and len(line) <= ECHO
    return line if whole else f"{line[: ECHO - 3]}..."


def _printable(text: str) -> str:
    return "".join(map(_escape, " ".join(text.split())))


def _cut_given(line: str, text: str) -> str:
    """The line with the first 200 characters of whatever it repeats of a longer text."""
    if len(text) <= GIVEN:
        return line
    size = GIVEN + 1
    pieces = {text[at : at + size] for at in range(len(text) - GIVEN)}
    kept, at = "", 0
    while at < len(line):
        end = at
        while line[end : end + size] in pieces:
            end += 1
        if end > at:
            kept, at = f"{kept}{line[at : at + GIVEN - 3]}...", end + GIVEN
        else:
            kept, at = kept + line[at], at + 1
    return kept


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def _cut(text: str, end: str) -> str:
    return text if len(text) <= GIVEN else f"{text[: GIVEN - 4]}...{end}"


def _split_brackets(line: str) -> Iterator[str]:
    """The line in parts: what stands in brackets, with them, and what stands outside."""
    begin = depth = 0
    quoted = {at for text in _QUOTED.finditer(line) for at in range(*text.span())}
    for at, character in enumerate(line):
        if at in quoted:  # a bracket in a text closes none around it
            continue
        if character in "[{(":
            if depth == 0 and at > begin:
                yield line[begin:at]
                begin = at
            depth += 1
        elif character in "]})" and depth:
            depth -= 1
            if depth == 0:
                yield line[begin : at + 1]
                begin = at + 1
    if begin < len(line):
        # A bracket that never closes holds all that follows.
        yield line[begin:]


def parse_number(
    options: Mapping[str, str],
    name: str,
    default: Number,
    allowed: tuple[float, float],
    kind: Callable[[str], Number],
) -> Number:
    """Read an option of an address that is a number.

    Args:
        options: The options.
        name: Which of them.
        default: What it is where it is not among them.
        allowed: The least and the greatest that it may be.
        kind: `int` or `float`.

    Raises:
        SettingError: When it is no such number.
    """
    if name not in options:
        return default
    text = options[name]
    # Python's own would take 1_000 and other alphabets.
    if kind is not int or re.fullmatch("-?[0-9]+", text):
        with suppress(ValueError):
            number = kind(text)
            if allowed[0] <= number <= allowed[1]:  # type: ignore[operator]  # NaN is not
                return number
    what, (least, most) = "a whole number" if kind is int else "a number", allowed
    raise SettingError(f"option {name} = {text}: give {what} from {least} to {most}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name.

    Args:
        name: What was given.
        known: The names that are allowed.

    Returns:
        `did you mean 'seed'? known: baud, seed`, without the question where none is similar.
    """
    names = sorted(map(shorten, known))
    close = difflib.get_close_matches(shorten(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(names) or "none"
    return f"{hint}known: {listed if len(listed) <= LISTED else f'{listed[: LISTED - 3]}...'}"


class DeviceError(Exception):
    """The root of every error that a device or its driver raises."""

    def __str__(self) -> str:
        return format_refusal(super().__str__())


class DeviceNotFound(DeviceError):
    """No driver of that scheme, or nothing at that address."""


class SettingError(DeviceError, ValueError):
    """A device has no setting of that name, or the value is outside its range."""


class CapacityError(DeviceError, ValueError):
    """The request is larger than the device: layers, neurons, batch, steps."""


class ContractMismatch(DeviceError):
    """A driver is written for another version of the device contract."""


class NotConfigured(DeviceError):
    """The device was used before `Device.configure` gave it a network."""


class DeviceClosed(DeviceError):
    """The device was used after `Device.close`."""


class StimulusError(DeviceError, ValueError):
    """A stimulus of the wrong shape, kind or content for the configured network."""


class UnsupportedProbe(DeviceError, ValueError):
    """The device cannot observe that quantity there, or not that often."""


class WeightError(DeviceError, ValueError):
    """Weights of the wrong shape, or with values that are not numbers."""


class ReadoutError(DeviceError):
    """A driver answered with something other than what the contract promises."""


class DriverError(DeviceError):
    """A driver raised what is no `DeviceError`: a mistake in it, or in what it calls."""


class DeviceHung(DeviceError):
    """A method of a driver did not return within its limit, or never will."""


class LinkError(DeviceError):
    """The line to the device failed for longer than the driver could repair."""


class DeviceRestarted(DeviceError):
    """The device lost its weights and settings; configure it and write them again."""


class ProtocolMismatch(DeviceError):
    """The other side speaks another version of the protocol, or another protocol."""


class FileFormatError(DeviceError, ValueError):
    """A file is not of the expected format, is damaged, or is of a newer version."""


class Diverged(DeviceError):
    """A replay was asked for something else than what was recorded."""


@contextmanager
def name_source(
    source: str, remedy: str = "", kind: type[ValueError] = FileFormatError
) -> Iterator[None]:
    """Say of what is refused in the context where it comes from, and what to do.

    Args:
        source: A file, or a key.
        remedy: What to do, with what separates it.
        kind: Error that is raised in place of a `ValueError`.
    """
    try:
        yield
    except ValueError as error:
        raise kind(f"{source}: {error}{remedy}") from None


def make_error(kind: str, message: str) -> DeviceError:
    """Make an error that was told by name; one of a driver's own comes back as a DeviceError."""
    error_type = globals().get(kind)
    if not (isinstance(error_type, type) and issubclass(error_type, DeviceError)):
        error_type = DeviceError
    return error_type(message)
