"""Checks that the device works in every order of use, and after a refusal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.comparing import IDLE, check_unchanged
from drivers.conformance.harness import Failed, Harness, NotApplicable, check_refusal, skip_if
from drivers.contract.messages import Probe, Stimulus
from drivers.contract.network import Network
from drivers.errors import (
    CapacityError,
    DeviceClosed,
    DeviceError,
    NotConfigured,
    SettingError,
    StimulusError,
    UnsupportedProbe,
    WeightError,
)

# Cells of a network that is asked for only to be refused.
CELLS = 1 << 22


def reset_forgets_the_network(harness: Harness) -> None:
    """After reset, and before configure, the device refuses to run and to store."""
    harness.configure()
    harness.write(1.0)
    fired = harness.count_spikes()
    harness.device.reset()
    _check_unconfigured(harness, "after reset")
    harness.configure()
    left = harness.count_spikes()
    if left > IDLE * fired:
        raise Failed(f"{left} spikes without weights after reset, {fired} before it")


def errors_leave_the_device_usable(harness: Harness) -> None:
    """What is refused raises its error, and changes nothing."""
    stimulus = harness.work()
    refusals = _bad_requests(harness)

    def after_refusals(trial: int) -> NDArray[np.int32]:
        for what, expected, ask in refusals:
            check_refusal(what, expected, ask)
        return harness.run(stimulus, trial=trial).counts

    check_unchanged(harness, stimulus, "refusals", after_refusals)


def refused_network_leaves_the_old_one(harness: Harness) -> None:
    """A network that the device has no room for leaves the one before as it was."""
    info, room = harness.info, harness.info.capacity.inputs * harness.info.capacity.neurons
    skip_if(room > CELLS, "the largest network is too large to try")
    whole = Network.feed_forward(
        (info.capacity.inputs, *[info.capacity.neurons] * info.capacity.layers)
    )
    stimulus = harness.work()

    def after_refusal(trial: int) -> NDArray[np.int32]:
        try:
            harness.device.configure(whole)
        except CapacityError:
            return harness.run(stimulus, trial=trial).counts
        raise NotApplicable("the device has room for every limit at once")

    check_unchanged(harness, stimulus, "a refused network", after_refusal)


def state_restores_what_it_was(harness: Harness) -> None:
    """Where info says resumable, a device that is given its state goes on as it would have."""
    skip_if(not harness.info.abilities.resumable, "info says that the device is not resumable")
    stimulus, device = harness.work(), harness.device
    device.write_weights(0, _random_weights(harness, 1))
    state = {name: np.array(value) for name, value in device.state().items()}
    if any(value.dtype.hasobject for value in state.values()):
        raise Failed("state holds Python objects, which no checkpoint takes")
    before = harness.run(stimulus).counts
    device.write_weights(0, _random_weights(harness, 2))
    harness.run(stimulus, trial=1)
    harness.configure()
    device.restore(state)
    after = harness.run(stimulus).counts
    apart = int(np.abs(before - after).sum())
    if apart > (0 if harness.info.abilities.deterministic else IDLE * before.sum()):
        raise Failed(f"a run after restore differs by {apart} spikes from the same after state")


def closing_twice_is_fine(harness: Harness) -> None:
    """A closed device may be closed again, and refuses everything else."""
    device, stimulus = harness.device, harness.everything()
    device.close()
    harness.close()
    for what, ask in (
        ("configure", lambda: device.configure(harness.network())),
        ("write_weights", lambda: device.write_weights(0, _random_weights(harness, 1))),
        ("run", lambda: device.run(stimulus)),
        ("reset", device.reset),
    ):
        check_refusal(f"{what} after close", DeviceClosed, ask)


def reopening_keeps_or_loses_weights(harness: Harness) -> None:
    """Closed and opened again, the device holds its weights, or none, as info states."""
    harness.close()
    if harness.info.abilities.keeps_weights:
        harness.configure()
        harness.write(np.eye(harness.neurons))
        before = harness.count_spikes()
        harness.close()
        after = harness.count_spikes()
        if after < before / 2:
            raise Failed(f"{before} spikes before close, {after} after, though weights are kept")
        return
    _check_unconfigured(harness, "opened again")
    harness.configure()
    firing = harness.firing()
    if firing > IDLE:
        raise Failed(f"{firing:.0%} of samples and neurons fired, opened again without weights")


def _check_unconfigured(harness: Harness, when: str) -> None:
    device = harness.device
    check_refusal(f"run {when}", NotConfigured, lambda: device.run(harness.everything()))
    weights = _random_weights(harness, 1)
    check_refusal(f"write_weights {when}", NotConfigured, lambda: device.write_weights(0, weights))


def _random_weights(harness: Harness, seed: int) -> NDArray[np.float32]:
    shape = harness.network().layers
    rng = np.random.default_rng(seed)
    return rng.uniform(0, harness.full_scale, shape).astype(np.float32)


def _bad_requests(harness: Harness) -> list[tuple[str, type[DeviceError], Callable[[], object]]]:
    """Requests that no device may serve, with the error of each."""
    info, network = harness.info, harness.network()
    n_in, n_out = network.layers
    standing, device = harness.work(), harness.device
    wide = Stimulus.current(np.ones((1, n_in + 1)), steps=1)
    if info.offers.stimuli[0] == "current_trace":
        wide = Stimulus.current_trace(np.ones((1, 1, n_in + 1)))
    elif info.offers.stimuli[0] == "spikes":
        wide = Stimulus.spikes(np.ones((1, n_in + 1)), steps=1)
    weights = np.ones((n_in, n_out), np.float32)
    return [
        ("stimulus of too many channels", StimulusError, lambda: device.run(wide)),
        (
            "too long a run",
            CapacityError,
            lambda: device.check_run(standing.kind, 1, info.capacity.steps + 1),
        ),
        ("probe of no layer", UnsupportedProbe, lambda: device.run(standing, [Probe(9, "spikes")])),
        ("weights of a wrong shape", WeightError, lambda: device.write_weights(0, weights[:, 1:])),
        ("weights that are NaN", WeightError, lambda: device.write_weights(0, weights * np.nan)),
        ("weights of no projection", WeightError, lambda: device.write_weights(1, weights)),
        (
            "too many neurons",
            CapacityError,
            lambda: device.configure(Network.feed_forward((1, info.capacity.neurons + 1))),
        ),
        (
            "unknown setting",
            SettingError,
            lambda: device.configure(Network.feed_forward((1, 1), settings={"no such": 1})),
        ),
    ]
