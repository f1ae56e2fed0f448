"""Studies whose trials cost nothing: outcomes are a function of the job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.studies import coordinator, page, strategies
from hil.studies.folder import StudyFolder
from hil.studies.loader import build
from hil.studies.plan import Job
from hil.studies.pool import Answer, Request
from hil.studies.schema import Study

GRID: dict[str, Any] = {
    "version": 1,
    "name": "grid",
    "base": {"device": "emulator:ideal", "training": {"epochs": 1}},
    "factors": {
        "rule": {"key": "rule.name", "levels": ["adfa", "bp"]},
        "mode": {"key": "mode", "levels": ["scratch", "deploy", "fine_tune"]},
    },
    "parts": {
        "noise": {
            "about": "noise",
            "factors": {"severity": {"key": "device_options.membrane_noise", "levels": [0.0, 0.3]}},
        },
        "bits": {
            "factors": {"severity": {"key": "device_options.weight_bits", "levels": [6, 4, 2]}},
        },
    },
    "repeat": {"what": "both", "times": 3},
    "pretrain": {"device": "emulator:ideal"},
    "tune": {
        "by": ["rule"],
        "settings": 2,
        "factors": {"rate": {"key": "optimiser.learning_rate", "levels": [0.001, 0.01]}},
    },
}
SEARCH: dict[str, Any] = {
    "version": 1,
    "name": "searching",
    "base": {"device": "emulator:ideal", "training": {"epochs": 1}},
    "factors": {
        "rate": {"key": "optimiser.learning_rate", "low": 1e-3, "high": 1e-1, "log": True},
        "batch": {"key": "training.batch", "low": 10, "high": 100, "whole": True},
        "g": {"key": "rule.g", "levels": ["sin", "tanh", "sigmoid"]},
    },
    "search": {
        "objectives": ["validation_accuracy", "-spikes"],
        "population": 4,
        "generations": 3,
        "repeats": 2,
        "confirm": 3,
    },
}


class Cut(Exception):
    """The process was ended here."""


def outcome(job: Job) -> dict[str, Any]:
    """Figures that depend on the settings, smoothly, and on the seed."""
    config = json.loads(job.config)
    rng = np.random.default_rng(int(job.key, 16))
    rate = np.log10(config["optimiser"]["learning_rate"])
    good = 0.9 - 0.1 * (rate + 2) ** 2 + 0.02 * rng.standard_normal()
    if config["rule"]["name"] == "bp":
        good += 0.05
    return {
        "test_accuracy": float(np.clip(good, 0, 1)),
        "validation_accuracy": float(np.clip(good + 0.01 * rng.standard_normal(), 0, 1)),
        "train_accuracy": 0.5 if job.train else None,
        "curve": [0.1, 0.5] if job.train else [],
        "device_runs": 30 if job.train else 0,
        "samples": 300 if job.train else 0,
        "spikes": float(config["training"]["batch"] + rng.random()) if job.train else None,
        "footprint": 12.5,
        "overlap": float(rng.random()) if config["rule"]["name"] == "adfa" else None,
        "findings": [],
        "seconds": float(rng.random()),
        "device_seconds": 0.1,
        "transfer_seconds": 0.0,
    }


class Fake:
    """A pool that evaluates nothing.

    Attributes:
        done: Keys of what it was asked for and gave, in that order.
    """

    def __init__(
        self,
        shuffle: int | None = None,
        cut: int | None = None,
        wrong: Callable[[Job], bool] = lambda job: False,
    ) -> None:
        """Give results out of order where `shuffle` is a seed; end after `cut` of them."""
        self._rng = None if shuffle is None else np.random.default_rng(shuffle)
        self._cut, self._wrong = cut, wrong
        self.done: list[str] = []

    def __call__(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Evaluate up to five at once."""
        waiting, under_way = iter(requests), list[Request]()
        while True:
            while len(under_way) < 5 and (request := next(waiting, None)) is not None:
                assert (request[1] is not None) == bool(request[0].start)
                under_way.append(request)
            if not under_way:
                return
            place = 0 if self._rng is None else int(self._rng.integers(len(under_way)))
            job, _ = under_way.pop(place)
            if self._cut is not None and len(self.done) >= self._cut:
                raise Cut
            self.done.append(job.key)
            if self._wrong(job):
                yield job, {"error": "it does not fit"}, {}
            else:
                kept = {"weights/0": np.ones((2, 2), np.float32)} if job.keep else {}
                yield job, outcome(job), kept


class Measured(Fake):
    """A pool whose outcomes are changed by what the test says of a configuration."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self._change = change

    def __call__(self, requests: Any) -> Any:
        for job, result, kept in super().__call__(requests):
            yield job, {**result, **self._change(json.loads(job.config))}, kept


def study(sections: dict[str, Any], **changes: Any) -> Study:
    """A study of these sections."""
    return build(sections, changes=changes)


def evaluated(made: Study, path: Path, pool: Fake) -> None:
    """Run a study on a fake pool, to its table."""
    _through(made, path, pool, pages=False)


def carried_out(made: Study, path: Path, pool: Fake) -> dict[str, Any]:
    """Run a study on a fake pool, to its page."""
    return _through(made, path, pool, pages=True)


def _through(made: Study, path: Path, pool: Fake, pages: bool) -> dict[str, Any]:
    folder = StudyFolder(path, made)
    with folder.lock(), pytest.MonkeyPatch.context() as patch:
        if not pages:
            patch.setattr(page.rendering, "render", lambda *a, **k: "")
            patch.setattr(page, "make_sections", lambda *a: [])
            patch.setattr(page, "search_sections", lambda *a: [])
        at_work = coordinator.Coordinator(folder, pool, lambda _: None)
        if made.search is None:
            return page.write_grid(folder, *strategies.run_grid(at_work))
        return page.write_search(folder, strategies.run_search(at_work, made.search))


def refusal(options: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that `hil study` says about input that it refuses."""
    from hil.cli.app import app

    with pytest.raises(SystemExit) as end:
        app(["study", *options])
    out, error = capsys.readouterr()
    assert end.value.code == 2 and out == "" and error.count("\n") == 1, error
    assert error.startswith("hil: ")
    return error
