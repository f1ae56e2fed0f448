"""Checks that the device works in every order of use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.conformance import needs
from drivers.conformance.checking import IDLE, Failed, check, check_refusal
from drivers.conformance.harness import Harness
from drivers.contract.faults import SYNAPSE_FAULTS, Fault, count_bits
from drivers.errors import DeviceClosed, NotConfigured

# Values with which a fault silences neurons.
EXTREMES = {
    "stuck_synapse": 0.0,
    "perturbed_synapse": 0.0,
    "integration_off": 1e-3,
} | dict.fromkeys(("threshold_off", "leak_off", "refractory_off"), 1e3)


@check()
def reset_forgets_the_network(harness: Harness) -> None:
    """After reset, and before configure, the device refuses to run and to store."""
    harness.configure()
    harness.write(1.0)
    fired = harness.count_spikes()
    harness.device.reset()
    _check_unconfigured(harness, "after reset")
    harness.configure()
    left = harness.count_spikes()
    if left > IDLE * fired + harness.leaked:
        raise Failed(f"{left} spikes without weights after reset, {fired} before it")


@check(needs.RESUMES)
def state_restores_what_it_was(harness: Harness) -> None:
    """Where info says resumable, a device that is given its state goes on as it would have."""
    depth = min(2, harness.info.capacity.layers)
    stimulus, device = harness.work(depth), harness.device
    _write_random(harness, depth, 1)
    state = {name: np.array(value) for name, value in device.state().items()}
    before = harness.run(stimulus).counts
    _write_random(harness, depth, 2)
    harness.run(stimulus, trial=1)
    harness.configure(depth)
    device.restore(state)
    after = harness.run(stimulus).counts
    apart = int(np.abs(before - after).sum())
    if apart > (0 if harness.info.abilities.deterministic else IDLE * before.sum()):
        raise Failed(f"a run after restore differs by {apart} spikes from the same after state")


@check()
def closing_twice_is_fine(harness: Harness) -> None:
    """A closed device may be closed again, and refuses everything else."""
    device, stimulus = harness.device, harness.drive_all()
    device.close()
    harness.close()
    for what, ask in (
        ("configure", lambda: device.configure(harness.network())),
        ("write_weights", lambda: device.write_weights(0, _random_weights(harness, 1))),
        ("run", lambda: device.run(stimulus)),
        ("reset", device.reset),
    ):
        check_refusal(f"{what} after close", DeviceClosed, ask)


@check()
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


@check(
    needs.FAULTS,
    needs.NEURONS,
    needs.PACE,
    look="_set_faults, and leave out of abilities.faults what it does not do",
)
def faults_act_where_they_are_and_lift(harness: Harness) -> None:
    """Each kind of fault that info lists acts on the neurons that have it, no others, and lifts."""
    harness.clear()
    n, device = harness.neurons, harness.mapped
    harness.write(np.eye(n) * harness.working_share)
    synapses = np.arange(device.network.layers[0] * n)
    bit = max(count_bits(harness.info.weight_format(0)) - 1, 0)
    before = _count_by_neuron(harness)
    unsure = _sum_halves(before).min() / 4 + harness.batch
    for kind in harness.info.abilities.faults:
        where = synapses[synapses % n % 2 == 0] if kind in SYNAPSE_FAULTS else np.arange(0, n, 2)
        place = int(kind not in SYNAPSE_FAULTS)
        device.set_faults([Fault(kind, place, where, EXTREMES.get(kind, 1.0), bit)])
        faulty = _sum_halves(_count_by_neuron(harness) - before)
        device.set_faults([])
        lifted = _sum_halves(_count_by_neuron(harness) - before)
        for broken, how in (
            (faulty[0] <= unsure, "changes nothing where it is"),
            (faulty[1] > unsure, "acts on others, too"),
            (lifted.max() > unsure, "goes on to act when it is lifted"),
        ):
            if broken:
                raise Failed(f"{kind} {how}")


def _count_by_neuron(harness: Harness) -> NDArray[np.float64]:
    spikes: NDArray[np.float64] = harness.run(harness.drive_all()).counts.sum(axis=0, dtype=float)
    return spikes


def _sum_halves(spikes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over even neurons, and over odd ones, how many spikes there are, or are more or less."""
    return np.array([np.abs(spikes[::2]).sum(), np.abs(spikes[1::2]).sum()])


def _check_unconfigured(harness: Harness, when: str) -> None:
    device = harness.device
    check_refusal(f"run {when}", NotConfigured, lambda: device.run(harness.drive_all()))
    weights = _random_weights(harness, 1)
    check_refusal(f"write_weights {when}", NotConfigured, lambda: device.write_weights(0, weights))


def _random_weights(harness: Harness, seed: int) -> NDArray[np.float32]:
    shape = harness.network().layers
    rng = np.random.default_rng(seed)
    return rng.uniform(0, harness.full_scale, shape).astype(np.float32)


def _write_random(harness: Harness, depth: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for projection in range(depth):
        harness.write(rng.uniform(0.02, 1, (harness.neurons, harness.neurons)), projection)
