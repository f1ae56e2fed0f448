"""What a user can mend, said in one line, with the exit code that goes with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

# What Typer raises where a command line is not of the form that a command has.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what a user can mend into one line and exit code 2, and Ctrl-C into 130."""
    try:
        yield
    except KeyboardInterrupt as how_to_go_on:
        _stop("; ".join(filter(None, ("stopped", str(how_to_go_on)))), 130)
    except MemoryError:
        _stop("this needs more memory than there is: ask for a smaller network or batch", 2)
    except Exception as error:
        from drivers.errors import DeviceError

        if _interrupted(error):
            _stop("stopped", 130)
        # Typer quietly ends what met a closed pipe.
        mendable = isinstance(error, ValueError | DeviceError | OSError)
        if not mendable or isinstance(error, BrokenPipeError):
            raise
        _stop(_line(error), 2)


@contextmanager
def one_line_usage() -> Iterator[None]:
    """Turn wrong options and arguments into one line and exit code 2."""
    try:
        yield
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # the help, which is no refusal
            raise
        where = getattr(error, "ctx", None)
        path = where.command_path if where is not None else "hil"
        said = error.format_message()  # type: ignore[attr-defined]
        _stop(f"{said.rstrip('.')}; see {path} -h", 2)


@contextmanager
def going_on_with(command: str) -> Iterator[None]:
    """Whatever stops what is done in the context, say how to go on.

    Args:
        command: The command that goes on with it.
    """
    from drivers.contract.watchdog import going_on

    again = f"go on with: {command}"
    try:
        with going_on(f"; {again}"):
            yield
    except BaseException as error:
        if _interrupted(error):
            raise KeyboardInterrupt(again) from None
        from drivers.errors import DeviceError

        if isinstance(error, OSError | DeviceError) and not isinstance(error, ValueError):
            raise ValueError(f"{_line(error)}; {again}") from None
        raise  # a ValueError says itself what to mend


def raise_incomplete(page: object, failed: Sequence[str], command: str) -> None:
    """Say that a page lacks parts, where it does; all else of the folder is written.

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


def _stop(message: str, code: int) -> None:
    from drivers.refusals import format_refusal

    typer.echo(f"hil: {format_refusal(message, sys.argv[1:])}", err=True)
    raise typer.Exit(code) from None


def _interrupted(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C, or what an import that Ctrl-C hit has made of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _line(error: Exception) -> str:
    """What went wrong, without the name of the exception."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return str(error) or type(error).__name__
