"""The abstract device: checks every request once, then hands it over to the driver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.answers import (
    CALL_LIMIT,
    DriverCall,
    check_bytes,
    check_condition,
    check_failures,
    check_readout,
    check_seconds,
    check_state,
    check_stored,
)
from drivers.contract.arrays import read_only, select_prefix
from drivers.contract.faults import Fault, check_faults, complete_faults
from drivers.contract.info import DeviceInfo, StimulusKind
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.contract.requests import (
    check_carry,
    check_run,
    check_stimulus,
    check_weights,
    complete_network,
)
from drivers.contract.statements import check_info
from drivers.errors import DeviceClosed, DeviceError, DeviceNotFound, NotConfigured

Check = Callable[[str, object], Any]
# What a driver states, and what it gives, besides answers, each with its check.
STATED: Mapping[str, Check] = {
    "info": check_info,
    "transfer_seconds": check_seconds,
    "transfer_bytes": check_bytes,
    "failures": check_failures,
    "condition": check_condition,
}
GIVEN: Mapping[str, Check] = {"state": check_state, "restore": lambda _, nothing: nothing}


class Device(ABC):
    """A spiking device that the host can drive but not see inside.

    A driver implements `info`, `_configure`, `_write`, `_run`, and `_close` where something is to
    be closed. The public methods check every request against `info` before a driver meets it.

    Attributes:
        independent: Whether each opening of an address gives a device of its own, as a simulator
            does, so that several processes may have one open at the same time.
        chip_option: Option of an address that chooses the chip by its number, as in `?chip=7`.
        call_limit: Seconds that a call of the driver may last before it counts as hung: a driver's
            own, or what `call_limit=` in an address says.
    """

    independent: ClassVar[bool] = False
    chip_option: ClassVar[str] = ""
    call_limit: float = CALL_LIMIT
    # Names of their own, which no driver's attributes take.
    __network: Network | None = None
    __info: DeviceInfo  # once there is a network
    __carried: int | None = None  # samples of the last run, until the network changes
    __taken: tuple[object, ...] | None = None  # kind, size and probes of a run that was checked
    __faults: tuple[Fault, ...] = ()
    __closed: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Put what a driver states and gives behind the door, whoever reads it."""
        super().__init_subclass__(**options)
        own = vars(cls)
        for name in STATED.keys() & own:
            setattr(cls, name, _guard_statement(name, own[name]))
        for name in GIVEN.keys() & own:
            setattr(cls, name, _guard_method(name, own[name]))

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

    @classmethod
    def code_of(cls, target: str, options: Mapping[str, str]) -> tuple[str, ...]:
        """Files of Python that opening an address would run, as it names them; see `from_url`."""
        return ()

    @property
    @abstractmethod
    def info(self) -> DeviceInfo:
        """Statement of what the device is and allows."""

    @abstractmethod
    def _configure(self, network: Network) -> None:
        """Map a network on the device; every weight is zero afterwards.

        Args:
            network: Its full scales, settings and trims are complete and within limits.
        """

    @abstractmethod
    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Store the weights of one projection.

        Args:
            projection: 0 (from the input) to L-1.
            weights: `(n_pre, n_post)`, finite, in nominal thresholds; `(n,)` of a projection that
                is sparse, which none is unless `info.capacity.sparse`.

        Returns:
            What was stored after clipping and rounding, same shape, float32.
        """

    @abstractmethod
    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        """Run a batch and read what the probes ask for.

        Args:
            stimulus: B samples of T steps, of a kind and size that `info` allows; as many as in
                the last run with `carry`.
            probes: What to observe, all of it offered by `info`.
            trial: As in `run`.
            carry: Whether each sample begins where it ended in the last run; elsewhere each
                begins from reset. Never true unless `info.abilities.runs_on`.

        Returns:
            Output counts, and one array for each probe in the shape that `Probe` states.
        """

    def _set_faults(self, faults: Sequence[Fault]) -> None:
        """Take over all faults, in place of those before, where `info.abilities.faults` has any.

        Args:
            faults: Complete, of what the network has. None after `configure`, until this is called.
        """
        return

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

    @property
    def transfer_bytes(self) -> int:
        """Bytes on the line to the device, both ways, since it was opened."""
        return 0

    @property
    def failures(self) -> tuple[str, ...]:
        """Parts of the device that have failed and are done without, each with its reason."""
        return ()

    @property
    def condition(self) -> Mapping[str, float]:
        """Figures of the instrument's state by name, such as `lost_frames` since it was opened."""
        return {}

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Give all that the device remembers as arrays by name, where `info.abilities.resumable`.

        Raises:
            DeviceError: When the device is not resumable.
        """
        raise DeviceError(f"{self.info.identity.name} cannot give its state: it is not resumable")

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return a configured device to what `state` gave, where `info.abilities.resumable`.

        Raises:
            DeviceError: When the device is not resumable.
        """
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
        if self.__network is None:
            raise NotConfigured("the device has no network yet: call configure(network) first")
        return self.__network

    def configure(self, network: Network) -> None:
        """Map a network on the device; every weight is zero afterwards.

        Args:
            network: Populations with their nominal settings and trims, and projections.

        Raises:
            CapacityError: When the network is beyond the device, in sizes, synapses, full scales,
                delays or projections.
            SettingError: For an unknown setting or one out of range.
        """
        self._check_open()
        self.__info = self.info
        complete = complete_network(network, self.__info)
        self.__carried = self.__taken = None
        mapped = complete if self.__info.capacity.sparse else complete.as_dense()
        with DriverCall(self, "_configure"):
            self._configure(deepcopy(mapped))
        self.__network = complete
        if self.__faults:
            self.set_faults(self.__faults)

    def write_weights(self, projection: int, weights: ArrayLike) -> NDArray[np.float32]:
        """Write one projection.

        Args:
            projection: 0 (from the input) to L-1.
            weights: `(n_pre, n_post)`, or `(n,)` of a sparse projection, in nominal thresholds.

        Returns:
            What the device stored after clipping and rounding, float32.

        Raises:
            WeightError: For a wrong projection or shape, or values that are not finite.
            ReadoutError: When the driver gives what cannot be the stored weights.
        """
        self._check_open()
        network, info = self.network, self.__info
        matrix = check_weights(projection, weights, network)
        form, scale = info.weight_format(projection), network.full_scale[projection]
        synapses = None if info.capacity.sparse else network.projections[projection].synapses
        if synapses is not None:
            matrix = synapses.scatter(matrix, network.ends[projection])
        with DriverCall(self, "_write") as method:
            stored = self._write(projection, read_only(matrix))
            stored = check_stored(method, stored, matrix.shape, scale, form)
        return stored if synapses is None else synapses.gather(stored)

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace all faults that the device was given; none lifts them.

        They hold for any network, from this one on, until they are replaced.

        Args:
            faults: Of kinds that `info.abilities.faults` lists.

        Raises:
            SettingError: For a fault that the device or its network cannot have.
        """
        self._check_open()
        check_faults(faults, self.info)
        faults = tuple(faults)
        if self.__network is not None:
            complete = complete_faults(faults, self.__network, self.__info)
            with DriverCall(self, "_set_faults"):
                self._set_faults(complete)
        self.__faults = faults

    def check_run(
        self, kind: StimulusKind, batch: int, steps: int, probes: Sequence[Probe] = ()
    ) -> None:
        """Refuse, as `run` would, what the device cannot serve; runs nothing.

        Args:
            kind: Kind of stimulus.
            batch: Number of samples B.
            steps: Number of steps T.
            probes: What to observe.

        Raises:
            StimulusError: When the device does not take that kind.
            CapacityError: When the batch or the run is too long for the device.
            UnsupportedProbe: When the device does not offer a probe.
        """
        self._check_open()
        check_run(kind, batch, steps, probes, self.network, self.__info)

    def run(
        self,
        stimulus: Stimulus,
        probes: Sequence[Probe] = (),
        *,
        trial: int | None = None,
        carry: bool = False,
    ) -> Readout:
        """Run a batch of samples, each from reset unless it carries on.

        Args:
            stimulus: B samples of T steps.
            probes: What to observe. Observing never changes the run.
            trial: Names the randomness of this run, where `info.abilities.deterministic`: the same
                trial gives the same run, None draws a fresh one.
            carry: Whether each sample begins where it ended in the last run, with all that its
                neurons remember and all events on their way, where `info.abilities.runs_on`.

        Returns:
            Output spike counts and what each probe asked for.

        Raises:
            StimulusError: When the stimulus does not fit the network or the device, or there is
                nothing to carry on from.
            CapacityError: When the batch or the run is too long for the device.
            UnsupportedProbe: When the device does not offer a probe.
            ReadoutError: When the driver answers with what it was not asked for, or cannot be.
        """
        self._check_open()
        asked = stimulus.kind, stimulus.batch, stimulus.steps, tuple(probes)
        if asked != self.__taken:  # once for all runs of a training
            self.check_run(*asked)
            self.__taken = asked
        network, info = self.network, self.__info
        check_stimulus(stimulus, probes, network, info)
        if carry:
            check_carry(stimulus.batch, self.__carried, info)
        self.__carried = None  # unless this run ends well
        with DriverCall(self, "_run") as method:
            readout = self._run(stimulus.read_only(), tuple(probes), trial, carry)
            checked = check_readout(method, readout, stimulus, probes, network, info)
        self.__carried = stimulus.batch
        return checked

    def reset(self) -> None:
        """Forget the network and the weights; `configure` must follow before the next run."""
        self._check_open()
        if self.__network is not None:
            with DriverCall(self, "_reset"):
                self._reset()
            self.__network = self.__carried = None

    def close(self) -> None:
        """Release the device. Closing twice is fine."""
        if not self.__closed:
            self.__closed = True
            with DriverCall(self, "_close"):
                self._close()

    def __enter__(self) -> Self:
        """Return the device itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the device."""
        self.close()

    def _check_open(self) -> None:
        if self.__closed:
            raise DeviceClosed("the device is closed: open it again with drivers.open(url)")


def _guard_statement(name: str, stated: Any) -> property:
    """A property that reads what a driver states, checks it, and takes `info` for unchanging."""
    read = getattr(stated, "fget", None) or getattr(stated, "func", None) or (lambda _: stated)

    @wraps(read)
    def guarded(self: Device) -> Any:
        kept = vars(self).setdefault("_info_as_stated", {})
        if read in kept:
            return kept[read]
        with DriverCall(self, name) as method:
            value = STATED[name](method, read(self))
        if name == "info":
            kept[read] = value
        return value

    return property(guarded)


def _guard_method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def guarded(self: Device, *given: Any) -> Any:
        with DriverCall(self, name) as method:
            return GIVEN[name](method, function(self, *given))

    return guarded


class Composite(Device):
    """A device that hands requests on to others, which it owns.

    All that it states and does is what the first one states and does, unless a subclass says
    otherwise. It asks its devices by their public methods, so that each request is checked against
    what that device states. Where its addresses hold others, its `code_of` tells the code of
    theirs; one without addresses is made of devices that are open.

    Attributes:
        devices: The devices, opened; closed with this one.
    """

    def __init__(self, *devices: Device) -> None:
        """Take over devices that are open."""
        self.devices = devices
        if len(devices) == 1:
            self.call_limit = devices[0].call_limit

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Self:
        """Refuse an address: it is made of devices that are open."""
        raise DeviceNotFound(f"{cls.__name__} has no address of its own: it is made of devices")

    @property
    def info(self) -> DeviceInfo:
        """Statement of what the device is and allows."""
        return self.devices[0].info

    @property
    def transfer_seconds(self) -> float:
        """Time spent on the lines to all devices, in seconds."""
        return sum(device.transfer_seconds for device in self.devices)

    @property
    def transfer_bytes(self) -> int:
        """Bytes on the lines to all devices, both ways."""
        return sum(device.transfer_bytes for device in self.devices)

    @property
    def failures(self) -> tuple[str, ...]:
        """Parts that the devices do without, each with its reason."""
        return tuple(told for device in self.devices for told in device.failures)

    @property
    def condition(self) -> Mapping[str, float]:
        """Sums over the devices of what they tell of their state."""
        each = [device.condition for device in self.devices]
        names = dict.fromkeys(name for table in each for name in table)
        return {name: sum(table.get(name, 0.0) for table in each) for name in names}

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Give all that the devices remember, by `NUMBER/NAME` where there are several."""
        if len(self.devices) == 1:
            return self.devices[0].state()
        return {
            f"{number}/{name}": value
            for number, device in enumerate(self.devices)
            for name, value in device.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return the devices to what `state` gave."""
        if len(self.devices) == 1:
            self.devices[0].restore(state)
            return
        for number, device in enumerate(self.devices):
            device.restore(select_prefix(state, f"{number}/"))

    def _configure(self, network: Network) -> None:
        self.devices[0].configure(network)

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.devices[0].write_weights(projection, weights)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        return self.devices[0].run(stimulus, probes, trial=trial, carry=carry)

    def _set_faults(self, faults: Sequence[Fault]) -> None:
        for device in self.devices:
            device.set_faults(faults)

    def _reset(self) -> None:
        for device in self.devices:
            device.reset()

    def _close(self) -> None:
        with ExitStack() as closing:  # each of them, though another one fails
            for device in self.devices:
                closing.callback(device.close)
