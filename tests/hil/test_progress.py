import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from hil.progress import Bars, NotebookLine, Stage, display, pace


@pytest.mark.parametrize(
    "rate, expected",
    [
        (5 / 30, "10/40 trials, 10/min, 0:03:00 left"),
        (4.0, "10/40 trials, 4.0/s, 0:00:08 left"),
        (0.0, "10/40 trials"),
        (None, "10/40 trials"),
    ],
)
def test_the_pace_tells_rate_and_rest(rate: float | None, expected: str) -> None:
    assert pace(10, 40, "trials", rate) == expected


def shown(*stages: Stage) -> list[str]:
    """What stands in the display after some stages."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with Progress(
        TextColumn("{task.description} {task.completed:.0f}/{task.total}"), console=console
    ) as bars:
        display = Bars(bars)
        for stage in stages:
            display.show(stage)
        return [
            f"{row.description} {row.completed:.0f}/{row.total}"
            for row in bars.tasks
            if row.visible
        ]


def test_before_there_is_a_stage_all_is_being_prepared() -> None:
    assert shown() == ["preparing 0/None"]


def test_stages_of_a_row_follow_each_other_in_one_place() -> None:
    train = Stage("epoch 1", 3, 9, "batches", row="train")
    assert shown(train) == ["epoch 1 3/9"]
    assert shown(train, Stage("epoch 2", 4, 9, "batches", row="train")) == ["epoch 2 4/9"]


def test_a_row_that_is_done_is_hidden_but_for_the_first() -> None:
    train = Stage("epoch 3", 9, 9, "batches", row="train")
    begun, done = (Stage("validate", n, 2, "batches", row="validate") for n in (1, 2))
    assert shown(train, begun) == ["epoch 3 9/9", "validate 1/2"]
    assert shown(train, begun, done) == ["epoch 3 9/9"]


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    with Progress(console=Console(file=io.StringIO()), disable=True) as bars:
        display = Bars(bars)
        display.show(Stage("epoch 1", 3, 9, "batches"))
        assert not display.on_terminal
        assert [row.description for row in bars.tasks] == ["preparing"]


# -- notebooks --------------------------------------------------------------------------------


def on_screen(text: str) -> list[str]:
    """The lines that a notebook shows of a stream, where a carriage return writes over."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def test_a_notebook_shows_one_line_and_keeps_what_is_written() -> None:
    stream = io.StringIO()
    line = NotebookLine(stream)
    line.OFTEN = 0.0
    line.show(Stage("epoch 10", 3, 9, "batches", row="train"))
    assert on_screen(stream.getvalue())[0].startswith("epoch 10: 3/9 batches")
    line.write("epoch 10: 50 %")
    line.show(Stage("validate", 1, 2, "batches", row="validate", rate=2.0))
    assert on_screen(stream.getvalue()) == [
        "epoch 10: 50 %",
        "validate: 1/2 batches, 2.0/s, 0:00:01 left",
    ]
    line.clear()
    assert on_screen(stream.getvalue()) == ["epoch 10: 50 %", ""]


def test_a_notebook_is_not_flooded() -> None:
    stream = io.StringIO()
    line = NotebookLine(stream)
    for done in range(1000):
        line.show(Stage("epoch 1", done, 1000, "batches"))
    assert stream.getvalue().count("\r") < 10


def test_the_stream_of_a_notebook_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr("sys.stderr", stream)
    with display() as shown:
        assert shown.on_terminal
        shown.write("a line")
    assert on_screen(stream.getvalue()) == ["a line", ""]
