"""A device under test, with a small network on it that every check understands.

Inputs come in groups, one for each neuron of the first layer, each large enough to make its neuron
fire at full scale. What goes where is said in groups and neurons; a share of 1 is the full scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo, ProbeOffer, Quantity, Reduction, StimulusKind
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network


class NotApplicable(Exception):
    """The check asks for what this device need not have; says what."""


class Measured(NotApplicable):
    """Info leaves something open, which was measured; says what."""

    def __init__(self, fact: str, value: object) -> None:
        """Say what.

        Args:
            fact: Name of the field of info.
            value: What was measured.
        """
        super().__init__(f"info does not say; measured: {value}")
        self.told = f"{fact} {value}"


def skip_if(condition: object, why: str) -> None:
    """End a check that asks for what this device need not have.

    Raises:
        NotApplicable: Where the condition holds.
    """
    if condition:
        raise NotApplicable(why)


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


@dataclass(frozen=True)
class View:
    """A quantity of the first layer that a device shows.

    Attributes:
        offer: The offer.
        depth: Layers of the network: two where hidden layers alone are shown.
    """

    offer: ProbeOffer
    depth: int


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
        return self._ensure_open()

    @property
    def mapped(self) -> Device:
        """The device with what is mapped on it, to ask what changes nothing."""
        return self._ensure_open()

    def _ensure_open(self) -> Device:
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
        fitting = min(NEURONS, room.neurons, self.most_at_once)
        return fitting if room.synapses is None else min(fitting, math.isqrt(room.synapses // 4))

    @cached_property
    def widest(self) -> int:
        """Most inputs of a single neuron."""
        room = self.info.capacity
        return min(n for n in (room.inputs, room.fan_in, room.synapses) if n is not None)

    @cached_property
    def most_at_once(self) -> int:
        """Most inputs of a single neuron that may have an event in the same step."""
        return min(self.widest, self.info.capacity.events_per_step or self.widest)

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
        room = self.most_at_once
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
        return self._ensure_open().write_weights(projection, np.repeat(weights, rows, axis=0))

    def stores_zero(self, projection: int) -> bool:
        """Tell whether a projection stores a weight of zero, or nearly so."""
        form = self.info.weight_format(projection)
        if form.levels is None or form.signs == "positive":
            return True
        return form.levels % 2 == 1 or 1 / (form.levels - 1) <= ZERO

    def stimulus(
        self, active: ArrayLike, kind: StimulusKind | None = None, steps: int | None = None
    ) -> Stimulus:
        """A stimulus that drives groups of inputs in every step, or in some.

        Args:
            active: `(B, groups)`, or `(T, B, groups)`: 1 where a group is driven, else 0.
            kind: Kind of stimulus; the first that the device states when None.
            steps: Number of steps T; the harness's own when None.
        """
        data = np.repeat(np.asarray(active, np.float32), self.group, axis=-1) * self.amplitude
        if data.ndim == 2:
            data = np.broadcast_to(data, (steps or self.steps, *data.shape))
        return Stimulus.of(kind or self.info.offers.stimuli[0], data)

    def pulse(
        self, steps: int, driven: int | slice | None, kind: StimulusKind | None = None
    ) -> Stimulus:
        """A run of some steps in which every group is driven in those named, or in none."""
        active = np.zeros((steps, self.batch, self.neurons))
        if driven is not None:
            active[driven] = 1
        return self.stimulus(active, kind or self.event_kind)

    def drive_all(self, kind: StimulusKind | None = None, steps: int | None = None) -> Stimulus:
        """A stimulus that drives every group in every step."""
        return self.stimulus(np.ones((self.batch, self.neurons)), kind, steps)

    def run(
        self, stimulus: Stimulus, probes: Sequence[Probe] = (), trial: int | None = 0
    ) -> Readout:
        """Run the device as it stands."""
        return self._ensure_open().run(stimulus, probes, trial=trial)

    def count_spikes(self, stimulus: Stimulus | None = None) -> int:
        """Output spikes of a run, of `drive_all` when None."""
        return int(self.run(stimulus or self.drive_all()).counts.sum())

    def firing(self) -> float:
        """Share of samples and neurons that fire, without what a residual does, when all drives."""
        return float((self.run(self.drive_all()).counts > self.steps * self.residual).mean())

    @property
    def residual(self) -> float:
        """Charge that all inputs bring to a neuron in a step through weights of 0, at most."""
        inputs = self.neurons * self.group * self.amplitude
        return inputs * self.full_scale * self.info.weight_format(0).residual

    @property
    def leaked(self) -> float:
        """Output spikes that this may bring in a run, at most."""
        return self.residual * self.steps * self.batch * self.neurons

    # -- what it takes and shows ----------------------------------------------------------------

    @property
    def timed_kinds(self) -> list[StimulusKind]:
        """Kinds of stimulus that drive some steps only."""
        return [kind for kind in self.info.offers.stimuli if kind != "current"]

    @property
    def event_kind(self) -> StimulusKind:
        """The kind of stimulus that is most like events; a constant current where all are."""
        return max(self.info.offers.stimuli, key=("current", "current_trace", "spikes").index)

    def view(self, quantity: Quantity) -> View | None:
        """Find the view of a quantity of the first layer; None where it is not shown."""
        for depth in range(1, min(2, self.info.capacity.layers) + 1):
            offer = self.info.offer(quantity, 1, depth)
            if offer is not None:
                return View(offer, depth)
        return None

    def require_view(self, quantity: Quantity, reduce: Reduction | None = None) -> View:
        """Give what the device shows of a quantity.

        Args:
            quantity: The quantity.
            reduce: A reduction that has to be among those offered.

        Raises:
            NotApplicable: When it does not show that.
        """
        view = self.view(quantity)
        if view is None or (reduce and reduce not in view.offer.reductions):
            raise NotApplicable(f"the device shows no {reduce or ''} {quantity}".replace("  ", " "))
        return view

    def probe(self, offer: ProbeOffer, reduce: Reduction, layer: int = 1, every: int = 1) -> Probe:
        """A probe of as many neurons as an offer shows, at a multiple of its interval."""
        shown = offer.neurons is not None and offer.neurons < self.neurons
        neurons = tuple(range(offer.neurons or 0)) if shown else None
        interval = 1 if offer.quantity == "spikes" else offer.every * every
        return Probe(layer, offer.quantity, neurons, interval, reduce)

    # -- a network at work ----------------------------------------------------------------------

    @cached_property
    def share(self) -> float | None:
        """Share of the full scale at which neurons fire now and then; None when none is found."""
        self.clear()
        views = []
        for share in LADDER:
            self.write(share * np.eye(self.neurons))
            views.append(float(self.run(self.drive_all()).counts.mean()) / self.steps)
        rates = np.asarray(views)
        fit = (rates > RARELY) & (rates < OFTEN)
        if self.info.neuron.spikes_per_run is not None:  # the least at which nearly all do
            return float(LADDER[fit][-1]) if fit.any() else None
        distance = np.where(fit, np.abs(np.log(np.maximum(rates, 1e-9) / MODERATE)), np.inf)
        return float(LADDER[np.argmin(distance)]) if fit.any() else None

    @property
    def working_share(self) -> float:
        """The `share` of a device that has one."""
        return self.share or 1.0

    def find_weight_share(self, charge: float) -> float:
        """Find the weight, as a share of full scale, -1 to 1, at which a group brings a charge."""
        return float(np.clip(charge / (self.group * self.full_scale * self.amplitude), -1, 1))

    def reaches(self, depth: int) -> bool:
        """Tell whether a strong drive moves every layer of a network, as far as is known."""
        strong = all(scale >= REACHES for scale in self.network(depth).full_scale[1:])
        return self.share is not None and (depth == 1 or (strong and self.steps >= SOME_STEPS))

    def work(self, depth: int = 1) -> Stimulus:
        """Map a network in which each neuron of each layer fires at its own pace, now and then.

        Returns:
            A stimulus for it, in which every sample differs.
        """
        paces = np.minimum(1.0, self.working_share * np.linspace(0.8, 1.4, self.neurons))
        if self._mapped != (depth, True):
            self.clear(depth)
            self.write(np.diag(paces))
            for projection in range(1, depth):
                self.write(np.roll(np.eye(self.neurons), 1, axis=1), projection)
            self._mapped = depth, True
        samples, groups = np.indices((self.batch, self.neurons))
        return self.stimulus((samples + groups) % 3 > 0)
