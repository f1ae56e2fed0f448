"""Is the device to be had in every order of use, and still after a refusal?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.checks.ending import Failed, NotApplicable, refuses
from drivers.conformance.kit.comparing import IDLE, unchanged
from drivers.conformance.kit.harness import Bench
from drivers.conformance.kit.verdict import Check
from drivers.contract.errors import (
    CapacityError,
    DeviceClosed,
    DeviceError,
    NotConfigured,
    SettingError,
    StimulusError,
    UnsupportedProbe,
    WeightError,
)
from drivers.contract.messages import Network, Probe, Stimulus

# Cells of a network that is asked for only to be refused.
CELLS = 1 << 22


def reset_forgets_the_network(bench: Bench) -> None:
    """After reset, and before configure, the device refuses to run and to store."""
    bench.configure()
    bench.write(1.0)
    fired = int(bench.run(bench.everything()).counts.sum())
    bench.device.reset()
    _refused_unconfigured(bench, "after reset")
    bench.configure()
    left = int(bench.run(bench.everything()).counts.sum())
    if left > IDLE * fired:
        raise Failed(f"{left} spikes without weights after reset, {fired} before it")


def errors_leave_the_device_usable(bench: Bench) -> None:
    """What is refused raises its error, and changes nothing."""
    stimulus = bench.work()
    refusals = _bad(bench)

    def after_refusals(trial: int) -> NDArray[np.int32]:
        for what, expected, ask in refusals:
            refuses(what, expected, ask)
        return bench.run(stimulus, trial=trial).counts

    unchanged(bench, stimulus, "refusals", after_refusals)


def refused_network_leaves_the_old_one(bench: Bench) -> None:
    """A network that the device has no room for leaves the one before as it was."""
    info, room = bench.info, bench.info.max_inputs * bench.info.max_neurons
    if room > CELLS:
        raise NotApplicable("the largest network is too large to try")
    whole = Network((info.max_inputs, *[info.max_neurons] * info.max_layers))
    stimulus = bench.work()

    def after_refusal(trial: int) -> NDArray[np.int32]:
        try:
            bench.device.configure(whole)
        except CapacityError:
            return bench.run(stimulus, trial=trial).counts
        raise NotApplicable("the device has room for every limit at once")

    unchanged(bench, stimulus, "a refused network", after_refusal)


def state_restores_what_it_was(bench: Bench) -> None:
    """Where info says resumable, a device that is given its state goes on as it would have."""
    if not bench.info.resumable:
        raise NotApplicable("info says that the device is not resumable")
    stimulus, device = bench.work(), bench.device
    device.write_weights(0, _some(bench, 1))
    state = {name: np.array(value) for name, value in device.state().items()}
    if any(value.dtype.hasobject for value in state.values()):
        raise Failed("state holds Python objects, which no checkpoint takes")
    before = bench.run(stimulus).counts
    device.write_weights(0, _some(bench, 2))
    bench.run(stimulus, trial=1)
    bench.configure()
    device.restore(state)
    after = bench.run(stimulus).counts
    apart = int(np.abs(before - after).sum())
    if apart > (0 if bench.info.deterministic else IDLE * before.sum()):
        raise Failed(f"a run after restore differs by {apart} spikes from the same after state")


def closing_twice_is_fine(bench: Bench) -> None:
    """A closed device may be closed again, and refuses everything else."""
    device, stimulus = bench.device, bench.everything()
    device.close()
    bench.close()
    for what, ask in (
        ("configure", lambda: device.configure(bench.network())),
        ("write_weights", lambda: device.write_weights(0, _some(bench, 1))),
        ("run", lambda: device.run(stimulus)),
        ("reset", device.reset),
    ):
        refuses(f"{what} after close", DeviceClosed, ask)


def reopening_keeps_or_loses_weights(bench: Bench) -> None:
    """Closed and opened again, the device holds its weights, or none, as info states."""
    bench.close()
    if bench.info.keeps_weights:
        bench.configure()
        bench.write(np.eye(bench.neurons))
        before = int(bench.run(bench.everything()).counts.sum())
        bench.close()
        after = int(bench.run(bench.everything()).counts.sum())
        if after < before / 2:
            raise Failed(f"{before} spikes before close, {after} after, though weights are kept")
        return
    _refused_unconfigured(bench, "opened again")
    bench.configure()
    firing = float((bench.run(bench.everything()).counts > 0).mean())
    if firing > IDLE:
        raise Failed(f"{firing:.0%} of samples and neurons fired, opened again without weights")


CHECKS: tuple[Check, ...] = (
    reset_forgets_the_network,
    errors_leave_the_device_usable,
    refused_network_leaves_the_old_one,
    state_restores_what_it_was,
    closing_twice_is_fine,
    reopening_keeps_or_loses_weights,
)


def _refused_unconfigured(bench: Bench, when: str) -> None:
    device = bench.device
    refuses(f"run {when}", NotConfigured, lambda: device.run(bench.everything()))
    weights = _some(bench, 1)
    refuses(f"write_weights {when}", NotConfigured, lambda: device.write_weights(0, weights))


def _some(bench: Bench, seed: int) -> NDArray[np.float32]:
    shape = bench.network().layers
    rng = np.random.default_rng(seed)
    return rng.uniform(0, bench.full_scale, shape).astype(np.float32)


def _bad(bench: Bench) -> list[tuple[str, type[DeviceError], Callable[[], object]]]:
    """Requests that no device may serve, with the error of each."""
    info, network = bench.info, bench.network()
    n_in, n_out = network.layers
    standing, device = bench.work(), bench.device
    wide = Stimulus.current(np.ones((1, n_in + 1)), steps=1)
    if info.stimuli[0] == "current_trace":
        wide = Stimulus.current_trace(np.ones((1, 1, n_in + 1)))
    elif info.stimuli[0] == "spikes":
        wide = Stimulus.spikes(np.ones((1, n_in + 1)), steps=1)
    weights = np.ones((n_in, n_out), np.float32)
    return [
        ("stimulus of too many channels", StimulusError, lambda: device.run(wide)),
        (
            "too long a run",
            CapacityError,
            lambda: device.check_run(standing.kind, 1, info.max_steps + 1),
        ),
        ("probe of no layer", UnsupportedProbe, lambda: device.run(standing, [Probe(9, "spikes")])),
        ("weights of a wrong shape", WeightError, lambda: device.write_weights(0, weights[:, 1:])),
        ("weights that are NaN", WeightError, lambda: device.write_weights(0, weights * np.nan)),
        ("weights of no projection", WeightError, lambda: device.write_weights(1, weights)),
        (
            "too many neurons",
            CapacityError,
            lambda: device.configure(Network((1, info.max_neurons + 1))),
        ),
        (
            "unknown setting",
            SettingError,
            lambda: device.configure(Network((1, 1), settings={"no such": 1})),
        ),
    ]
