"""One new file each: it is found by its name, and works from end to end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from support.paths import KERNELS, ROOT

PACKAGES = ("hil", "drivers", "device_models", "machine_code")
NEW = {
    "device_models/neurons/stubborn.toml": """
        [neuron]
        name = "stubborn"
        base = "lif"
        description = "A leaky neuron that is hard to excite."

        [neuron.parameters.v_threshold]
        value = 4.0
        unit = "volt"
        minimum = 0.1
        maximum = 10.0
        mismatch = { nonideality = "threshold_cv", acts = "multiply" }
    """,
    "device_models/profiles/exact-but-deaf.toml": """
        name = "exact-but-deaf"
        description = "half of the spikes are lost"

        [nonidealities]
        spike_loss = { value = 0.5, source = "a choice" }
    """,
    "hil/learning/gates/bell.py": """
        '''A bell around the shift.'''

        import numpy as np

        from hil.learning.gates import Gate

        GATE = Gate(lambda x, drawn: np.exp(-np.square(x)))
    """,
    "hil/learning/rules/last_by_sign.py": """
        '''The last projection follows the sign of a mean of its gradients over batches.'''

        import numpy as np
        from pydantic import BaseModel

        from hil.learning.rule import Rule, RuleFamily


        class Settings(BaseModel):
            '''How far.'''

            size: float = 0.01


        def build(settings, optimiser):
            '''Make the rule.'''

            def init(rng, layers):
                return {"mean": np.zeros(layers[-2:], np.float32)}

            def update(state, observation, weights):
                before = (observation.inputs, *observation.activity)[-1]
                mean = (state["mean"] + before.T @ observation.error) / 2
                step = np.float32(settings.size) * np.sign(mean)
                return [*[None] * (len(weights) - 1), step], {"mean": mean}

            return Rule("last_by_sign", init=init, update=update)


        RULE = RuleFamily(build, Settings)
    """,
    "hil/learning/rate_estimators/squashed.py": """
        '''A rate that rises with the mean membrane, and that `auto` trusts most.'''

        import numpy as np

        from hil.learning.rate_estimators import Estimator, RateEstimate, doubt_little


        def estimate(reading):
            '''Squash the mean.'''
            rate = 1 / (1 + np.exp(4 - 8 * reading.mean))
            return RateEstimate(rate, reading.mean, doubt_little(rate))


        ESTIMATOR = Estimator("squashed", "mean", estimate, needs_drive=False, rank=1)
    """,
    "hil/encodings/turned.py": """
        '''Currents, the larger the smaller the feature.'''

        import numpy as np
        from pydantic import BaseModel

        from drivers import Stimulus
        from hil.encodings.encoding import Encoding


        class Settings(BaseModel):
            '''The largest current.'''

            top: float = 1.0


        def encode(x, steps, settings, rng):
            '''Encode a batch.'''
            return Stimulus.current(np.float32(settings.top) * (1 - x), steps=steps)


        ENCODING = Encoding(encode, Settings)
    """,
    "hil/tasks/halves.py": """
        '''On which side is the light?'''

        import numpy as np

        from hil.tasks.task import Data, Task


        def load(rng, validation_fraction):
            '''Two classes that a line tells apart.'''
            drawn = np.random.default_rng(1)
            x = drawn.random((300, 4), dtype=np.float32)
            y = (x[:, :2].sum(axis=1) > x[:, 2:].sum(axis=1)).astype(np.int64)
            parts = {"train": slice(200), "validation": slice(200, 240), "test": slice(240, None)}
            arrays = {f"{k}_{p}": v[s] for p, s in parts.items() for k, v in (("x", x), ("y", y))}
            return Data(classes=2, **arrays)


        TASK = Task(
            "halves",
            "left or right",
            load,
            {
                "network": {"hidden": [20], "steps": 10},
                "training": {"epochs": 8, "batch": 20},
                "optimiser": {"learning_rate": 0.02},
            },
        )
    """,
    "hil/tasks/formats/letters.py": """
        '''As many samples as letters: vowels, and others.'''

        import numpy as np

        from hil.tasks.formats import Format


        def read(given):
            '''A feature that tells vowels.'''
            y = np.array([letter in "aeiou" for letter in given.path.read_text()])
            return {"x_train": np.stack([y, 1.0 - y], axis=1), "y_train": y}


        FORMAT = Format("a text", (".txt",), (), read)
    """,
    "hil/sections/tally.py": """
        '''How many trials there are.'''

        from hil.sections import PageSection, SectionKind, SectionSettings


        class Settings(SectionSettings):
            '''Nothing more.'''

            word: str = "trials"


        def build(settings, trials):
            '''One sentence.'''
            counted = f"{len(trials.rows)} {settings.word} were counted"
            return PageSection("A tally of mine", counted)


        SECTION = SectionKind(build, Settings)
    """,
    "hil/studies/builtin/quick.toml": """
        version = 1
        name = "quick"
        title = "As quick as can be"
        question = "Is it found?"

        [base]
        task = "halves"
        device = "emulator:ideal"

        [factors.rule]
        key = "rule.name"
        levels = ["adfa", "last_by_sign"]

        [repeat]
        times = 1

        [[sections]]
        kind = "tally"
        word = "runs"
    """,
    "hil/cli/commands/say_hello.py": """
        '''The command that says hello.'''

        import typer


        def say_hello() -> None:
            '''Say hello to whoever asks.'''
            typer.echo("hello")
    """,
}
# Run in the copy: every part by itself, and what came of it as JSON.
PROGRAM = """
import json, traceback
import numpy as np
import drivers, hil
from typer.testing import CliRunner
from hil.cli.app import app

assert hil.__file__.startswith(FOLDER)

def spikes(address):
    with drivers.open(address) as device:
        device.configure(drivers.Network.feed_forward((1, 1), full_scale=(1.0,)))
        device.write_weights(0, np.ones((1, 1)))
        stimulus = drivers.Stimulus.current(np.full((1, 1), 0.7), steps=400)
        return int(device.run(stimulus, trial=1).counts.sum())

def train(**asked):
    return hil.train("halves", device="emulator:ideal", seed=1, **asked)

def letters():
    open("letters.txt", "w").write("abcdefghijklmnopqrstuvwxyz" * 9)
    small = {"epochs": 3, "batch": 10}
    run = hil.train("letters:letters.txt", device="emulator:ideal", training=small)
    return run.test_accuracy

def command(*words):
    done = CliRunner().invoke(app, words)
    return done.output if done.exit_code == 0 else repr(done.exception) + done.output

def study():
    said = command("study", "quick", "--workers", "1", "--out", "quick", "--json")
    return [command("study"), json.loads(said)["trials"], open("quick/report.html").read()]

parts = {
    "neuron": lambda: [spikes("emulator:ideal"), spikes("emulator:ideal?neuron=stubborn")],
    "chip": lambda: [command("chips"), spikes("emulator:ideal"), spikes("emulator:exact-but-deaf")],
    "task": lambda: [command("tasks"), train().test_accuracy],
    "format": lambda: [command("tasks"), letters()],
    "gate": lambda: train(rule={"name": "adfa", "g": "bell"}).test_accuracy,
    "rule": lambda: train(rule={"name": "last_by_sign", "size": 0.1}).test_accuracy,
    "estimator": lambda: [m["estimator"] for m in train(training={"epochs": 1}).metrics],
    "encoding": lambda: train(encoding={"name": "turned", "top": 0.8}).test_accuracy,
    "study": study,
    "command": lambda: [command("--help"), command("say-hello")],
}
came = {}
for name, part in parts.items():
    try:
        came[name] = part()
    except Exception:
        came[name] = traceback.format_exc()
open("came.json", "w").write(json.dumps(came))
"""


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each new file in a copy of the packages."""
    folder = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "build")
        )
    for name, content in NEW.items():
        path = folder / name
        assert path.parent.is_dir() and not path.exists(), name
        lines = [line.removeprefix(" " * 8) for line in content.strip("\n").splitlines()]
        path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", f"FOLDER = {str(folder)!r}\n{PROGRAM}"],
        cwd=folder,
        env={
            "PYTHONPATH": str(folder),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "NUMBA_CACHE_DIR": str(KERNELS),
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads((folder / "came.json").read_text(encoding="utf-8"))
    return result


def test_a_neuron_model(came: dict[str, Any]) -> None:
    usual, stubborn = came["neuron"]
    assert 0 < stubborn < 0.5 * usual


def test_a_chip(came: dict[str, Any]) -> None:
    listed, exact, deaf = came["chip"]
    assert "exact-but-deaf" in listed
    assert 0.3 * exact < deaf < 0.7 * exact


def test_a_task(came: dict[str, Any]) -> None:
    listed, accuracy = came["task"]
    assert "left or right" in listed
    assert accuracy > 0.8


def test_a_format_of_files(came: dict[str, Any]) -> None:
    listed, accuracy = came["format"]
    assert "letters:FILE" in listed and "a text" in listed
    assert accuracy > 0.8


@pytest.mark.parametrize("part", ["gate", "rule", "encoding"])
def test_a_part_of_learning(part: str, came: dict[str, Any]) -> None:
    assert isinstance(came[part], float), came[part]
    assert came[part] > 0.75


def test_an_estimator_that_auto_chooses(came: dict[str, Any]) -> None:
    assert came["estimator"] == ["squashed"]


def test_a_study_and_a_section_of_its_page(came: dict[str, Any]) -> None:
    listed, trials, page = came["study"]
    assert "As quick as can be" in listed or "Is it found?" in listed
    assert trials == 2
    assert "A tally of mine" in page and "2 runs were counted" in page


def test_a_command(came: dict[str, Any]) -> None:
    offered, said = came["command"]
    assert "say-hello" in offered and "Say hello" in offered
    assert said == "hello\n"
