"""What is wrong with code of a user's own is said in one line that names its file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.command_line import command, refusal
from support.extension_file import SMALL

HEAD = """
import numpy as np
from drivers import Stimulus
from hil.encodings import Encoding
from hil.learning import RateEstimate, Estimator, Gate, Rule, RuleFamily, gradients_from, stateless
from hil.tasks import Task
def rule(update, init=stateless):
    return RuleFamily(lambda settings, optimiser: Rule("own", init=init, update=update))
def encoding(encode):
    return Encoding(encode)
def estimator(estimate):
    return Estimator("own", "mean", estimate, needs_drive=False)
"""
RULE, GATE, ENCODING = ("--rule",), ("--set", "rule.g="), ("--set", "encoding.name=")
ESTIMATOR = ("--set", "activity.estimator=")
CASES = {
    "rule of another shape": (
        RULE,
        "rule(lambda state, seen, weights: ([w[:1] for w in weights], state))",
        r"rule '.*own.py:X' gives a gradient of projection 0 of shape \(1, 8\): give \(64, 8\)",
    ),
    "rule that is not finite": (
        RULE,
        "rule(lambda state, seen, weights: ([None, np.nan * weights[1]], state))",
        "rule '.*own.py:X' gives a gradient of projection 1 that is not finite",
    ),
    "rule of too few": (
        RULE,
        "rule(lambda state, seen, weights: ([None], state))",
        "rule '.*own.py:X' gives 1 for gradients: give a list of 2",
    ),
    "rule of something else": (
        RULE,
        "rule(lambda state, seen, weights: (None, state))",
        "rule '.*own.py:X' gives NoneType for gradients",
    ),
    "rule without a new state": (
        RULE,
        "rule(lambda state, seen, weights: [None, None])",
        "rule '.*own.py:X' gives 2 for an update",
    ),
    "rule that forgets its state": (
        RULE,
        "rule(lambda state, seen, weights: ([None] * 2, {}), lambda rng, n: {'m': rng.random(3)})",
        r"rule '.*own.py:X' gives a state with other names \(m\)",
    ),
    "rule that begins with a float": (
        RULE,
        "rule(None, lambda rng, layers: {'m': 0.5})",
        "rule '.*own.py:X' begins with m as a float: give a numpy array",
    ),
    "rule that raises": (
        RULE,
        "rule(lambda state, seen, weights: [\n    1 / 0,\n])",
        "rule '.*own.py:X' failed: line 14: ZeroDivisionError: division by zero",
    ),
    "rule that begins badly": (
        RULE,
        "rule(None, init=lambda rng, layers: {}['feedback'])",
        "rule '.*own.py:X' failed: line 13: KeyError: 'feedback'",
    ),
    "rule that builds nothing": (
        RULE,
        "RuleFamily(lambda settings, optimiser: None)",
        "rule '.*own.py:X' builds a NoneType: build a hil.learning.Rule",
    ),
    "rule without settings": (
        RULE,
        "RuleFamily(lambda settings, optimiser: None, settings=dict)",
        "line 13: ValueError: settings is <class 'dict'>: give a class of pydantic.BaseModel",
    ),
    "gate of another shape": (
        GATE,
        "Gate(lambda x, drawn: x[0])",
        r"'.*own.py:X' gives shape \(8,\) for \(\d+, 8\): give the same",
    ),
    "gate that is not finite": (
        GATE,
        "Gate(lambda x, drawn: np.inf + x)",
        "'.*own.py:X' gives values that are not finite",
    ),
    "gate that draws the feedback": (
        GATE,
        "Gate(lambda x, drawn: x, lambda rng, terms: {'feedback_1': rng.random((10, 8))})",
        "gate '.*own.py:X' draws 'feedback_1', the feedback's: rename it",
    ),
    "encoding of another width": (
        ENCODING,
        "encoding(lambda x, steps, settings, rng: Stimulus.current(x[:, :9], steps=steps))",
        "encoding '.*own.py:X' gives 1 samples of 8 steps in 9 channels: give 1 samples of 8 "
        "steps in 64 channels",
    ),
    "encoding of other steps": (
        ENCODING,
        "encoding(lambda x, steps, settings, rng: Stimulus.current(x, steps=3))",
        "encoding '.*own.py:X' gives 1 samples of 3 steps",
    ),
    "encoding of something else": (
        ENCODING,
        "encoding(lambda x, steps, settings, rng: x)",
        "encoding '.*own.py:X' gives a ndarray: give a drivers.Stimulus",
    ),
    "estimator of another shape": (
        ESTIMATOR,
        "estimator(lambda seen: RateEstimate(seen.mean[0], seen.mean, seen.mean))",
        r"estimator '.*own.py:X' gives a rate of shape \(8,\): give \(\d+, 8\)",
    ),
    "estimator of no rate": (
        ESTIMATOR,
        "estimator(lambda seen: RateEstimate(seen.mean - 9, seen.mean, seen.mean))",
        r"estimator '.*own.py:X' gives rates from -\S+ to -\S+ spikes per step: give 0 to 1",
    ),
    "estimator that reads nothing known": (
        ESTIMATOR,
        "Estimator('own', 'means', None)",
        "estimator 'own' reads 'means': give one of samples, mean, last, nothing",
    ),
    "estimator of something else": (
        ESTIMATOR,
        "estimator(lambda seen: seen.mean)",
        "estimator '.*own.py:X' gives a ndarray: give a hil.learning.RateEstimate",
    ),
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_a_line(case: str) -> None:
    (*option, last), made, says = CASES[case]
    Path("own.py").write_text(f"{HEAD}X = {made}\n")
    words = [*option, f"{last}own.py:X"] if last != "--rule" else ["--rule", "own.py:X"]
    few = ("--device", "emulator:ideal", "--set", "network.initial_response=as_drawn")
    done = command("train", "digits", *SMALL, *few, *words)
    assert done.exit_code == 2, done.output
    assert re.fullmatch(r"hil: [^\n]+\n", done.stderr), done.stderr
    assert re.search(says, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("Task('x', 'x', lambda rng, share: {})", "task '.*own.py:X' gives a dict: give a"),
        ("Task('x', 'x', lambda rng, share: share / 0)", "task .* failed: line 13: ZeroDivision"),
        ("Task('x', 'x', None, {'rule': {'h': 1}})", "configuration key 'rule.h' is unknown"),
    ],
)
def test_what_is_wrong_with_a_task_is_said_in_a_line(made: str, says: str) -> None:
    Path("own.py").write_text(f"{HEAD}X = {made}\n")
    assert re.search(says, refusal("train", "own.py:X", *SMALL))
