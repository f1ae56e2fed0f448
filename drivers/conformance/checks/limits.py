"""Is what info states possible, what is within its limits taken, and what is beyond refused?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from drivers.conformance.kit.ending import Failed, NotApplicable, refuses
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import Capacity, StimulusKind
from drivers.contract.messages import Stimulus
from drivers.contract.network import Network
from drivers.contract.statements import contradictions
from drivers.errors import CapacityError, DeviceError, Diverged, SettingError


def facts_are_possible(harness: Harness) -> None:
    """What info states could be true."""
    wrong = contradictions(harness.info)
    if wrong:
        raise Failed("; ".join(wrong))


def facts_stay(harness: Harness) -> None:
    """Using the device does not change what info states."""
    harness.clear()
    harness.write(1.0)
    harness.run(harness.everything())
    if harness.mapped.info != harness.info:
        raise Failed("info is not what it was when the device was opened")


def line_time_never_falls(harness: Harness) -> None:
    """transfer_seconds is time spent so far: finite, at least 0, and growing."""
    harness.clear()
    read = [harness.mapped.transfer_seconds]
    for share in (1.0, 0.5):
        harness.write(share)
        harness.run(harness.everything())
        read.append(harness.mapped.transfer_seconds)
    if not (all(map(math.isfinite, read)) and 0 <= read[0] <= read[1] <= read[2]):
        raise Failed(f"transfer_seconds was {', '.join(f'{each:g}' for each in read)}")


def largest_network_is_taken(harness: Harness) -> None:
    """A network at each stated limit is taken, stores weights and runs."""
    for layers in _largest(harness):
        _take(f"network of layers {_told(layers)}", partial(_use, harness, layers, 1, 1))


def larger_network_is_refused(harness: Harness) -> None:
    """A network beyond a stated limit raises CapacityError."""
    capacity = harness.info.capacity
    beyond = [
        (capacity.inputs + 1, 1),
        (1, capacity.neurons + 1),
        (1,) * (capacity.layers + 2),
    ]
    if capacity.fan_in is not None and capacity.fan_in < capacity.inputs:
        beyond.append((capacity.fan_in + 1, 1))
    for inputs, neurons in _most_synapses(capacity):
        if neurons < capacity.neurons:
            beyond.append((inputs, neurons + 1))
    for layers in beyond:
        refuses(
            f"network of layers {_told(layers)}",
            CapacityError,
            partial(harness.device.configure, Network.feed_forward(layers)),
        )


def largest_batch_and_longest_run_are_taken(harness: Harness) -> None:
    """As many samples, and as many steps, as stated are run."""
    info = harness.info
    for batch, steps in ((info.capacity.batch, 1), (1, info.capacity.steps)):
        _take(f"{batch} samples of {steps} steps", partial(_use, harness, (1, 1), batch, steps))


def larger_batch_and_longer_run_are_refused(harness: Harness) -> None:
    """More samples, or more steps, than stated raise CapacityError."""
    info = harness.info
    harness.device.configure(Network.feed_forward((1, 1)))
    for batch, steps in ((info.capacity.batch + 1, 1), (1, info.capacity.steps + 1)):
        refuses(
            f"{batch} samples of {steps} steps",
            CapacityError,
            partial(_run_dark, harness, batch, steps),
        )


def full_scales_are_as_stated(harness: Harness) -> None:
    """The least and the greatest full scale are taken, and what is beyond them is refused."""
    form = harness.info.weight_format(0)
    low, high = form.minimum_full_scale, form.maximum_full_scale
    for scale in (low, high):
        _take(
            f"full scale {scale:g}",
            partial(harness.device.configure, Network.feed_forward((1, 1), (scale,))),
        )
    for scale in (0.99 * low, 1.01 * high, math.nan):
        refuses(
            f"full scale {scale:g}",
            CapacityError,
            partial(harness.device.configure, Network.feed_forward((1, 1), (scale,))),
        )


def settings_are_as_stated(harness: Harness) -> None:
    """Each setting is taken at both ends of its range, refused beyond them and when unknown."""
    device, refused = harness.device, SettingError
    refuses("an unknown setting", refused, partial(device.configure, _set("no such setting", 0)))
    if not harness.info.neuron.settings:
        raise NotApplicable("the device has no settings")
    for setting in harness.info.neuron.settings:
        for value in (setting.minimum, setting.maximum):
            told = f"setting {setting.name} = {value:g}"
            _take(told, partial(device.configure, _set(setting.name, value)))
        for value in (
            np.nextafter(setting.minimum, -np.inf),
            np.nextafter(setting.maximum, np.inf),
            math.nan,
        ):
            told = f"setting {setting.name} = {value!r}"
            refuses(told, refused, partial(device.configure, _set(setting.name, float(value))))
    device.configure(Network.feed_forward((1, 1)))


def trims_are_as_stated(harness: Harness) -> None:
    """Settings that can be chosen for each neuron are, and others cannot."""
    trimmed = [setting for setting in harness.info.neuron.settings if setting.per_neuron]
    if not trimmed:
        raise NotApplicable("the device has no settings for each neuron")
    n = min(2, harness.info.capacity.neurons)
    for setting in trimmed:
        name, low, high = setting.name, setting.minimum, setting.maximum
        beyond = high + 0.01 * (high - low)
        for value in (low, high):
            _take(
                f"{name} = {value:g} of {n} neurons", partial(_trim, harness, name, n, [value] * n)
            )
        for values in ([low] * (n + 1), [low] * (n - 1) + [beyond]):
            told = f"{name} = {', '.join(f'{value:g}' for value in values)} of {n} neurons"
            refuses(told, SettingError, partial(_trim, harness, name, n, values))
    harness.device.configure(Network.feed_forward((1, 1)))


CHECKS: tuple[Check, ...] = (
    facts_are_possible,
    facts_stay,
    line_time_never_falls,
    largest_network_is_taken,
    larger_network_is_refused,
    largest_batch_and_longest_run_are_taken,
    larger_batch_and_longer_run_are_refused,
    full_scales_are_as_stated,
    settings_are_as_stated,
    trims_are_as_stated,
)


def _largest(harness: Harness) -> Iterator[tuple[int, ...]]:
    """Networks at one limit each, within the others."""
    capacity = harness.info.capacity
    room = capacity.synapses or math.inf
    yield harness.widest, 1
    yield 1, int(min(capacity.neurons, room))
    yield (1,) * int(min(capacity.layers, room) + 1)
    yield from _most_synapses(capacity)


def _most_synapses(capacity: Capacity) -> Iterator[tuple[int, int]]:
    """A projection of as many synapses as are stated, where a layer more would be too many."""
    if capacity.synapses is None:
        return
    inputs = min(capacity.inputs, capacity.fan_in or capacity.inputs, capacity.synapses)
    neurons = min(capacity.neurons, capacity.synapses // inputs)
    if inputs * (neurons + 1) > capacity.synapses:
        yield inputs, neurons


def _take(what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except Diverged:
        raise
    except DeviceError as error:
        raise Failed(f"{what}: stated as possible, but {type(error).__name__}: {error}") from None


def _use(harness: Harness, layers: tuple[int, ...], batch: int, steps: int) -> None:
    device = harness.device
    device.configure(Network.feed_forward(layers))
    for projection in range(len(layers) - 1):
        device.write_weights(projection, np.zeros(layers[projection : projection + 2]))
    device.run(_dark(harness.info.offers.stimuli[0], batch, steps, layers[0]))


def _run_dark(harness: Harness, batch: int, steps: int) -> None:
    harness.run(_dark(harness.info.offers.stimuli[0], batch, steps, 1))


def _dark(kind: StimulusKind, batch: int, steps: int, channels: int) -> Stimulus:
    """A stimulus of nothing; none is larger than need be."""
    from scipy.sparse import csr_matrix

    if kind == "current":
        return Stimulus.current(np.zeros((batch, channels)), steps=steps)
    if kind == "current_trace":
        return Stimulus.current_trace(np.zeros((steps, batch, channels)))
    return Stimulus.spikes(csr_matrix((steps * batch, channels), dtype=np.float32), steps=steps)


def _set(name: str, value: float) -> Network:
    return Network.feed_forward((1, 1), settings={name: value})


def _trim(harness: Harness, name: str, n: int, values: list[float]) -> None:
    trims = {name: [np.asarray(values, np.float32)]}
    harness.device.configure(Network.feed_forward((1, n), trims=trims))


def _told(layers: tuple[int, ...]) -> str:
    return "-".join(map(str, layers)) if len(layers) < 6 else f"1 ({len(layers) - 1} of neurons)"
