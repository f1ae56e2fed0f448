"""Checks of what a driver answers, made by `Device` for all drivers: one look at each array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.contract.info import DeviceInfo, WeightFormat
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.contract.watchdog import Overdue, watch_call
from drivers.errors import DeviceError, DeviceHung, DriverError, ReadoutError

# Seconds that one call of a driver may last, unless the driver or its user says otherwise: the
# weights of MNIST's 784-800-10, 16 bits each, take two minutes over a line of 115200 baud.
CALL_LIMIT = 600.0
# The same for a device that hung once, which is to be closed.
AFTER_HANGING = 10.0
# Of the text of what a driver raised, as many characters are shown.
TOLD = 500
# By how much of itself a value may be beyond its limit: what float32 rounds up.
ROUNDING = 1e-5
# The same for stored weights where no levels are stated: a chip's own may round the limit up.
UNSTATED_LEVELS = 0.05


class Limited(Protocol):
    """Something with a limit to how long a call of it may last."""

    call_limit: float


@contextmanager
def driver_call(
    driver: Limited | type[Limited], method: str, limit: float | None = None
) -> Iterator[str]:
    """Call a method of a driver, so that whatever it raises is an error of a device.

    Args:
        driver: The driver, or its class.
        method: Name of its method.
        limit: How long it may last, in seconds; the driver's `call_limit` when None.

    Yields:
        The method's full name, for messages.

    Raises:
        DriverError: When the driver raises what is no `DeviceError`, with that as its cause.
        DeviceHung: When the method does not return in time.
    """
    owner = driver if isinstance(driver, type) else type(driver)
    name = f"{owner.__name__}.{method}"
    try:
        with watch_call(name, driver.call_limit if limit is None else limit):
            yield name
    except Overdue as overdue:
        if not isinstance(driver, type):
            driver.call_limit = min(driver.call_limit, AFTER_HANGING)
        raise DeviceHung(str(overdue)) from None
    except (DeviceError, MemoryError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # SystemExit as well: a driver does not end the training
        told = _describe_raised(error)
        raise DriverError(
            f"{name} raised {type(error).__name__}{': ' if told else ''}{told}; a driver raises "
            "DeviceError alone, so mend it there"
        ) from error


def _describe_raised(error: BaseException) -> str:
    """The text of an exception in one line, if it has one that can be read."""
    try:
        told = " ".join(str(error).split())
    except Exception:
        return ""
    return told if len(told) <= TOLD else f"{told[:TOLD]} ..."


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
        The same.

    Raises:
        ReadoutError: When it cannot be, which is a mistake of the driver.
    """
    array = _check_array(method, "stored weights", stored, shape, np.float32)
    low, high = _find_extremes(method, "stored weights", array)
    least, slack = form.least(full_scale), ROUNDING if form.levels else UNSTATED_LEVELS
    if high > full_scale * (1 + slack) or low < least * (1 + slack):
        raise ReadoutError(
            f"{method} gave stored weights from {low:g} to {high:g}: give what was stored, within "
            f"{least:g} to {full_scale:g}"
        )
    return array  # type: ignore[return-value]


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
        The same.

    Raises:
        ReadoutError: When it is not, or cannot be, which is a mistake of the driver.
    """
    if not isinstance(readout, Readout):
        raise ReadoutError(f"{method} gave {type(readout).__name__}: give a Readout")
    if readout.steps != stimulus.steps:
        raise ReadoutError(
            f"{method} gave steps = {readout.steps}: give the {stimulus.steps} of the stimulus"
        )
    shape: tuple[int, ...] = (stimulus.batch, network.layers[-1])
    counts = _check_array(method, "counts", readout.counts, shape, np.int32)
    fastest, most = info.neuron.spikes_per_step, info.neuron.spikes_per_run
    _check_range(method, "counts", counts, stimulus.steps * fastest, f"at most {fastest} a step")
    if most is not None:
        _check_range(method, "counts", counts, most, "the most in a run")
    if stimulus.lengths is not None and (counts.max(axis=1) > stimulus.lengths * fastest).any():
        raise ReadoutError(
            f"{method} gave more counts than a sample has steps: count within Stimulus.lengths"
        )
    for probe in probes:
        told = f"{probe.quantity} of layer {probe.layer} reduced by {probe.reduce!r}"
        if probe not in readout.samples:
            raise ReadoutError(f"{method} gave no answer to a probe of {told}: answer every probe")
        k = network.layers[probe.layer] if probe.neurons is None else len(probe.neurons)
        shape = (stimulus.batch, k)
        if probe.reduce == "none":
            shape = (stimulus.steps // probe.every, *shape)
        raster = probe.quantity == "spikes" and probe.reduce != "mean"
        kind = np.uint8 if raster else np.float32
        array = _check_array(method, told, readout.samples[probe], shape, kind)
        if probe.quantity == "spikes":
            _check_range(method, told, array, info.neuron.spikes_per_step, "spikes per step")
            continue
        _find_extremes(method, told, array)
        offer = info.offer("membrane", probe.layer, network.depth)
        if offer is not None and readout.membrane_sampled != offer.sampled:
            raise ReadoutError(
                f"{method} gave membrane_sampled = {readout.membrane_sampled!r}: the ProbeOffer "
                f"of info states {offer.sampled!r}, give the same in both"
            )
    return readout


def _check_array(
    method: str, what: str, given: object, shape: tuple[int, ...], kind: type[np.generic]
) -> NDArray[np.generic]:
    name = np.dtype(kind).name
    if not isinstance(given, np.ndarray):
        raise ReadoutError(
            f"{method} gave {what} as {type(given).__name__}: give a {name} array of shape {shape}"
        )
    if given.shape != shape or given.dtype != kind:
        raise ReadoutError(
            f"{method} gave {what} as {given.dtype} of shape {given.shape}: give {name} of shape "
            f"{shape}"
        )
    return given


def _find_extremes(method: str, what: str, array: NDArray[np.generic]) -> tuple[float, float]:
    """The least and the greatest value, both finite."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ReadoutError(f"{method} gave {what} that are not all finite: give finite numbers")
    return low, high


def _check_range(
    method: str, what: str, array: NDArray[np.generic], most: float, explained: str
) -> None:
    low, high = _find_extremes(method, what, array)
    if low < 0 or high > most * (1 + ROUNDING):
        raise ReadoutError(
            f"{method} gave {what} from {low:g} to {high:g}: give 0 to {most:g}, {explained}"
        )
