"""The abstract device: checks once at the door, then hands over to the driver."""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.errors import (
    CapacityError,
    DeviceClosed,
    DeviceError,
    NotConfigured,
    ReadoutError,
    SettingError,
    StimulusError,
    UnsupportedProbe,
    WeightError,
)
from drivers.exchange import Network, Probe, Readout, Stimulus
from drivers.info import DeviceInfo


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a refusal: the nearest valid name, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names) if names else 'none'}"


class Device(ABC):
    """A spiking device that the host can drive but not see inside.

    A driver implements `info`, `_configure`, `_write` and `_run`, and `_close` where there is
    something to close. The public methods below check every request against `info` first, so a
    driver only meets requests that its device can serve.
    """

    _network: Network | None = None
    _closed: bool = False

    # -- what a driver implements -------------------------------------------------------------

    @classmethod
    @abstractmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Device:
        """Open the device at an address.

        Args:
            target: What stands between the scheme and the `?`.
            options: What follows the `?`, as text.

        Raises:
            DeviceNotFound: When nothing is there.
            SettingError: For an option that the driver does not know or allow.
        """

    @property
    @abstractmethod
    def info(self) -> DeviceInfo:
        """What the device is and allows."""

    @abstractmethod
    def _configure(self, network: Network) -> None:
        """Map a network whose `full_scale` and `settings` are complete and within limits."""

    @abstractmethod
    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Store finite weights `(n_pre, n_post)`; return what was stored, clipped and rounded."""

    @abstractmethod
    def _run(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None) -> Readout:
        """Run a batch, each sample from reset, and read what the probes ask for."""

    def _reset(self) -> None:
        """Forget the network and its weights. Called once configured."""
        return

    def _close(self) -> None:
        """Release what the driver holds. Called once."""
        return

    @property
    def transfer_seconds(self) -> float:
        """Time spent on the line to the device since it was opened, in seconds."""
        return 0.0

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that the device remembers, where `info.resumable`; raises `DeviceError` elsewhere."""
        raise DeviceError(f"{self.info.identity.name} cannot give its state: it is not resumable")

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return a configured device to what `state` gave, where `info.resumable`."""
        raise DeviceError(f"{self.info.identity.name} cannot take a state: it is not resumable")

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """Addresses to offer a user, each with a line of description. Opens nothing."""
        return []

    # -- the contract -------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The network as configured, with every full scale and setting filled in.

        Raises:
            NotConfigured: Before `configure`.
        """
        if self._network is None:
            raise NotConfigured("the device has no network yet: call configure(network) first")
        return self._network

    def configure(self, network: Network) -> None:
        """Map a network on the device; every weight is zero afterwards.

        Args:
            network: Layers, full scales and nominal settings.

        Raises:
            CapacityError: When a layer, the depth or a full scale is beyond the device.
            SettingError: For an unknown setting or one out of range.
        """
        self._check_open()
        info = self.info
        if network.depth < 1 or min(network.layers) < 1:
            raise CapacityError(
                f"network of layers {network.layers}: give an input and at least one layer, "
                "none of them empty"
            )
        _limit("neuron layers", network.depth, info.max_layers)
        _limit("inputs", network.layers[0], info.max_inputs)
        for size in network.layers[1:]:
            _limit("neurons in a layer", size, info.max_neurons)
        complete = Network(network.layers, _full_scales(network, info), _settings(network, info))
        self._configure(complete)
        self._network = complete

    def write_weights(self, projection: int, weights: ArrayLike) -> NDArray[np.float32]:
        """Write one projection.

        Args:
            projection: 0 (from the input) to L-1.
            weights: `(n_pre, n_post)`, in nominal thresholds.

        Returns:
            What the device stored after clipping and rounding, float32. What its synapses make
            of it is the device's secret.

        Raises:
            WeightError: For a wrong projection or shape, or values that are not finite.
        """
        self._check_open()
        network = self.network
        if not 0 <= projection < network.depth:
            raise WeightError(f"projection {projection}: the network has 0 to {network.depth - 1}")
        matrix = np.asarray(weights, dtype=np.float32)
        shape = network.layers[projection : projection + 2]
        if matrix.shape != shape:
            raise WeightError(
                f"weights of projection {projection} have shape {matrix.shape}: give {shape}"
            )
        if not np.isfinite(matrix).all():
            raise WeightError(
                f"weights of projection {projection} are not all finite: lower the learning rate "
                "or check the data"
            )
        return self._write(projection, matrix)

    def run(
        self, stimulus: Stimulus, probes: Sequence[Probe] = (), *, trial: int | None = None
    ) -> Readout:
        """Run a batch of samples, each from reset.

        Args:
            stimulus: B samples of T steps.
            probes: What to observe. Observing never changes the run.
            trial: Names the randomness of this run. Where `info.deterministic`, the same trial
                gives the same run; None draws a fresh one; elsewhere it is ignored.

        Returns:
            Output spike counts and what each probe asked for.

        Raises:
            StimulusError: When the stimulus does not fit the network or the device.
            CapacityError: When the batch or the run is too long for the device.
            UnsupportedProbe: When the device does not offer a probe.
        """
        self._check_open()
        network, info = self.network, self.info
        if stimulus.kind not in info.stimuli:
            raise StimulusError(
                f"stimulus of kind {stimulus.kind!r}: this device takes {', '.join(info.stimuli)}"
            )
        if stimulus.channels != network.layers[0]:
            raise StimulusError(
                f"stimulus has {stimulus.channels} channels: the network has {network.layers[0]}"
            )
        _limit("samples in a batch", stimulus.batch, info.max_batch)
        _limit("steps in a run", stimulus.steps, info.max_steps)
        for probe in probes:
            _check_probe(probe, network, info, stimulus.steps)
        readout = self._run(stimulus, probes, trial)
        _check_readout(readout, stimulus, probes, network)
        return readout

    def reset(self) -> None:
        """Forget the network and the weights; `configure` must follow before the next run."""
        self._check_open()
        if self._network is not None:
            self._reset()
            self._network = None

    def close(self) -> None:
        """Release the device. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._close()

    def __enter__(self) -> Self:
        """Return the device itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the device."""
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceClosed("the device is closed: open it again with drivers.open(url)")


def _limit(what: str, asked: int, allowed: int) -> None:
    if asked > allowed:
        raise CapacityError(f"{asked} {what}: this device has room for {allowed}, ask for less")


def _full_scales(network: Network, info: DeviceInfo) -> tuple[float, ...]:
    formats = [info.weight_format(p) for p in range(network.depth)]
    if not network.full_scale:
        return tuple(min(max(1.0, f.minimum_full_scale), f.maximum_full_scale) for f in formats)
    if len(network.full_scale) != network.depth:
        raise CapacityError(
            f"{len(network.full_scale)} full scales for {network.depth} projections: "
            "give one for each, or none"
        )
    for p, (scale, fmt) in enumerate(zip(network.full_scale, formats, strict=True)):
        # A hair of slack: a full scale that was computed from a limit must not miss it.
        low, high = fmt.minimum_full_scale * (1 - 1e-6), fmt.maximum_full_scale * (1 + 1e-6)
        if not (math.isfinite(scale) and low <= scale <= high):
            raise CapacityError(
                f"full scale {scale:g} of projection {p}: this device allows "
                f"{fmt.minimum_full_scale:g} to {fmt.maximum_full_scale:g}"
            )
    return tuple(float(scale) for scale in network.full_scale)


def _settings(network: Network, info: DeviceInfo) -> dict[str, float]:
    offered = {setting.name: setting for setting in info.settings}
    chosen = {name: setting.default for name, setting in offered.items()}
    for name, value in network.settings.items():
        if name not in offered:
            raise SettingError(f"setting {name!r} is unknown: {nearest(name, offered)}")
        setting = offered[name]
        if not setting.minimum <= value <= setting.maximum:
            raise SettingError(
                f"setting {name} = {value:g} {setting.unit}: allowed is "
                f"{setting.minimum:g} to {setting.maximum:g} {setting.unit}".rstrip()
            )
        chosen[name] = float(value)
    return chosen


def _check_probe(probe: Probe, network: Network, info: DeviceInfo, steps: int) -> None:
    if not 1 <= probe.layer <= network.depth:
        raise UnsupportedProbe(f"probe of layer {probe.layer}: layers are 1 to {network.depth}")
    place = "output" if probe.layer == network.depth else "hidden"
    offer = info.offer(probe.quantity, probe.layer, network.depth)
    if offer is None:
        raise UnsupportedProbe(f"this device does not show the {probe.quantity} of {place} layers")
    if probe.reduce not in offer.reductions:
        raise UnsupportedProbe(
            f"{probe.quantity} of {place} layers reduced by {probe.reduce!r}: this device offers "
            f"{', '.join(offer.reductions)}"
        )
    if probe.every < offer.every:
        raise UnsupportedProbe(
            f"{probe.quantity} sampled every {probe.every} steps: this device samples at most "
            f"every {offer.every}"
        )
    if probe.every > steps:
        raise UnsupportedProbe(f"probe every {probe.every} steps of a run of {steps}: no sample")
    size = network.layers[probe.layer]
    asked = size if probe.neurons is None else len(probe.neurons)
    if offer.neurons is not None and asked > offer.neurons:
        raise UnsupportedProbe(
            f"{asked} neurons at once: this device shows the {probe.quantity} of {offer.neurons}"
        )
    if probe.neurons is not None:
        if not probe.neurons:
            raise UnsupportedProbe("probe of no neurons: name some, or None for all")
        if min(probe.neurons) < 0 or max(probe.neurons) >= size:
            raise UnsupportedProbe(
                f"probe of neurons outside 0 to {size - 1} of layer {probe.layer}"
            )


def _check_readout(
    readout: Readout, stimulus: Stimulus, probes: Sequence[Probe], network: Network
) -> None:
    expected = (stimulus.batch, network.layers[-1])
    if readout.counts.shape != expected:
        raise ReadoutError(f"driver gave counts of shape {readout.counts.shape}, not {expected}")
    for probe in probes:
        if probe not in readout.samples:
            raise ReadoutError(f"driver did not answer {probe}")
        k = network.layers[probe.layer] if probe.neurons is None else len(probe.neurons)
        shape: tuple[int, ...] = (stimulus.batch, k)
        if probe.reduce == "none":
            shape = (stimulus.steps // probe.every, *shape)
        if readout.samples[probe].shape != shape:
            raise ReadoutError(
                f"driver answered {probe} with shape {readout.samples[probe].shape}, not {shape}"
            )
