import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from hil.progress import Bars, LineDisplay, Stage, display, pace


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
    assert pace(40, 40, "trials", rate) == "40/40 trials"  # nothing is left to wait for


def shown(*stages: Stage | str) -> list[str]:
    """What stands in the display after some stages, and what is done in words."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with Progress(
        TextColumn("{task.description} {task.completed:.0f}/{task.total}"), console=console
    ) as bars:
        display = Bars(bars)
        for stage in stages:
            display.begin(stage) if isinstance(stage, str) else display.show(stage)
        return [
            f"{row.description} {row.completed:.0f}/{row.total}"
            for row in bars.tasks
            if row.visible
        ]


def test_before_anything_is_said_libraries_are_loaded() -> None:
    assert shown() == ["loading libraries 0/None"]


def test_what_nobody_knows_the_end_of_is_named() -> None:
    train = Stage("epoch 1", 3, 9, "batches", row="train")
    assert shown("opening the device") == ["opening the device 0/None"]
    assert shown("opening the device", train) == ["epoch 1 3/9"]
    assert shown(train, "writing the page") == ["writing the page 0/None", "epoch 1 3/9"]


def test_stages_of_a_row_follow_each_other_in_one_place() -> None:
    train = Stage("epoch 1", 3, 9, "batches", row="train")
    assert shown(train) == ["epoch 1 3/9"]
    assert shown(train, Stage("epoch 2", 4, 9, "batches", row="train")) == ["epoch 2 4/9"]


def test_a_row_that_is_done_is_hidden_but_for_the_first() -> None:
    train = Stage("epoch 3", 9, 9, "batches", row="train")
    begun, done = (Stage("validate", n, 2, "batches", row="validate") for n in (1, 2))
    assert shown(train, begun) == ["epoch 3 9/9", "validate 1/2"]
    assert shown(train, begun, done) == ["epoch 3 9/9"]


# -- piped ------------------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def logged(seconds: int, begun: int = 0) -> list[str]:
    """What a log holds of a training of 3600 batches, one each second, from a batch on."""
    stream, clock = io.StringIO(), Clock()
    lines = LineDisplay(stream, clock=clock)
    for done in range(begun, begun + seconds + 1):
        lines.show(Stage(f"epoch {done // 600 + 1}", done, 3600, "batches", row="train"))
        clock.now += 1
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_a_minute_with_rate_and_rest() -> None:
    assert logged(59) == []
    assert logged(60) == ["hil: epoch 1: 60/3600 batches, 1.0/s, 0:59:00 left"]
    hour = logged(3600)
    assert len(hour) == 60
    assert hour[-2:] == [
        "hil: epoch 6: 3540/3600 batches, 1.0/s, 0:01:00 left",
        "hil: epoch 7: 3600/3600 batches",
    ]


def test_a_resumed_training_is_as_fast_as_it_is_now() -> None:
    assert logged(60, begun=3000) == ["hil: epoch 6: 3060/3600 batches, 1.0/s, 0:09:00 left"]


def test_stages_of_several_rows_share_the_line_of_a_minute() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = LineDisplay(stream, clock=clock)
    for minute in range(4):
        for row, unit in (("train", "batches"), ("test", "batches"), ("", "trials")):
            lines.show(Stage(row or "grid", minute, 9, unit, row=row, rate=0.05))
        clock.now += 60
    assert stream.getvalue().splitlines() == [
        f"hil: train: {n}/9 batches, 3/min, {rest} left"
        for n, rest in ((1, "0:02:40"), (2, "0:02:20"), (3, "0:02:00"))
    ]


def test_where_there_is_no_terminal_lines_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with display() as shown:
        assert not shown.on_terminal
        shown.show(Stage("epoch 1", 3, 9, "batches"))
        shown.write("a note", "yellow")
    assert capsys.readouterr().err == "a note\n"


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
    stream, clock = io.StringIO(), Clock()
    line = LineDisplay(stream, notebook=True, clock=clock)
    line.show(Stage("epoch 10", 3, 9, "batches", row="train"))
    assert on_screen(stream.getvalue())[0].startswith("epoch 10: 3/9 batches")
    line.write("epoch 10: 50 %")
    clock.now += 1
    line.show(Stage("validate", 1, 2, "batches", row="validate", rate=2.0))
    assert on_screen(stream.getvalue()) == [
        "epoch 10: 50 %",
        "validate: 1/2 batches, 2.0/s, 0:00:01 left",
    ]
    line.clear()
    assert on_screen(stream.getvalue()) == ["epoch 10: 50 %", ""]


def test_a_notebook_is_not_flooded() -> None:
    stream = io.StringIO()
    line = LineDisplay(stream, notebook=True)
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
