"""Training on a device of which nothing but output spikes is ever seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hil
from drivers import DeviceInfo, Offers, ProbeOffer, UnsupportedProbe, registry
from hil.runs.folder import Run
from support.matrix_device import MatrixDevice

ADDRESS = "unseen:?reset=soft&sampled=before_reset&reduction=mean&kind=current&arrival=same_step"


class Unseen(MatrixDevice):
    """A device without a converter: only the spikes of its output leave it."""

    @property
    def info(self) -> DeviceInfo:
        """What it is, without membranes."""
        info, shown = super().info, (ProbeOffer("spikes", "output"),)
        return replace(info, offers=Offers(stimuli=info.offers.stimuli, probes=shown))


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(registry.BUILTIN, "unseen", f"{__name__}:Unseen")
    return ADDRESS


def test_hidden_layers_learn_by_what_the_nominal_neuron_would_do(
    unseen: str, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"network": {"hidden": [60, 60]}, "training": {"epochs": 10}}
    run = hil.train("digits", device=unseen, out=tmp_path / "run", **asked)
    frozen = hil.train("digits", device=unseen, rule="output_only", out=tmp_path / "o", **asked)
    assert run.test_accuracy > 0.9
    assert run.test_accuracy > frozen.test_accuracy + 0.05
    # The output, whose spikes are counted, says how good such estimates are.
    fits = [row["estimator_fit"]["drive"] for row in Run.open(run.path).metrics()]
    assert min(fits) > 0.9


@pytest.mark.parametrize(
    "rule, remedy",
    [
        ({"name": "bptt"}, "hidden layer 1 nowhere: use --rule adfa or"),
        ({"name": "adfa", "clock": "trace"}, "hidden layer 1 nowhere: use rule.clock=mean"),
    ],
)
def test_a_rule_that_needs_membranes_is_refused_with_what_would_do(
    unseen: str, rule: dict[str, str], remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedProbe, match=remedy):
        hil.train("digits", device=unseen, rule=rule, out=tmp_path / "run")
