"""A device that shows few neurons, or takes few samples, at a time is run several times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import Network, Probe, Stimulus, UnsupportedProbe
from drivers.registry import BUILTIN
from hil.config import build
from hil.loop import training
from hil.loop.supervised_device import SupervisedDevice
from hil.runs.folder import Run
from support.good_device import INFO, Good
from support.restated import restated

NETWORK = Network.feed_forward((5, 7, 4))
PROBES = st.lists(
    st.builds(
        Probe,
        layer=st.integers(1, 2),
        quantity=st.just("membrane"),
        every=st.integers(1, 3),
        reduce=st.sampled_from(["none", "mean", "last"]),
    )
    | st.builds(Probe, layer=st.integers(1, 2), quantity=st.just("spikes")),
    max_size=4,
    unique=True,
)


class Few(Good):
    """A device that shows so many neurons and takes so many samples at once; counts its runs."""

    at_once: int | None = 3
    batch = 20
    runs = 0

    @property
    def info(self) -> Any:
        offers = [replace(offer, neurons=self.at_once) for offer in INFO.offers.probes]
        return restated(INFO, probes=tuple(offers), batch=self.batch)

    def _run(self, *arguments: Any) -> Any:
        type(self).runs += 1
        self.trials = [*getattr(self, "trials", []), arguments[2]]
        return super()._run(*arguments)


def session(at_once: int | None, batch: int = 20) -> SupervisedDevice:
    made = type("Limited", (Few,), {"at_once": at_once, "batch": batch})
    found = SupervisedDevice(made(), NETWORK)
    rng = np.random.default_rng(0)
    for projection, shape in enumerate(NETWORK.shapes):
        found.write(projection, rng.normal(0.3, 1, shape).astype(np.float32))
    return found


@given(probes=PROBES, at_once=st.integers(1, 9), batch=st.integers(1, 6))
def test_it_answers_as_a_device_that_shows_all(
    probes: list[Probe], at_once: int, batch: int
) -> None:
    x = Stimulus.current(np.random.default_rng(1).random((6, 5)), steps=8)
    whole = session(None).run(x, probes, 0)
    few = session(at_once, batch)
    few.check_run("current", 6, 8, probes)
    found = few.run(x, probes, 0)
    assert np.array_equal(found.counts, whole.counts) and found.samples.keys() == set(probes)
    for probe, samples in whole.samples.items():
        assert found.samples[probe] == pytest.approx(samples, abs=1e-4)  # sums of other orders
        assert found.samples[probe].dtype == samples.dtype
    layers = {probe.layer for probe in probes}
    groups = max((-(-NETWORK.layers[n] // at_once) for n in layers), default=1)
    assert few.costs.usage.runs == groups * -(-6 // batch)


def test_parts_of_a_batch_are_trials_of_their_own_and_all_groups_of_neurons_see_the_same() -> None:
    few = session(4, batch=2)
    few.run(Stimulus.current(np.ones((5, 5)), steps=4), [Probe(1, "membrane")], 7)
    first, *others = zip(*[iter(few._device.trials)] * 2, strict=True)  # type: ignore[attr-defined]
    assert first == (7, 7)
    assert all(a == b for a, b in others) and len({first, *others}) == 3


def test_what_is_not_offered_is_refused_as_ever() -> None:
    with pytest.raises(UnsupportedProbe, match="5 neurons at once"):
        session(3).check_run("current", 6, 8, [Probe(1, neurons=(0, 1, 2, 3, 4))])
    with pytest.raises(UnsupportedProbe, match="layer 4"):
        session(3).check_run("current", 6, 8, [Probe(4)])


def test_a_training_needs_no_option_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUILTIN, "few", f"{__name__}:Few")
    asked = {"task": "digits", "device": "few:", "network": {"hidden": [20]}}
    weights, runs = [], []
    for at_once in (None, 7):
        monkeypatch.setattr(Few, "at_once", at_once)
        monkeypatch.setattr(Few, "runs", 0)
        run = Run.create(
            tmp_path / str(at_once), build(asked, {"training": {"epochs": 1, "batch": 20}})
        )
        training.train(run)
        found = run.load_checkpoint() or {}
        weights.append([found[n].tobytes() for n in sorted(found) if n.startswith("weights/")])
        runs.append(Few.runs)
    assert weights[0] == weights[1]
    assert runs[0] < runs[1] <= 3 * runs[0]
