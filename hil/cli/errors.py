"""Ends of commands: what a user can mend in one line, with its exit code; and nothing else.

The name of something else in place of a task or a rule is told where it belongs. What surrounds the
process, closed streams and filters of warnings, must not decide.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

# What Typer raises where a command line is not of the form that a command has.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what a user can mend into one line and exit code 2, and Ctrl-C into 130."""
    try:
        yield
    except BaseException as error:
        line, code = explain(error)
        if line is None:
            raise
        print_message(line)
        raise typer.Exit(code) from None


def explain(error: BaseException) -> tuple[str | None, int]:
    """Say in one line why a command ended, with its exit code.

    Returns:
        The line and the code; None in place of a line for an error that no user can mend, and for
        one with which Typer deals quietly.
    """
    if isinstance(error, KeyboardInterrupt):
        return "; ".join(filter(None, ("stopped", str(error)))), 130
    if isinstance(error, MemoryError):
        return "this needs more memory than there is: ask for a smaller network or batch", 2
    if isinstance(error, UsageError):
        # The help is no refusal.
        is_help = type(error).__name__ == "NoArgsIsHelpError"
        return (None if is_help else _describe_usage(error)), 2
    if not isinstance(error, Exception) or isinstance(error, typer.Exit | BrokenPipeError):
        return None, 1
    if _is_interrupted(error):
        return "stopped", 130
    from drivers.errors import DeviceError

    return (_describe(error) if isinstance(error, ValueError | DeviceError | OSError) else None), 2


@contextmanager
def name_way_on(command: str) -> Iterator[None]:
    """Say how to go on, whatever stops what is done in the context.

    Args:
        command: The command that goes on with it.
    """
    from drivers.contract.watchdog import add_hint

    again = f"go on with: {command}"
    try:
        with add_hint(f"; {again}"):
            yield
    except BaseException as error:
        if _is_interrupted(error):
            raise KeyboardInterrupt(again) from None
        from drivers.errors import DeviceError

        if isinstance(error, OSError | DeviceError) and not isinstance(error, ValueError):
            raise ValueError(f"{_describe(error)}; {again}") from None
        raise  # a ValueError says itself what to mend


def check_complete(page: object, failed: Sequence[str], command: str) -> None:
    """Refuse to pass over parts that a page lacks; all else of its folder is written.

    Args:
        page: The page.
        failed: What could not be made of it, and why.
        command: The command that writes it again.

    Raises:
        ValueError: When it lacks any.
    """
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise ValueError(
            f"{page} lacks parts, all else is written: {failed[0]}{more}; write it again with: "
            f"{command}"
        )


def print_message(message: str) -> None:
    """Print a message to standard error, in one line."""
    from drivers.errors import format_refusal

    typer.echo(f"hil: {format_refusal(message, sys.argv[1:])}", err=True)


def _is_interrupted(error: BaseException | None) -> bool:
    """Tell Ctrl-C, and what an import that Ctrl-C hit has made of it, from other errors."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _describe(error: Exception) -> str:
    """Say what went wrong, without the name of the exception."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return str(error) or type(error).__name__


def _describe_usage(error: Exception) -> str:
    where = getattr(error, "ctx", None)
    path = where.command_path if where is not None else "hil"
    return f"{error.format_message().rstrip('.')}; see {path} -h"  # type: ignore[attr-defined]


def check_places(task: str | None, rule: str | None) -> None:
    """Refuse the name of something else in place of a task or a rule, and say where it belongs.

    Args:
        task: What was given as the task.
        rule: What was given as the rule.

    Raises:
        ValueError: For the name of a rule, a gate, an encoding, a device, a chip or a study.
    """
    from hil import tasks
    from hil.learning import rules
    from hil.tasks import own_file

    is_task = task is None or task in (tasks.ARRAYS, *tasks.names()) or own_file.parse_address(task)
    is_rule = rule is None or rule in rules.names()
    for kind, name, is_right in (("task", task, is_task), ("rule", rule, is_rule)):
        place = None if is_right or not name else _find_place(name)
        if place is not None:
            raise ValueError(f"no {kind} {name!r}: {place}")


def _find_place(name: str) -> str | None:
    """Say where a name belongs, None where nothing is called so."""
    from drivers import registry
    from hil import encodings, tasks
    from hil.learning import gates, rules
    from hil.studies import loader

    for names, place in (
        (tasks.names, "a task: hil train {}"),
        (rules.names, "a rule: --rule {}"),
        (gates.names, "a gate g of adfa: --set rule.g={}"),
        (encodings.names, "an encoding: --set encoding.name={}"),
        (loader.names, "a study: hil study {}"),
    ):
        if name in names():
            return f"it is {place.format(name)}"
    scheme, colon, _ = name.partition(":")
    address = name if colon and scheme in registry.schemes() else registry.suggest_address(name)
    return None if address is None else f"it is a device: --device {address}"


PATIENCE = 1.0  # seconds that what goes on in threads is waited for


class MessageStream:
    """Standard error that drops what it cannot write: a full disk must not end a training."""

    def __init__(self, stream: Any) -> None:
        """Wrap a stream of text; all but writing is its own."""
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self._stream.flush()


def prepare_process() -> None:
    """Keep closed streams and filters of warnings from failing a command.

    A warning of a library is a message, also where Python is asked to make errors of them; what
    workers inherit says so, too.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed; else the next file would take its number
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    with suppress(OSError):  # what a driver's library prints past Python is no result
        result = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
        os.dup2(2, 1)
        sys.stdout = result
    sys.stderr = MessageStream(sys.stderr)
    threading.excepthook = lambda failed: _report(
        f"thread {failed.thread.name if failed.thread else ''} raised", failed.exc_value
    )
    sys.unraisablehook = lambda failed: _report("ignored", failed.exc_value)
    if any(action == "error" for action, *_ in warnings.filters):
        sys.warnoptions.clear()
        os.environ.pop("PYTHONWARNINGS", None)
        warnings.simplefilter("default")


def drop_output() -> None:
    """Send what is left of standard output nowhere: Python would fail on it at its end."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def end_process(code: Any) -> None:
    """Exit; a thread that somebody left behind is waited for only for so long."""
    deadline = time.monotonic() + PATIENCE
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in [thread for thread in others if not thread.daemon]:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            print(f"hil: thread {thread.name} does not end: left behind", file=sys.stderr)
            os._exit(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)


def _report(what: str, error: BaseException | None) -> None:
    from drivers.errors import format_refusal

    line = format_refusal(f"{what} {type(error).__name__}: {error}")
    print(f"hil: {line}", file=sys.stderr)
