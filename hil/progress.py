"""Display of progress, in a terminal or a notebook: one for whatever takes long."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

SELDOM, OFTEN = 60.0, 0.2  # seconds between two lines: in a log, and in a notebook


@dataclass(frozen=True)
class Stage:
    """Work in progress, and how far it is.

    Attributes:
        name: As it is shown, e.g. `epoch 3`.
        done: How much of it is done.
        total: How much there is to do.
        unit: What is counted, e.g. `batches`.
        row: Stages of the same row are shown one after the other in the same place.
        rate: Units a second; None takes what the display has seen.
    """

    name: str
    done: int
    total: int
    unit: str
    row: str = ""
    rate: float | None = None


class Display(Protocol):
    """Display of stages, and of lines above them."""

    @property
    def on_terminal(self) -> bool:
        """Tell if a person looks on."""

    def begin(self, what: str) -> None:
        """Show what is done now, of which nobody knows how far it is."""

    def show(self, stage: Stage) -> None:
        """Show how far a stage is."""

    def write(self, line: str, style: str = "") -> None:
        """Write a line above the stages.

        Args:
            line: Plain text.
            style: A style of `rich`, e.g. `yellow`.
        """


class Bars:
    """A bar for each row, with stage, done and total, rate and remaining time."""

    on_terminal = True

    def __init__(self, bars: Progress) -> None:
        """Begin with a row that says that libraries are loaded, until anything else is said.

        Args:
            bars: What draws.
        """
        self._bars = bars
        self._preparing = bars.add_task("loading libraries", total=None)
        self._rows: dict[str, TaskID] = {}

    def begin(self, what: str) -> None:
        """Show what is done now."""
        self._bars.update(self._preparing, description=what, visible=True)

    def show(self, stage: Stage) -> None:
        """Show how far a stage is. A row that is done is hidden, but for the first one."""
        if stage.row not in self._rows:
            self._bars.update(self._preparing, visible=False)
            self._rows[stage.row] = self._bars.add_task(
                stage.name, total=stage.total, unit=stage.unit, rate=stage.rate
            )
        first = next(iter(self._rows)) == stage.row
        self._bars.update(
            self._rows[stage.row],
            description=stage.name,
            completed=stage.done,
            total=stage.total,
            visible=first or stage.done < stage.total,
            unit=stage.unit,
            rate=stage.rate,
        )

    def write(self, line: str, style: str = "") -> None:
        """Write a line above the bars."""
        from rich.text import Text

        self._bars.console.print(Text(line, style))


class LineDisplay:
    """A line at a time: one now and then for a log, or one that is written over in a notebook.

    Attributes:
        on_terminal: Whether a person looks on, in a notebook.
    """

    def __init__(
        self, stream: TextIO, *, notebook: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing said.

        Args:
            stream: Standard error.
            notebook: Whether it is that of a notebook, where no line has to be drawn.
            clock: Seconds from some moment on.
        """
        self.on_terminal = notebook
        self._stream, self._clock, self._width = stream, clock, 0
        self._every, self._last = (OFTEN, -math.inf) if notebook else (SELDOM, clock())
        self._begun: dict[str, tuple[float, int]] = {}  # when each row began, and from where

    def begin(self, what: str) -> None:
        """Say what is done now, where a person looks on."""
        if self.on_terminal:
            self._write_over(what)

    def show(self, stage: Stage) -> None:
        """Say how far a stage is, at its rate since its row began, where the last time is past."""
        now = self._clock()
        since, first = self._begun.setdefault(stage.row, (now, stage.done))
        if now - self._last < self._every:
            return
        self._last, rate = now, stage.rate
        if rate is None and now > since:
            rate = (stage.done - first) / (now - since)
        line = f"{stage.name}: {pace(stage.done, stage.total, stage.unit, rate)}"
        if self.on_terminal:
            self._write_over(line)
        else:
            self.write(f"hil: {line}")

    def write(self, line: str, style: str = "") -> None:
        """Write a line that stays."""
        self._write_over(line, end="\n")
        self._width = 0

    def clear(self) -> None:
        """Show no stage any more."""
        self._write_over("", end="\r")

    def _write_over(self, text: str, end: str = "") -> None:
        start = f"\r{text:{self._width}}" if self.on_terminal else text
        self._stream.write(f"{start}{end}")
        self._stream.flush()
        self._width = len(text)


@contextmanager
def display() -> Iterator[Display]:
    """A display that is there while in the context."""
    if type(sys.stderr).__module__.partition(".")[0] == "ipykernel":
        line = LineDisplay(sys.stderr, notebook=True)
        try:
            yield line
        finally:
            line.clear()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineDisplay(sys.stderr)
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        _pace_column(),
        console=console,
        transient=True,
    ) as bars:
        yield Bars(bars)


@contextmanager
def stages(total: int) -> Iterator[Callable[[str], None]]:
    """Display which stage of so many is under way.

    Args:
        total: How many stages there are.

    Yields:
        What is to be called with the name of each stage as it begins.
    """
    with display() as shown:
        begun = 0

        def begin(name: str) -> None:
            nonlocal begun
            shown.show(Stage(name, begun, total, "stages"))
            begun += 1

        yield begin


def pace(done: int, total: int, unit: str, rate: float | None) -> str:
    """Format how much is done, the rate, and the time that the rest takes at that rate.

    Args:
        done: How much is done.
        total: How much there is to do.
        unit: What is counted.
        rate: Units a second; None or 0 where it is not known yet.
    """
    text = f"{done}/{total} {unit}"
    if rate and done < total:
        speed = f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.0f}/min"
        text += f", {speed}, {timedelta(seconds=ceil((total - done) / rate))} left"
    return text


def _pace_column() -> ProgressColumn:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: Any) -> Text:
            if task.total is None:
                return Text("")
            rate = task.speed if task.fields["rate"] is None else task.fields["rate"]
            return Text(pace(int(task.completed), int(task.total), task.fields["unit"], rate))

    return Pace()
