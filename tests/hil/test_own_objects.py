"""Rules, gates and others of a program, given as they are."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import hil
from drivers import Stimulus
from hil import learning
from hil.encodings import Encoding
from hil.extensions import UntrustedCode
from hil.learning import Estimator, Gate, RateEstimate, RuleFamily
from hil.runs.folder import Run
from hil.tasks import Data, Task
from support.extension_file import process_of, python

BELL = Gate(lambda x, drawn: np.exp(-np.square(x)))
HALVED = Encoding(lambda x, steps, settings, rng: Stimulus.current(0.5 * x, steps=steps))
CLIPPED = Estimator(
    "clipped",
    "mean",
    lambda seen: RateEstimate(np.clip(seen.mean, 0, 1), seen.mean, np.full_like(seen.mean, 1e-3)),
    needs_drive=False,
)
SMALL: dict[str, Any] = {
    "device": "emulator:ideal",
    "network": {"hidden": [5], "steps": 5},
    "training": {"epochs": 1, "batch": 40},
}
RNG = np.random.default_rng(2)
X = RNG.random((120, 4), dtype=np.float32)
Y = (X[:, 0] > X[:, 1]).astype(np.int64)


def load(rng: np.random.Generator, validation_fraction: float) -> Data:
    return Data(X[:60], Y[:60], X[60:80], Y[60:80], X[80:], Y[80:], classes=2)


SIDES = Task("sides", "left or right", load)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_objects_of_a_module_are_named_for_it_and_found_again() -> None:
    run = hil.train(
        SIDES,
        rule={"name": "adfa", "g": BELL},
        encoding=HALVED,
        activity={"estimator": CLIPPED},
        **SMALL,
    )
    config = Run.open(run.path).config()
    assert config.task == f"{__name__}:SIDES"
    assert config.rule["g"] == f"{__name__}:BELL"
    assert config.encoding == {"name": f"{__name__}:HALVED"}
    assert config.activity.estimator == f"{__name__}:CLIPPED"
    code = Run.open(run.path).environment()["code"]
    assert set(code.values()) == {sha256(Path(__file__).read_bytes()).hexdigest()}
    assert len(code) == 4
    (run.path / "result.json").unlink()
    with pytest.raises(UntrustedCode):
        hil.resume(run.path)
    again = hil.resume(run.path, trust=True)
    assert again.test_accuracy == run.test_accuracy
    assert hil.evaluate(run.path, trust=True)["test_accuracy"] == run.test_accuracy
    np.testing.assert_array_equal(again.predict(X[:9]), run.predict(X[:9]))


def test_what_no_name_finds_is_trained_with_and_given_again() -> None:
    adfa = learning.adfa
    rule = RuleFamily(lambda settings, opt: adfa.build(settings, opt), adfa.settings)
    gate = Gate(lambda x, drawn: np.tanh(2 * x))
    run = hil.train(X, Y, rule={"name": rule, "g": gate}, **SMALL)
    usual = hil.train(X, Y, rule=learning.adfa(g="tanh", gain=2), **SMALL)
    chosen = Run.open(usual.path).config().rule
    assert (chosen["name"], chosen["g"], chosen["gain"]) == ("adfa", "tanh", 2.0)
    for own, known in zip(run.weights, usual.weights, strict=True):
        np.testing.assert_allclose(own, known, atol=1e-6)
    config = Run.open(run.path).config()
    names = {config.rule["name"]: rule, config.rule["g"]: gate}
    assert all(name.startswith(f"{__name__}:test_what") for name in names)
    assert run.predict(X[:5]).shape == (5,)
    (run.path / "result.json").unlink()
    with pytest.raises(ValueError, match=r"a program made it: give it again, extensions=\{'"):
        hil.resume(run.path, trust=True)
    assert hil.resume(run.path, extensions=names).test_accuracy == run.test_accuracy


def test_a_script_is_named_by_its_file_and_resumed_from_the_command_line() -> None:
    Path("program.py").write_text(
        "import numpy as np, hil\n"
        "from hil.learning import Gate\n"
        "BELL = Gate(lambda x, drawn: np.exp(-np.square(x)))\n"
        "if __name__ == '__main__':\n"
        "    x = np.random.default_rng(0).random((60, 3)); y = (x[:, 0] > x[:, 1]).astype(int)\n"
        "    hil.train(x, y, rule={'name': 'adfa', 'g': BELL}, out='run',\n"
        "              device='emulator:ideal', network={'hidden': [4]}, training={'epochs': 1})\n"
    )
    done = process_of("program.py")
    assert done.returncode == 0, done.stderr
    g = Run.open("run").config().rule["g"]
    assert g == f"{Path.cwd()}/program.py:BELL"
    Path("run/result.json").unlink()
    hil.resume("run", trust=True)


def test_one_of_a_program_without_a_file_is_asked_for() -> None:
    done = python(
        "import numpy as np, hil\n"
        "from hil.learning import Gate\n"
        "BELL = Gate(lambda x, drawn: np.exp(-np.square(x)))\n"
        "x = np.random.default_rng(0).random((60, 3)); y = (x[:, 0] > x[:, 1]).astype(int)\n"
        "hil.train(x, y, rule={'name': 'adfa', 'g': BELL}, device='emulator:ideal', out='run',\n"
        "          network={'hidden': [4]}, training={'epochs': 1})\n"
    )
    assert done.returncode == 0, done.stderr
    Path("run/result.json").unlink()
    with pytest.raises(ValueError, match=r"extensions=\{'__main__:BELL': \.\.\.\}"):
        hil.resume("run", trust=True)
    hil.resume("run", extensions={"__main__:BELL": BELL})


def test_an_estimator_of_scikit_learn_takes_them_too() -> None:
    settings = {"network": {"steps": 5}, "encoding": HALVED}
    made = hil.SpikingClassifier(
        "emulator:ideal", {"name": "adfa", "g": BELL}, hidden=[5], epochs=1, settings=settings
    )
    fitted = clone(made).fit(X, Y)
    assert fitted.config_["rule"]["g"] == f"{__name__}:BELL"
    assert fitted.predict(X).shape == Y.shape
    with pytest.raises(ValueError, match="is no Gate but of type Encoding"):
        clone(made).set_params(rule={"name": "adfa", "g": HALVED}).fit(X, Y)
