"""A device under test, with a small network on it that every check understands, and a check made.

Inputs come in groups, one for each neuron of the first layer, each large enough to make its neuron
fire at full scale. What goes where is said in groups and neurons; a share of 1 is the full scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo, ProbeOffer, Quantity, StimulusKind
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import (
    DeviceError,
    DeviceHung,
    Diverged,
    DriverError,
    ReadoutError,
)


class Failed(Exception):
    """The device breaks the contract; says how."""


class NotApplicable(Exception):
    """The check asks for what this device need not have; says what."""


def skip_if(condition: object, why: str) -> None:
    """End a check that asks for what this device need not have.

    Raises:
        NotApplicable: Where the condition holds.
    """
    if condition:
        raise NotApplicable(why)


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


# What a group brings at full scale, in thresholds a step: more than a leaky neuron loses.
DRIVE = 2.0
NEURONS, BATCH, STEPS = 8, 8, 40
# Shares of the full scale among which one is found at which neurons fire now and then.
LADDER = 2.0 ** (-np.arange(0, 6, 0.5))
MODERATE = 0.2
# Full scale at which one spike makes a neuron of the next layer fire, and steps enough for it.
REACHES, SOME_STEPS = 1.2, 20
# Share of the full scale that is as good as zero: an even number of levels has none there.
ZERO = 0.002
# A rate beyond these is no firing now and then.
RARELY, OFTEN = 0.02, 0.4


class Harness:
    """A device under test.

    Attributes:
        connect: Opens the device.
        info: What it was when first opened.
        hung: Whether a call of its driver did not return: it is asked nothing more.
    """

    def __init__(self, connect: Callable[[], Device]) -> None:
        """Open the device.

        Raises:
            DeviceError: When it cannot be opened.
        """
        self.connect, self.hung = connect, False
        self._device: Device | None = connect()
        # Depth of the network that is mapped, and whether it is that of `work`.
        self._mapped: tuple[int, bool] | None = None
        self.info: DeviceInfo = self._device.info

    def __enter__(self) -> Self:
        """Return the harness itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the device."""
        self.close()

    # -- the device -----------------------------------------------------------------------------

    @property
    def device(self) -> Device:
        """The device, opened anew where it was closed, to do anything with."""
        self._mapped = None
        return self._opened()

    @property
    def mapped(self) -> Device:
        """The device with what is mapped on it, to ask what changes nothing."""
        return self._opened()

    def _opened(self) -> Device:
        if self._device is None:
            self._device = self.connect()
        return self._device

    def close(self) -> None:
        """Close the device, if it is open."""
        device, self._device, self._mapped = self._device, None, None
        if device is not None:
            device.close()

    def discard(self) -> None:
        """Close a device that may be in any state."""
        try:
            self.close()
        except Exception:  # it failed already, and that was told
            return

    # -- sizes ----------------------------------------------------------------------------------

    @cached_property
    def neurons(self) -> int:
        """Neurons of each layer, and groups of inputs."""
        room = self.info.capacity
        fitting = min(NEURONS, room.neurons, self.widest)
        return fitting if room.synapses is None else min(fitting, math.isqrt(room.synapses // 4))

    @cached_property
    def widest(self) -> int:
        """Most inputs of a single neuron."""
        room = self.info.capacity
        return min(n for n in (room.inputs, room.fan_in, room.synapses) if n is not None)

    @cached_property
    def batch(self) -> int:
        """Samples of a run."""
        return min(BATCH, self.info.capacity.batch)

    @cached_property
    def steps(self) -> int:
        """Steps of a run: several samples of the slowest probe."""
        slowest = max((offer.every for offer in self.info.offers.probes), default=1)
        return min(max(STEPS, 4 * slowest), self.info.capacity.steps)

    @cached_property
    def full_scale(self) -> float:
        """Full scale of the first projection."""
        return self.scale(0)

    @cached_property
    def group(self) -> int:
        """Inputs in a group."""
        wanted = math.ceil(DRIVE / self.full_scale)
        room = self.widest
        if self.info.capacity.synapses is not None:  # the deeper layers need some too
            room = min(room, self.info.capacity.synapses // self.neurons - 2 * self.neurons)
        return max(1, min(wanted, room // self.neurons))

    @property
    def amplitude(self) -> int:
        """Events a step on each input, where a group has too few inputs."""
        return max(1, math.ceil(DRIVE / (self.group * self.full_scale)))

    def scale(self, projection: int) -> float:
        """Full scale of a projection."""
        form = self.info.weight_format(projection)
        return float(np.clip(DRIVE, form.minimum_full_scale, form.maximum_full_scale))

    def network(self, depth: int = 1) -> Network:
        """The network of a depth."""
        layers = (self.group * self.neurons, *[self.neurons] * depth)
        return Network.feed_forward(layers, tuple(self.scale(p) for p in range(depth)))

    # -- what checks do -------------------------------------------------------------------------

    def configure(self, depth: int = 1) -> Network:
        """Map the network of a depth; every weight is zero afterwards."""
        network = self.network(depth)
        self.device.configure(network)
        self._mapped = depth, False
        return network

    def clear(self, depth: int = 1) -> None:
        """Have the network of a depth with every weight zero; mapping it may take long."""
        stores_zero = all(self.stores_zero(projection) for projection in range(depth))
        if self._mapped is None or self._mapped[0] != depth or not stores_zero:
            self.configure(depth)
        else:
            for projection in range(depth):
                self.write(0.0, projection)

    def write(self, shares: ArrayLike, projection: int = 0) -> NDArray[np.float32]:
        """Write shares of the full scale.

        Args:
            shares: `(groups or neurons, neurons)`, or one for all.
            projection: Which projection.

        Returns:
            What the device says it stored, `(n_pre, n_post)`.

        Raises:
            NotApplicable: When some are to be zero, and the device stores no zero.
        """
        if np.equal(shares, 0).any() and not self.stores_zero(projection):
            raise NotApplicable("none of the levels is zero, or near it")
        self._mapped = self._mapped and (self._mapped[0], False)
        shape = (self.neurons, self.neurons)
        weights = np.broadcast_to(np.asarray(shares, np.float32), shape) * self.scale(projection)
        rows = self.group if projection == 0 else 1
        return self._opened().write_weights(projection, np.repeat(weights, rows, axis=0))

    def stores_zero(self, projection: int) -> bool:
        """Tell whether a projection stores a weight of zero, or nearly so."""
        levels = self.info.weight_format(projection).levels
        return levels is None or levels % 2 == 1 or 1 / (levels - 1) <= ZERO

    def stimulus(
        self, active: ArrayLike, kind: StimulusKind | None = None, steps: int | None = None
    ) -> Stimulus:
        """A stimulus that drives groups of inputs in every step, or in some.

        Args:
            active: `(B, groups)`, or `(T, B, groups)`: 1 where a group is driven, else 0.
            kind: Kind of stimulus; the first that the device states when None.
            steps: Number of steps T; the harness's own when None.
        """
        return self.drive(np.repeat(active, self.group, axis=-1), kind, steps)

    def drive(
        self, active: ArrayLike, kind: StimulusKind | None = None, steps: int | None = None
    ) -> Stimulus:
        """A stimulus as `stimulus` makes it, said in inputs: `(B, n_in)` or `(T, B, n_in)`."""
        kind = self.info.offers.stimuli[0] if kind is None else kind
        data = np.asarray(active, np.float32) * self.amplitude
        if kind == "current":
            return Stimulus.current(data, steps=steps or self.steps)
        if data.ndim == 2:
            data = np.broadcast_to(data, (steps or self.steps, *data.shape))
        if kind == "current_trace":
            return Stimulus.current_trace(data)
        return Stimulus.spikes(data.reshape(-1, data.shape[-1]), steps=data.shape[0])

    def begin(self, stimulus: Stimulus, steps: int) -> Stimulus:
        """The first steps of a stimulus."""
        if stimulus.kind == "current":
            return Stimulus.current(stimulus.data, steps=steps)
        if stimulus.kind == "current_trace":
            return Stimulus.current_trace(stimulus.data[:steps])
        return Stimulus.spikes(stimulus.data[: steps * stimulus.batch], steps=steps)

    def run(
        self, stimulus: Stimulus, probes: Sequence[Probe] = (), trial: int | None = 0
    ) -> Readout:
        """Run the device as it stands."""
        return self._opened().run(stimulus, probes, trial=trial)

    def count_spikes(self, stimulus: Stimulus | None = None) -> int:
        """Output spikes of a run, of `everything` when None."""
        return int(self.run(stimulus or self.everything()).counts.sum())

    def firing(self) -> float:
        """Share of samples and neurons that fire when everything is driven."""
        return float((self.run(self.everything()).counts > 0).mean())

    def pulse(
        self, steps: int, driven: int | slice | None, kind: StimulusKind | None = None
    ) -> Stimulus:
        """A run of some steps in which every group is driven in those named, or in none."""
        active = np.zeros((steps, self.batch, self.neurons))
        if driven is not None:
            active[driven] = 1
        return self.stimulus(active, kind)

    def everything(self, kind: StimulusKind | None = None) -> Stimulus:
        """A stimulus that drives every group in every step."""
        return self.stimulus(np.ones((self.batch, self.neurons)), kind)

    # -- a network at work ----------------------------------------------------------------------

    @cached_property
    def share(self) -> float | None:
        """Share of the full scale at which neurons fire now and then; None when none is found."""
        self.clear()
        found = []
        for share in LADDER:
            self.write(share * np.eye(self.neurons))
            found.append(float(self.run(self.everything()).counts.mean()) / self.steps)
        rates = np.asarray(found)
        fit = (rates > RARELY) & (rates < OFTEN)
        distance = np.where(fit, np.abs(np.log(np.maximum(rates, 1e-9) / MODERATE)), np.inf)
        return float(LADDER[np.argmin(distance)]) if fit.any() else None

    @property
    def working_share(self) -> float:
        """The `share`, of a check that needs one.

        Raises:
            NotApplicable: When there is none.
        """
        if self.share is None:
            raise NotApplicable("no weight was found at which neurons fire now and then")
        return self.share

    @property
    def timed_kinds(self) -> list[StimulusKind]:
        """Kinds of stimulus that drive some steps only.

        Raises:
            NotApplicable: When the device takes none.
        """
        stimuli = self.info.offers.stimuli
        kinds: list[StimulusKind] = [kind for kind in stimuli if kind != "current"]
        skip_if(not kinds, "the device takes constant currents only")
        return kinds

    def require_offer(
        self, quantity: Quantity, reduce: str = "", every: int | None = None
    ) -> ProbeOffer:
        """Give what the device shows of a quantity in a network of one layer.

        Args:
            quantity: The quantity.
            reduce: A reduction that has to be among those offered.
            every: Longest interval between samples, in steps.

        Raises:
            NotApplicable: When it does not show that.
        """
        offer = self.info.offer(quantity, 1, 1)
        if offer is None or (every and offer.every > every):
            shown = "membranes" if quantity == "membrane" else "spikes"
            raise NotApplicable(
                f"the device does not show {shown}{' of every step' * (every == 1)}"
            )
        skip_if(reduce and reduce not in offer.reductions, f"{quantity} is not shown as {reduce!r}")
        return offer

    def reaches(self, depth: int) -> bool:
        """Tell whether a strong drive moves every layer of a network, as far as is known."""
        strong = all(scale >= REACHES for scale in self.network(depth).full_scale[1:])
        return self.share is not None and (depth == 1 or (strong and self.steps >= SOME_STEPS))

    def work(self, depth: int = 1) -> Stimulus:
        """Map a network in which each neuron of each layer fires at its own pace, now and then.

        Returns:
            A stimulus for it, in which every sample differs.
        """
        share = self.share or 1.0
        if self._mapped != (depth, True):
            self.clear(depth)
            paces = np.minimum(1.0, share * np.linspace(0.8, 1.4, self.neurons))
            self.write(np.diag(paces))
            for projection in range(1, depth):
                self.write(np.roll(np.eye(self.neurons), 1, axis=1), projection)
            self._mapped = depth, True
        samples, groups = np.indices((self.batch, self.neurons))
        return self.stimulus((samples + groups) % 3 > 0)

    def probe(self, offer: ProbeOffer, layer: int, reduce: str, every: int = 1) -> Probe:
        """A probe of as many neurons as an offer shows, at a multiple of its interval."""
        shown = offer.neurons is not None and offer.neurons < self.neurons
        neurons = tuple(range(offer.neurons or 0)) if shown else None
        interval = 1 if offer.quantity == "spikes" else offer.every * every
        return Probe(layer, offer.quantity, neurons, interval, reduce)  # type: ignore[arg-type]


Verdict = Literal["passed", "failed", "not applicable"]
Check = Callable[[Harness], None]


@dataclass(frozen=True)
class Outcome:
    """Result of a check.

    Attributes:
        check: Name of the check.
        reason: What it holds the device to.
        verdict: How it ended.
        detail: What is wrong, or why it was not applicable; empty when passed.
    """

    check: str
    reason: str
    verdict: Verdict
    detail: str = ""


def check_name(check: Check) -> str:
    """The name of a check."""
    return check.__name__.replace("_", "-")


def check_reason(check: Check) -> str:
    """Say what a check holds the device to, in a line."""
    return (check.__doc__ or "").strip().splitlines()[0].removesuffix(".")


def run_check(check: Check, harness: Harness) -> Outcome:
    """Make one check; any exception of the driver that the check does not expect is a failure."""

    def found(verdict: Verdict, detail: object) -> Outcome:
        return Outcome(
            check_name(check), check_reason(check), verdict, " ".join(str(detail).split())
        )

    if harness.hung:
        return found("not applicable", "the driver hung in a check before")
    try:
        check(harness)
    except NotApplicable as why:
        return found("not applicable", why)
    except Diverged as why:  # a recording is no device that could be asked anything else
        return found("not applicable", why)
    except Failed as why:
        harness.discard()
        return found("failed", why)
    except Exception as error:
        harness.discard()
        harness.hung = isinstance(error, DeviceHung)
        if isinstance(
            error, DeviceHung | DriverError | ReadoutError
        ):  # these name the driver's method
            return found("failed", error)
        kind = "refused" if isinstance(error, DeviceError) else "the driver raised"
        return found("failed", f"{kind}: {type(error).__name__}: {error}")
    return found("passed", "")
