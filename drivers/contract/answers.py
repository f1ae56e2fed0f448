"""Checks of what a driver answers, made by `Device` for all drivers: one look at each array."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import Kind
from drivers.contract.info import DeviceInfo, WeightFormat
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.contract.watchdog import Call, Overdue
from drivers.errors import DeviceError, DeviceHung, DriverError, ReadoutError
from drivers.files.archives import PLAIN, check_text

# Seconds that one call of a driver may last, unless the driver or its user says otherwise: the
# weights of MNIST's 784-800-10, 16 bits each, take two minutes over a line of 115200 baud.
CALL_LIMIT = 600.0
# The same for a device that hung once, which is to be closed.
AFTER_HANGING = 10.0
# Of what a driver raised, or says of a part that failed, as many characters are shown.
TOLD = 500
LISTED = 100  # parts that failed, or figures of a state
# Nothing that is measured comes near: seconds or bytes, and thresholds of a membrane from rest.
MOST, UNBELIEVABLE = 1e18, 1e9
# By how much of itself a value may be beyond its limit: what float32 rounds up.
ROUNDING = 1e-5
# The same for stored weights where no levels are stated: a chip's own may round the limit up.
UNSTATED_LEVELS = 0.05


class Limited(Protocol):
    """Something with a limit to how long a call of it may last."""

    call_limit: float


class DriverCall(Call):
    """Call of a method of a driver, so that whatever it raises is an error of a device.

    The context gives the method's full name, for messages. It raises `DriverError` when the driver
    raises what is no `DeviceError`, with that as its cause, and `DeviceHung` when the method does
    not return in time.
    """

    def __init__(
        self, driver: Limited | type[Limited], method: str, limit: float | None = None
    ) -> None:
        """Call nothing yet.

        Args:
            driver: The driver, or its class.
            method: Name of its method.
            limit: How long it may last, in seconds; the driver's `call_limit` when None.
        """
        owner = driver if isinstance(driver, type) else type(driver)
        super().__init__(
            f"{owner.__name__}.{method}", driver.call_limit if limit is None else limit
        )
        self._driver, self._name = driver, self.method

    def refuse(self, error: BaseException) -> None:
        """Say what the driver raised."""
        if isinstance(error, MemoryError | KeyboardInterrupt):
            return
        if isinstance(error, Overdue):
            if not isinstance(self._driver, type):
                self._driver.call_limit = min(self._driver.call_limit, AFTER_HANGING)
            raise DeviceHung(str(error)) from None
        why = _describe_raised(error)  # SystemExit as well: a driver does not end the training
        if isinstance(error, DeviceError) and why is not None:
            return
        raise DriverError(
            f"{self._name} raised {type(error).__name__}{': ' if why else ''}{why or ''}; a driver "
            "raises DeviceError alone, so mend it there"
        ) from error


def _describe_raised(error: BaseException) -> str | None:
    """The text of an exception in one line; None where it cannot be read."""
    try:
        return _shorten(str(error))
    except Exception:
        return None


def _shorten(text: str) -> str:
    line = " ".join(text.encode(errors="replace").decode().split())
    return line if len(line) <= TOLD else f"{line[:TOLD]} ..."


def check_stored(
    method: str, stored: object, shape: tuple[int, ...], full_scale: float, form: WeightFormat
) -> NDArray[np.float32]:
    """Refuse what cannot be the weights that a device has stored.

    Args:
        method: Name of the driver's method, for messages.
        stored: What it gave.
        shape: Shape of the weights that were written.
        full_scale: Largest |weight| that can be stored, in nominal thresholds.
        form: What the device states of stored weights.

    Returns:
        A copy, whatever the driver goes on to do with its own.

    Raises:
        ReadoutError: When it cannot be, which is a mistake of the driver.
    """
    array, low, high = _take_array(method, "stored weights", stored, shape, np.float32)
    least, slack = form.least(full_scale), ROUNDING if form.levels else UNSTATED_LEVELS
    if high > full_scale * (1 + slack) or low < least * (1 + slack):
        raise ReadoutError(
            f"{method} gave stored weights from {low:g} to {high:g}: give what was stored, within "
            f"the full scale of {full_scale:g}{', none below 0' if least == 0 else ''}"
        )
    return array


def check_readout(
    method: str,
    readout: object,
    stimulus: Stimulus,
    probes: Sequence[Probe],
    network: Network,
    info: DeviceInfo,
) -> Readout:
    """Refuse an answer that is not what was asked for, or that cannot be.

    Args:
        method: Name of the driver's method, for messages.
        readout: What it gave.
        stimulus: What was run.
        probes: What was to be observed.
        network: What is configured.
        info: What the device states.

    Returns:
        A copy of what was asked for, whatever the driver goes on to do with its own.

    Raises:
        ReadoutError: When it is not, or cannot be, which is a mistake of the driver.
    """
    if not isinstance(readout, Readout):
        raise ReadoutError(f"{method} gave {type(readout).__name__}: give a Readout")
    if not isinstance(readout.samples, Mapping):
        raise ReadoutError(f"{method} gave samples that are no Mapping: give an array by probe")
    if readout.steps != stimulus.steps:
        raise ReadoutError(
            f"{method} gave steps = {readout.steps}: give the {stimulus.steps} of the stimulus"
        )
    shape: tuple[int, ...] = (stimulus.batch, network.layers[-1])
    counts, *extremes = _take_array(method, "counts", readout.counts, shape, np.int32)
    fastest, most = info.neuron.spikes_per_step, info.neuron.spikes_per_run
    whole, why = stimulus.steps * fastest, f"at most {fastest} a step"
    if most is not None and most < whole:
        whole, why = most, "the most in a run"
    _check_range(method, "counts", extremes, whole, why)
    if stimulus.lengths is not None and (counts.max(axis=1) > stimulus.lengths * fastest).any():
        raise ReadoutError(
            f"{method} gave more counts than a sample has steps: count within Stimulus.lengths"
        )
    samples: dict[Probe, NDArray[np.generic]] = {}
    membrane = info.neuron.membrane
    for probe in probes:
        what = f"{probe.quantity} of layer {probe.layer} reduced by {probe.reduce!r}"
        given = readout.samples.get(probe)
        if given is None:
            raise ReadoutError(f"{method} gave no answer to a probe of {what}: answer every probe")
        k = network.layers[probe.layer] if probe.neurons is None else len(probe.neurons)
        shape = (stimulus.batch, k)
        if probe.reduce == "none":
            shape = (stimulus.steps // probe.every, *shape)
        raster = probe.quantity == "spikes" and probe.reduce != "mean"
        kind: type[np.generic] = np.uint8 if raster else np.float32
        samples[probe], low, high = _take_array(method, what, given, shape, kind)
        if probe.quantity == "spikes":
            most = info.neuron.spikes_per_step
            _check_range(method, what, (low, high), most, "spikes per step")
            continue
        furthest = max(high - membrane.rest, membrane.rest - low)
        if furthest > UNBELIEVABLE * abs(membrane.threshold - membrane.rest):
            raise ReadoutError(
                f"{method} gave {what} as far as {furthest:g} from rest: give less than "
                f"{UNBELIEVABLE:g} thresholds, in the unit of info.neuron.membrane"
            )
        offer = info.offer("membrane", probe.layer, network.depth)
        if offer is not None and readout.membrane_sampled != offer.sampled:
            raise ReadoutError(
                f"{method} gave membrane_sampled = {readout.membrane_sampled!r}: the ProbeOffer "
                f"of info states {offer.sampled!r}, give the same in both"
            )
    return Readout(counts, stimulus.steps, samples, readout.membrane_sampled)


def check_seconds(method: str, given: object) -> float:
    """Refuse what is no time spent so far, in seconds.

    Args:
        method: Name of the driver's method, for messages.
        given: What it gave.

    Returns:
        The same.

    Raises:
        ReadoutError: When it is none, which is a mistake of the driver.
    """
    return float(_check_amount(method, "seconds", given, int | float | np.integer | np.floating))


def check_bytes(method: str, given: object) -> int:
    """Refuse what is no number of bytes; arguments and errors as `check_seconds`."""
    return int(_check_amount(method, "bytes, a whole number,", given, int | np.integer))


def _check_amount(method: str, unit: str, given: object, kinds: Any) -> Any:
    # Written so that NaN fails.
    if isinstance(given, bool) or not isinstance(given, kinds) or not 0 <= given < MOST:
        raise ReadoutError(f"{method} gave {_describe(given)}: give {unit} since it was opened")
    return given


def check_failures(method: str, given: object) -> tuple[str, ...]:
    """Take the parts of a device that have failed, each in one line of some length.

    Args:
        method: Name of the driver's property, for messages.
        given: What it gave.

    Raises:
        ReadoutError: When it is no tuple of texts, which is a mistake of the driver.
    """
    if not isinstance(given, tuple | list) or not all(type(part) is str for part in given):
        raise ReadoutError(f"{method} gave {type(given).__name__}: give a tuple of texts")
    shown = [_shorten(part) for part in given[:LISTED]]
    more = len(given) - LISTED
    return (*shown, *([f"and {more} more"] if more > 0 else []))


def check_condition(method: str, given: object) -> dict[str, float]:
    """Refuse what is no table of numbers; arguments and errors as `check_failures`."""
    if not isinstance(given, Mapping) or not all(
        type(name) is str and isinstance(value, int | float) for name, value in given.items()
    ):
        raise ReadoutError(f"{method} gave {_describe(given)}: give numbers by name")
    kept = ((_shorten(name), float(given[name])) for name in list(given)[:LISTED])
    return {name: value for name, value in kept if math.isfinite(value)}  # JSON has no others


def check_state(method: str, given: object) -> dict[str, NDArray[np.generic]]:
    """Refuse a state that cannot be kept in a file.

    Args:
        method: Name of the driver's method, for messages.
        given: What it gave.

    Returns:
        A copy, whatever the driver goes on to do with its own.

    Raises:
        ReadoutError: When it cannot, which is a mistake of the driver.
    """
    if not isinstance(given, Mapping):
        raise ReadoutError(f"{method} gave {type(given).__name__}: give arrays by name")
    for name, array in given.items():
        if type(name) is not str or not name.isprintable() or len(name) > TOLD:
            raise ReadoutError(f"{method} gave the name {_describe(name)}: give a short text")
        if type(array) is not np.ndarray or array.dtype.kind not in PLAIN:
            kind = getattr(array, "dtype", type(array).__name__)
            raise ReadoutError(
                f"{method} gave {name} as {kind}: give a plain array of numbers, truth values or "
                "text"
            )
        check_text(array)
    return {name: np.array(array) for name, array in given.items()}


def _describe(given: object) -> str:
    number = isinstance(given, int | float | np.number) and not isinstance(given, bool)
    return f"{given:g}" if number else type(given).__name__


def _take_array(
    method: str, what: str, given: object, shape: tuple[int, ...], kind: type[Kind]
) -> tuple[NDArray[Kind], float, float]:
    """A copy of an array that a driver gave, its least and its greatest value, both finite."""
    # A subclass may hide values, or compute others.
    if type(given) is not np.ndarray:
        raise ReadoutError(
            f"{method} gave {what} as {type(given).__name__}: give a {kind.__name__} array of "
            f"shape {shape}"
        )
    if given.shape != shape or given.dtype != kind:
        raise ReadoutError(
            f"{method} gave {what} as {given.dtype} of shape {given.shape}: give {kind.__name__} "
            f"of shape {shape}"
        )
    copied: NDArray[Kind] = given.copy()
    low, high = float(copied.min()), float(copied.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ReadoutError(f"{method} gave {what} that are not all finite: give finite numbers")
    return copied, low, high


def _check_range(
    method: str, what: str, extremes: Sequence[float], most: float, explained: str
) -> None:
    low, high = extremes
    if low < 0 or high > most * (1 + ROUNDING):
        raise ReadoutError(
            f"{method} gave {what} from {low:g} to {high:g}: give 0 to {most:g}, {explained}"
        )
