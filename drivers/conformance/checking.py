"""Checks as data: what one needs of a device, what it holds it to, and how it ended.

Two runs are compared bit by bit where the device allows it, else in distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.harness import Harness, Measured, NotApplicable
from drivers.conformance.needs import Need
from drivers.contract.info import Quantity
from drivers.contract.messages import Probe, Readout
from drivers.errors import DeviceError, DeviceHung, Diverged, DriverError, ReadoutError


class Failed(Exception):
    """The device breaks the contract; says how."""


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: Its name, in words with hyphens.
        reason: What it holds the device to, in a line.
        needs: What it needs of the device; where that is missing it is not applicable.
        look: Where the author of a driver that fails it looks.
        hold: Holds a device to it.
    """

    name: str
    reason: str
    needs: tuple[Need, ...]
    look: str
    hold: Callable[[Harness], None]


def check(*needs: Need, look: str = "") -> Callable[[Callable[[Harness], None]], Check]:
    """Make a check of a function that raises `Failed` for a device that breaks the contract.

    Args:
        needs: What the check needs of the device.
        look: Where the author of a driver that fails looks.
    """

    def make(hold: Callable[[Harness], None]) -> Check:
        reason = (hold.__doc__ or "").strip().removesuffix(".")
        return Check(hold.__name__.replace("_", "-"), reason, needs, look, hold)

    return make


Answer = TypeVar("Answer")
Verdict = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Outcome:
    """Result of a check.

    Attributes:
        check: Name of the check.
        reason: What it holds the device to.
        verdict: How it ended.
        detail: What is wrong, or why it was not applicable; empty when passed.
        measured: What was measured that info leaves open; empty where nothing was.
    """

    check: str
    reason: str
    verdict: Verdict
    detail: str = ""
    measured: str = ""


def run_check(check: Check, harness: Harness) -> Outcome:
    """Make one check; any exception of the driver that the check does not expect is a failure."""
    exact = harness.info.abilities.deterministic
    for _ in range(1 if exact else 2):  # what noise does, it hardly does twice
        verdict, detail, *measured = _judge(check, harness)
        if verdict != "failed":
            break
        harness.discard()
    return Outcome(check.name, check.reason, verdict, " ".join(detail.split()), *measured)


def _judge(check: Check, harness: Harness) -> tuple[Verdict, str] | tuple[Verdict, str, str]:
    if harness.hung:
        return "not applicable", "the driver hung in a check before"
    try:
        for need in check.needs:
            if not need.is_met(harness):
                return "not applicable", need.otherwise
        check.hold(harness)
    except Measured as why:
        return "not applicable", str(why), why.told
    except (NotApplicable, Diverged) as why:  # a recording could not be asked anything else
        return "not applicable", str(why)
    except Failed as why:
        return "failed", f"{why}: look at {check.look}" if check.look else str(why)
    except (DeviceHung, DriverError, ReadoutError) as error:  # these name the driver's method
        harness.hung = isinstance(error, DeviceHung)
        return "failed", str(error)
    except Exception as error:
        kind = "refused" if isinstance(error, DeviceError) else "the driver raised"
        return "failed", f"{kind}: {type(error).__name__}: {error}"
    return "passed", ""


def check_refusal(what: str, expected: type[DeviceError], ask: Callable[[], object]) -> None:
    """Hold a device to the error with which it has to refuse something.

    Raises:
        Failed: When it raises another one, or none.
    """
    try:
        ask()
    except expected:
        return
    except Diverged:
        raise
    except Exception as error:
        raise Failed(f"{what}: raised {type(error).__name__}, not {expected.__name__}") from None
    raise Failed(f"{what}: not refused")


def check_taken(what: str, ask: Callable[[], Answer]) -> Answer:
    """Hold a device to taking what it states as possible, and give its answer.

    Raises:
        Failed: When it refuses.
    """
    try:
        return ask()
    except Diverged:
        raise
    except DeviceError as error:
        raise Failed(f"{what}: stated as possible, but {type(error).__name__}: {error}") from None


# Trials that must agree before a device passes for one without noise, and runs in a comparison.
TRIALS, REPEATS = 4, 6
# How far means may lie apart: standard errors, a share, and spikes. Wide, since a device that
# drifts between two runs is no broken one.
ERRORS, SHARE, SPIKES = 6.0, 0.15, 1.0
# Share of samples and neurons that may fire where nothing drives them, and of a drive that counts
# as none: noise, and neurons that are always on.
IDLE = 0.1
# Samples that should be the same number may differ by rounding, in thresholds.
ROUNDING = 1e-3


def is_noiseless(harness: Harness, depth: int = 1, probes: Sequence[Probe] | None = None) -> bool:
    """Tell whether the device says that it is deterministic, and trials do not differ.

    Args:
        harness: The device.
        depth: Layers of the network that is run.
        probes: What is looked at beside the counts; of one layer all that it shows when None.
    """
    if not harness.info.abilities.deterministic:
        return False
    if probes is None:
        probes = list_shown_probes(harness) if depth == 1 else []
    stimulus = harness.work(depth)
    first, *others = (harness.run(stimulus, probes, trial) for trial in range(TRIALS))
    return all(find_difference(first, other) is None for other in others)


def list_shown_probes(harness: Harness) -> list[Probe]:
    """One probe of each quantity that the device shows of the output of one layer."""
    offers = [harness.info.offer(quantity, 1, 1) for quantity in get_args(Quantity)]
    return [harness.probe(o, o.reductions[0]) for o in offers if o is not None]


def probe_each_step(harness: Harness, layer: int) -> list[Probe]:
    """A probe of the membranes of an output layer in each step, where there is one."""
    offer = harness.info.offer("membrane", layer, layer)
    if offer is None or offer.every != 1 or "none" not in offer.reductions:
        return []
    return [harness.probe(offer, "none", layer)]


def describe_probe(probe: Probe) -> str:
    """Say what a probe asks for."""
    neurons = "" if probe.neurons is None else f" of neurons {', '.join(map(str, probe.neurons))}"
    return (
        f"{probe.quantity} of layer {probe.layer}{neurons}, every {probe.every}, "
        f"reduced by {probe.reduce}"
    )


def find_difference(one: Readout, two: Readout) -> str | None:
    """Find where two readouts are not the same, bit by bit, or None."""
    if not np.array_equal(one.counts, two.counts):
        place = tuple(int(i) for i in np.argwhere(one.counts != two.counts)[0])
        return f"counts{list(place)} are {one.counts[place]} and {two.counts[place]}"
    for probe in one.samples.keys() & two.samples.keys():
        if not np.array_equal(one.samples[probe], two.samples[probe]):
            return f"the {probe.quantity} of layer {probe.layer} differs"
    return None


def check_unchanged(
    harness: Harness, what: str, act: Callable[[int], object], depth: int = 1
) -> None:
    """Hold the network at work to running as before after something that may not matter.

    Args:
        harness: The device.
        what: What that is, for the message.
        act: Does it, in a trial of that number.
        depth: Layers of the network.

    Raises:
        Failed: When the counts differ, as in `check_alike`.
    """
    stimulus = harness.work(depth)

    def run(trial: int) -> NDArray[np.int32]:
        return harness.run(stimulus, trial=trial).counts

    def run_after(trial: int) -> NDArray[np.int32]:
        act(trial)
        return run(trial)

    exact = harness.info.abilities.deterministic
    check_alike(f"a run, and the same after {what}", run, run_after, exact)


def check_alike(
    what: str,
    one: Callable[[int], NDArray[np.int32]],
    two: Callable[[int], NDArray[np.int32]],
    exact: bool,
) -> None:
    """Hold two ways to run against each other.

    Args:
        what: What the two ways are, for the message.
        one: From a trial to counts `(B, n)`, in one way.
        two: The same in the other way.
        exact: Whether the same trial has to give the same counts.

    Raises:
        Failed: When the counts differ: at all where exact, else in their mean over trials.
    """
    if exact:
        check_same(what, one(0), two(0))
        return
    pairs = [(one(2 * r), two(2 * r + 1)) for r in range(REPEATS)]
    totals = np.array([[a.sum(axis=1), b.sum(axis=1)] for a, b in pairs], np.float64)
    means = totals.mean(axis=0)
    # One variance for all samples: a few runs tell little about each by itself.
    error = np.sqrt(2 * totals.var(axis=0, ddof=1).mean() / REPEATS)
    apart = np.abs(means[0] - means[1])
    allowed = ERRORS * error + SHARE * means.max(axis=0) + SPIKES
    if (apart > allowed).any():
        sample = int(np.argmax(apart - allowed))
        raise Failed(
            f"{what}: sample {sample} has {means[0, sample]:.1f} and {means[1, sample]:.1f} "
            f"spikes on average, which is more than {allowed[sample]:.1f} apart"
        )


def check_same(what: str, one: NDArray[np.int32], two: NDArray[np.int32]) -> None:
    """Hold counts to being equal.

    Raises:
        Failed: When they are not.
    """
    if not np.array_equal(one, two):
        place = tuple(int(i) for i in np.argwhere(one != two)[0])
        raise Failed(f"{what}: counts{list(place)} are {one[place]} and {two[place]}")


def is_near(
    harness: Harness,
    probe: Probe,
    one: NDArray[np.generic],
    two: NDArray[np.generic],
    noise: float = 0.0,
) -> bool:
    """Tell whether samples of a probe are the same but for rounding, and for so much noise."""
    swing = abs(harness.info.neuron.membrane.threshold - harness.info.neuron.membrane.rest)
    rounding = ROUNDING * (swing if probe.quantity == "membrane" else 1.0)
    return measure_spread(one, two) <= 2 * noise + rounding


def measure_spread(one: NDArray[np.generic], two: NDArray[np.generic]) -> float:
    """Root of the mean square of a difference."""
    apart = one.astype(np.float64) - two.astype(np.float64)
    return float(np.sqrt(np.mean(apart**2)))


def measure_noise(harness: Harness, probe: Probe, depth: int) -> float:
    """Measure how much samples of a network at work differ from one trial to the next."""
    stimulus = harness.work(depth)
    one, two = (harness.run(stimulus, [probe], trial).samples[probe] for trial in (0, 1))
    return measure_spread(one, two)
