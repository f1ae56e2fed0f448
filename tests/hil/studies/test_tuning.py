"""Settings are chosen fairly: as many trials for each, on validation samples, beyond the grid."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.studies import loader
from hil.studies.pool import Answer, Request
from hil.studies.validation import check
from support.html_page import Page
from support.study_kit import Cut, carried_out, evaluated, outcome, study

# Where each rule does best: far below the grid, far above it, within it, beyond it in two ways.
OPTIMUM = {
    "bp": {"rate": 1e-4, "scale": 1.0},
    "adfa": {"rate": 1.0, "scale": 0.3},
    "output_only": {"rate": 0.01, "scale": 1.0},
    "spsa": {"rate": 0.1, "scale": 1.0, "move": 0.3},
}
SETTINGS = {
    "rate": ("optimiser", "learning_rate"),
    "scale": ("network", "initial_scale"),
    "move": ("rule", "perturbation"),
}
DEVICES = ("emulator:ideal", "emulator:mixed-signal")
STUDY: dict[str, Any] = {
    "version": 1,
    "name": "fair",
    "base": {"training": {"epochs": 10}},
    "factors": {
        "rule": {"key": "rule.name", "levels": [*OPTIMUM]},
        "device": {"key": "device", "levels": [*DEVICES]},
    },
    "repeat": {"what": "both", "times": 3},
    "tune": {
        "by": ["rule", "device"],
        "settings": 18,
        "epochs": 0.3,
        "factors": {
            "rate": {"key": "optimiser.learning_rate", "levels": [0.003, 0.01, 0.03]},
            "scale": {"key": "network.initial_scale", "levels": [0.3, 1.0]},
            "move": {"key": "rule.perturbation", "levels": [0.1]},
        },
    },
}
Config = dict[str, Any]


def settings_of(config: Config) -> dict[str, float]:
    """Those settings of a configuration that are tuned."""
    found = {name: config[section].get(key) for name, (section, key) in SETTINGS.items()}
    return {name: value for name, value in found.items() if value is not None}


def landscape(config: Config) -> float:
    """Validation accuracy that falls with the distance from the optimum of the rule."""
    best = OPTIMUM[config["rule"]["name"]]
    return 0.9 - 0.1 * sum(abs(np.log10(v / best[n])) for n, v in settings_of(config).items())


class Stub:
    """A pool that evaluates nothing; the test samples say the contrary of the validation samples.

    Attributes:
        done: Configurations that it was asked for and gave, in that order.
    """

    def __init__(
        self, accuracy: Callable[[Config], float] = landscape, cut: int | None = None
    ) -> None:
        """Give this validation accuracy; end after `cut` trials."""
        self._accuracy, self._cut = accuracy, cut
        self.done: list[Config] = []

    def __call__(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for job, _ in requests:
            if self._cut is not None and len(self.done) >= self._cut:
                raise Cut
            config = json.loads(job.config)
            self.done.append(config)
            good = self._accuracy(config)
            yield (
                job,
                outcome(job) | {"validation_accuracy": good, "test_accuracy": 1 - good},
                {},
            )

    def stage(self, tuning: bool) -> dict[tuple[str, str], list[Config]]:
        """What was done to tune, or after it, by rule and device."""
        found: dict[tuple[str, str], list[Config]] = defaultdict(list)
        for config in self.done:
            if (config["seed"] >= 1000) == tuning:
                found[config["rule"]["name"], config["device"]].append(config)
        return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stub, dict[str, Any]]:
    """A study that nothing disturbed: its folder, its trials and its result."""
    path, pool = tmp_path_factory.mktemp("whole") / "study", Stub()
    return path, pool, carried_out(study(STUDY), path, pool)


def test_an_optimum_beyond_the_grid_is_found_by_the_validation_samples(
    whole: tuple[Path, Stub, dict[str, Any]],
) -> None:
    trials = whole[1].stage(tuning=False)
    assert len(trials) == len(OPTIMUM) * len(DEVICES)
    for (rule, _), configs in trials.items():
        assert len(configs) == 3
        for config in configs:
            assert settings_of(config) == OPTIMUM[rule]
            assert config["training"]["epochs"] == 10


def test_every_rule_on_every_device_is_tried_as_often(
    whole: tuple[Path, Stub, dict[str, Any]],
) -> None:
    tried = whole[1].stage(tuning=True)
    assert tried.keys() == {(rule, device) for rule in OPTIMUM for device in DEVICES}
    for (rule, _), configs in tried.items():
        by_settings: dict[str, list[Config]] = defaultdict(list)
        for config in configs:
            assert config["training"]["epochs"] == 3
            by_settings[json.dumps(settings_of(config))].append(config)
        assert len(by_settings) == 18
        for repeated in by_settings.values():
            assert [c["seed"] for c in repeated] == [1000, 1001]
            assert [c["device_options"]["chip"] for c in repeated] == [1000, 1001]
        # A decade around the best, and what it was tried beside.
        rates = sorted({settings_of(config)["rate"] for config in configs})
        best = OPTIMUM[rule]["rate"]
        assert rates[0] < best < rates[-1] and rates[-1] / rates[0] >= 9.9
        assert len({settings_of(config)["scale"] for config in configs}) > 1
        assert all(("move" in settings_of(config)) == (rule == "spsa") for config in configs)


def test_what_is_best_on_one_repetition_alone_is_not_chosen(tmp_path: Path) -> None:
    def accuracy(config: Config) -> float:
        lucky = {1000: 0.003, 1001: 0.03}.get(config["seed"])
        return {0.01: 0.8, lucky: 0.9}.get(settings_of(config)["rate"], 0.1)

    pool = Stub(accuracy)
    evaluated(study(STUDY), tmp_path / "study", pool)
    for configs in pool.stage(tuning=False).values():
        assert {settings_of(config)["rate"] for config in configs} == {0.01}


@pytest.mark.parametrize("cut", [13, 200, 300])
def test_resumed_midway_it_chooses_the_same(
    whole: tuple[Path, Stub, dict[str, Any]], tmp_path: Path, cut: int
) -> None:
    path, undisturbed, _ = whole
    first, second = Stub(cut=cut), Stub()
    with pytest.raises(Cut):
        evaluated(study(STUDY), tmp_path / "study", first)
    evaluated(study(STUDY), tmp_path / "study", second)
    done = Counter(json.dumps(config) for config in [*first.done, *second.done])
    assert done == Counter(json.dumps(config) for config in undisturbed.done)
    assert (tmp_path / "study" / "trials.csv").read_bytes() == (path / "trials.csv").read_bytes()


def test_the_page_prints_budget_grid_and_choice(whole: tuple[Path, Stub, dict[str, Any]]) -> None:
    path, _, result = whole
    text = Page.read(path / "report.html").text
    assert "of 18 for each combination" in text
    assert "2 repetitions on seeds and chips of their own, each trained for 30 % of its" in text
    assert f"{4 * 2 * 18 * 2} trainings" in text
    tuned = result["sections"]["Tuned settings"]
    lines = {tuple(line[:2]): line[2:] for line in tuned["chosen"]}
    for rule, best in OPTIMUM.items():
        for device in DEVICES:
            rate, rates, scale, _, move, *_ = lines[rule, device]
            assert (rate, scale) == (f"{best['rate']:g}", f"{best['scale']:g}")
            assert {"0.003", "0.01", "0.03", rate} <= set(rates.split(", "))
            assert move == (f"{best['move']:g}" if "move" in best else "-")
    assert len(tuned["tried"]) == 4 * 2 * 18
    assert not any("edge" in text for line in tuned["chosen"] for text in line)


def test_where_the_number_did_not_do_the_page_says_so(tmp_path: Path) -> None:
    made = study(STUDY, tune={"settings": 7})
    result = carried_out(made, tmp_path / "study", Stub())
    lines = {tuple(line[:2]): line for line in result["sections"]["Tuned settings"]["chosen"]}
    for device in DEVICES:
        assert lines["bp", device][2].endswith(" (edge)")
        assert lines["adfa", device][2].endswith(" (edge)")
        assert lines["output_only", device][2] == "0.01"
    text = Page.read(tmp_path / "study" / "report.html").text
    assert "Where it says edge" in text


def test_a_grid_ends_where_a_setting_is_refused(tmp_path: Path) -> None:
    """A momentum of 1 is none."""
    factors = {"momentum": {"key": "optimiser.momentum", "levels": [0.1, 0.3]}}
    sections = {**STUDY, "tune": {**STUDY["tune"], "settings": 4, "factors": factors}}
    pool = Stub(lambda config: float(config["optimiser"]["momentum"]))
    evaluated(study(sections), tmp_path / "study", pool)
    for configs in pool.stage(tuning=True).values():
        assert {c["optimiser"]["momentum"] for c in configs} == {0.1, 0.3, 0.03, 0.01}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": 5}, "tune.settings = 5: the levels alone make 6 settings"),
        ({"times": 1}, "tune.times = 1"),
        ({"epochs": 1.5}, "tune.epochs = 1.5"),
        ({"by": ["rule"]}, "tune.by leaves out 'device': tune for each device by itself"),
        ({"factors": {"move": {"key": "rule.perturbaton"}}}, "did you mean 'rule.perturbation'?"),
    ],
)
def test_what_would_not_be_fair_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="tun") as error:
        check(study(STUDY, tune=change))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_tuning_without_validation_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="tuning chooses by validation samples"):
        check(study(STUDY, training={"validation_fraction": 0.0}))


@pytest.mark.parametrize("budget", ["default", *loader.read("comparison")["budgets"]])
def test_the_comparison_is_fair_in_every_budget(budget: str) -> None:
    made = loader.build(loader.read("comparison"), budget=budget)
    tuned = made.tune
    assert tuned is not None and {"rule", "device"} <= set(tuned.by)
    assert tuned.settings >= 6 and tuned.times >= 2
    keys = {factor.key: factor.levels for factor in tuned.factors.values()}
    rates = keys["optimiser.learning_rate"]
    assert max(rates) / min(rates) > 9.9
    assert {"network.initial_scale", "rule.perturbation"} <= keys.keys()
