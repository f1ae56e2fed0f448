"""What a driver answers is held to the contract at the door, in one line that names its method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import Network, Probe, Readout, Stimulus, sampling
from drivers.contract.answers import check_readout
from support.good_device import INFO, Good
from support.restated import restated

MEMBRANE, RASTER = Probe(1), Probe(1, "spikes")
MEANS = Probe(1, reduce="mean"), Probe(1, "spikes", reduce="mean")
PROBES = (MEMBRANE, RASTER, *MEANS)
STIMULUS = Stimulus.current(np.ones((2, 4)), steps=5)


class Answers(Good):
    """A device whose answers are changed before they reach the door."""

    change: Callable[[Any], Any] = staticmethod(lambda answer: answer)
    change_stored: Callable[[Any], Any] = staticmethod(lambda stored: stored)
    chosen: ClassVar = {}

    def _run(self, stimulus, probes, trial, carry):  # type: ignore[no-untyped-def]
        return self.change(super()._run(stimulus, probes, trial, carry))

    def _write(self, projection, weights):  # type: ignore[no-untyped-def]
        return self.change_stored(super()._write(projection, weights))


def opened(**changes: Callable[[Any], Any]) -> Answers:
    device = Answers()
    for name, change in changes.items():
        setattr(device, name, change)
    device.configure(Network.feed_forward((4, 6, 3), (2.0, 2.0)))
    return device


def counts(change: Callable[[Any], Any]) -> Callable[[Readout], Readout]:
    return lambda good: dataclasses.replace(good, counts=change(good.counts))


def sample(probe: Probe, change: Callable[[Any], Any]) -> Callable[[Readout], Readout]:
    def changed(good: Readout) -> Readout:
        samples = {**good.samples, probe: change(good.samples[probe])}
        return dataclasses.replace(good, samples=samples)

    return changed


def first(value: float) -> Callable[[Any], Any]:
    """The same array with one value changed."""

    def changed(array: Any) -> Any:
        array = array.copy()
        array.flat[0] = value
        return array

    return changed


RUNS = [
    (lambda _: None, "gave NoneType: give a Readout"),
    (lambda good: dataclasses.replace(good, steps=6), "steps = 6: give the 5"),
    (counts(lambda c: c.tolist()), r"counts as list: give a int32 array of shape \(2, 3\)"),
    (counts(lambda c: c[:, :-1]), r"counts as int32 of shape \(2, 2\): give int32 of shape"),
    (counts(lambda c: c.astype(np.int64)), "counts as int64 of shape"),
    (counts(lambda c: c + 0.5), "counts as float64 of shape"),
    (counts(first(-1)), "counts from -1 to .: give 0 to 5"),
    (counts(first(6)), "counts from 0 to 6: give 0 to 5, at most 1 a step"),
    (lambda good: dataclasses.replace(good, samples={}), "no answer to a probe of membrane of"),
    (sample(MEMBRANE, lambda m: m.swapaxes(0, 1)), r"float32 of shape \(5, 2, 6\)"),
    (sample(MEMBRANE, lambda m: m.astype(np.float64)), "as float64 of shape"),
    (sample(MEMBRANE, first(np.nan)), "membrane of layer 1 reduced by 'none' that are not all fin"),
    (sample(MEANS[0], first(np.inf)), "not all finite"),
    (sample(RASTER, lambda s: s.astype(np.float32)), "give uint8"),
    (sample(RASTER, first(2)), "from 0 to 2: give 0 to 1, spikes per step"),
    (sample(MEANS[1], lambda m: m * 5 + 2), "give 0 to 1, spikes per step"),
    (sample(MEANS[1], first(np.nan)), "not all finite"),
    (sample(MEANS[1], first(-0.2)), "from -0.2"),
    (
        lambda good: dataclasses.replace(good, membrane_sampled="after_reset"),
        "membrane_sampled = 'after_reset': the ProbeOffer of info states 'before_reset'",
    ),
]


@pytest.mark.parametrize(("change", "words"), RUNS)
def test_a_run_that_cannot_be_is_refused(change: Callable[[Any], Any], words: str) -> None:
    device = opened(change=change)
    with pytest.raises(drivers.ReadoutError, match=words) as caught:
        device.run(STIMULUS, PROBES)
    assert str(caught.value).startswith("Answers._run gave ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: None, r"as NoneType: give a float32 array of shape \(4, 6\)"),
        (lambda stored: stored.T, r"of shape \(6, 4\): give float32 of shape \(4, 6\)"),
        (lambda stored: stored.astype(np.float64), "as float64"),
        (first(np.nan), "not all finite"),
        (first(2.01), "to 2.01: give what was stored, within the full scale of 2"),
        (first(-2.01), "from -2.01"),
    ],
)
def test_stored_weights_that_cannot_be_are_refused(
    change: Callable[[Any], Any], words: str
) -> None:
    device = opened(change_stored=change)
    with pytest.raises(drivers.ReadoutError, match=words) as caught:
        device.write_weights(0, np.ones((4, 6)))
    assert str(caught.value).startswith("Answers._write gave stored weights")
    assert "\n" not in str(caught.value)


def test_what_a_device_may_answer_passes() -> None:
    device = opened()
    device.write_weights(0, np.full((4, 6), 9.0))
    readout = device.run(STIMULUS, PROBES)
    assert readout.samples[RASTER].max() == 1
    fast = restated(INFO, spikes_per_step=3)
    many = counts(lambda c: np.full_like(c, 15))(readout)
    network = Network.feed_forward((4, 6, 3))
    taken = check_readout("Fast._run", many, STIMULUS, PROBES, network, fast)
    assert np.array_equal(taken.counts, many.counts) and taken.samples.keys() == set(PROBES)
    with pytest.raises(drivers.ReadoutError, match="give 0 to 15, at most 3 a step"):
        more = counts(lambda c: np.full_like(c, 16))(readout)
        check_readout("Fast._run", more, STIMULUS, PROBES, network, fast)


@pytest.mark.parametrize("method", ["_configure", "_write", "_run"])
def test_whatever_a_driver_raises_is_an_error_of_the_device(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = opened()

    def raises(*_: object) -> None:
        raise KeyError("row\n7")

    monkeypatch.setattr(device, method, raises)
    asks: dict[str, Callable[[], object]] = {
        "_configure": lambda: device.configure(Network.feed_forward((4, 3))),
        "_write": lambda: device.write_weights(0, np.ones((4, 6))),
        "_run": lambda: device.run(STIMULUS),
    }
    with pytest.raises(drivers.DriverError, match=f"Answers.{method} raised KeyError: ") as caught:
        asks[method]()
    assert isinstance(caught.value.__cause__, KeyError) and "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [drivers.LinkError("cable"), MemoryError(), KeyboardInterrupt()])
def test_errors_of_devices_memory_and_the_user_pass_as_they_are(error: BaseException) -> None:
    def raises(_: object) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        opened(change=raises).run(STIMULUS)
    assert caught.value is error


STEPS, NEURONS = 11, 4


@given(
    every=st.integers(1, 5),
    neurons=st.sampled_from([None, (2,), (3, 0)]),
    reduce=st.sampled_from(["none", "mean", "last"]),
    lengths=st.none() | st.lists(st.integers(5, STEPS), min_size=3, max_size=3),
)
def test_a_sample_falls_at_the_end_of_every_interval_that_is_over(
    every: int, neurons: Any, reduce: Any, lengths: list[int] | None
) -> None:
    trace = np.random.default_rng(0).standard_normal((STEPS, 3, NEURONS), np.float32)
    probe = Probe(1, every=every, reduce=reduce, neurons=neurons)
    found = sampling.answer(probe, trace, None if lengths is None else np.array(lengths))
    chosen = range(NEURONS) if neurons is None else neurons
    for sample, length in enumerate(lengths or [STEPS] * 3):
        for place, neuron in enumerate(chosen):
            seen = [trace[t, sample, neuron] for t in range(length) if (t + 1) % every == 0]
            if reduce == "none":
                own = found[:, sample, place]
                assert len(own) == STEPS // every
                np.testing.assert_array_equal(own[: len(seen)], seen)
                assert not own[len(seen) :].any()
            else:
                expected = seen[-1] if reduce == "last" else np.mean(seen)
                np.testing.assert_allclose(found[sample, place], expected, rtol=1e-4, atol=1e-6)
