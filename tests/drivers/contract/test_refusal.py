"""The one line of a refusal: what it shows of what was given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import (
    ECHO,
    GIVEN,
    LINE,
    FileFormatError,
    SettingError,
    format_refusal,
    nearest,
    refuse_in_one_line,
    shorten,
)
from support.command_line import command, process, refusal
from support.paths import tries

GIVEN_TEXTS = st.text(st.characters(codec="utf-8"), max_size=40).flatmap(
    lambda part: st.integers(1, 200).map(lambda n: part * n)
)


@given(st.text(max_size=300), st.integers(1, 40))
@settings(max_examples=tries(80, 300))
def test_any_message_is_one_bounded_line_that_can_be_printed(text: str, times: int) -> None:
    line = format_refusal(text * times)
    assert line.isprintable()
    assert len(line) <= max(LINE, 2 * GIVEN + 5)


@given(GIVEN_TEXTS)
@settings(max_examples=tries(80, 300))
def test_of_what_was_given_no_more_than_a_little_is_shown(text: str) -> None:
    """In quotes, in a list, or as one word."""
    for given_ in (repr(text), repr([text, text]), repr({text: text}), re.sub(r"\s", "_", text)):
        line = format_refusal(f"configuration a.b = {given_}: give a number")
        assert line.startswith("configuration a.b = ")
        assert len(line) <= len("configuration a.b = : give a number") + 2 * GIVEN


@given(st.lists(st.text("ab c", min_size=1), min_size=1), st.integers(1, 60), st.text("ab c:"))
@settings(max_examples=tries(80, 300))
def test_of_an_argument_no_more_than_a_little_is_shown(
    words: list[str], times: int, around: str
) -> None:
    """Whatever stands around it, without quotes and with spaces in it."""
    argument = " ".join(" ".join(words * times).split())
    line = format_refusal(f"{around} {argument} {around}: give a number", [argument])
    assert not any(
        argument[at : at + GIVEN + 1] in line for at in range(max(0, len(argument) - GIVEN))
    )
    assert line.endswith(": give a number")


def test_an_argument_of_many_words_is_cut_as_a_user_meets_it() -> None:
    item = "two words " * 60
    said = process("train", "digits", "--set", item).stderr
    assert said.startswith("hil: --set two words") and "write section.key=value" in said
    assert item[: GIVEN + 1] not in said and said.count("\n") == 1


@given(st.text(max_size=300), st.integers(1, 40))
@settings(max_examples=tries(80, 300))
def test_whatever_an_error_repeats_is_bounded_and_can_be_printed(text: str, times: int) -> None:
    """Of a device, of a file, and where names are offered: in Python as on the command line."""
    name = text * times
    with pytest.raises(ValueError) as found, refuse_in_one_line():
        raise ValueError(f"no column {name}")
    offered = nearest(name, [name[::-1], "seed", *(f"{name}{k}" for k in range(9))])
    for said in (
        str(FileFormatError(f"{name}: is no name")),
        str(SettingError(name, name)),
        str(found.value),
        offered,
    ):
        assert said.isprintable()
        assert len(said) <= max(LINE, 2 * GIVEN + 5)
    assert len(shorten(name)) <= ECHO


def test_a_refusal_of_ordinary_size_stays_as_it_is() -> None:
    for text in (
        "configuration rule.gain = 'x': should be a valid number",
        "no task 'digitz': did you mean 'digits'? known: digits, mnist, npz:FILE",
        "device's levels (2 of [1, 2, 3]): give a board's own, e.g. {a = 1}",
    ):
        assert format_refusal(text) == text
    assert format_refusal("a\r\nb\x1b[2J\u202e\x85c") == "a b\\x1b[2J\\u202e c"
    assert format_refusal("x = [" + "1, " * 999 + "1]: give one").endswith("...]: give one")


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "\x1b[31m" * 200),
        ("train", "digits", "--set", "x y " * 2000),
        ("train", "digits", "--set", f"rule.gain={'9' * 5000}"),
        ("train", "digits", "--set", f"rule.gain=[{'1, ' * 5000}]"),
        ("train", "digits", "--device", f"emulator:{'a' * 5000}"),
        ("train", "digits", "--device", "x" * 5000),
        ("train", "--" + "x" * 5000),
        ("train", "digits", "x" * 5000),
        ("nosuch" * 900,),
        ("resume", "x" * 5000),
        ("resume", "a/" * 4000),
        ("chips", "\u2028" * 300),
        ("report", "a\nb\rc"),
        ("train", "digits", "--seed", "9" * 5000),
    ],
)
def test_a_refusal_of_something_long_is_short(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refusal(*arguments)
    assert len(said) < 700
    assert said.rstrip("\n").isprintable()


def test_a_command_without_arguments_shows_its_help() -> None:
    for arguments in ((), ("board",)):
        done = command(*arguments)
        assert "Usage:" in done.output and done.output.count("\n") > 3
