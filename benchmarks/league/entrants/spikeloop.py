"""This project: a training step in the loop, and the emulated chip alone."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

import drivers
from drivers import Probe, Stimulus
from drivers.registry import with_options
from hil.config import build
from hil.loop.controller import Controller
from hil.tasks.samples import SampleSpec
from league.entrant import Entrant, Ready
from league.network import KAPPA, LEARNING_RATE, Network
from machine_code import wait_for_code

FULL_SCALE = 1.0


def _stimulus(network: Network) -> Stimulus:
    rows = network.raster.reshape(-1, network.layers[0])
    return Stimulus.spikes(csr_matrix(rows, dtype=np.float32), steps=network.steps)


def _spikes(device: drivers.Device, stimulus: Stimulus) -> NDArray[np.bool_]:
    probe = Probe(device.network.depth, "spikes")
    return device.run(stimulus, [probe]).samples[probe].astype(bool)


def trained(rule: str, address: str, network: Network) -> Ready:
    """A step of the controller: run, observe, loss, update, optimiser, write."""
    stimulus = _stimulus(network)
    asked = {
        "device": address,
        "rule": {"name": rule},
        "network": {"hidden": list(network.layers[1:-1]), "steps": network.steps},
        "readout": {"kappa": KAPPA},
        "optimiser": {"learning_rate": LEARNING_RATE, "schedule": "constant"},
        "training": {"batch": network.batch},
    }
    device = drivers.open(with_options(address, {"workers": network.threads}))
    spec = SampleSpec(network.layers[0], network.layers[-1])
    controller = Controller.open(build(asked), device, spec)
    controller.encode = lambda x, rng: stimulus  # all are given spikes; encoding is not timed
    controller.weights = [matrix.copy() for matrix in network.weights]
    controller.write()
    x = np.zeros((network.batch, network.layers[0]), np.float32)
    controller.step(x, network.labels, 0, 0.0)
    wait_for_code()
    return Ready(
        work=lambda: controller.step(x, network.labels, 0, 0.0),
        samples=network.batch,
        spikes=lambda: _spikes(device, stimulus),
        close=device.close,
    )


def emulated(address: str, network: Network) -> Ready:
    """A run of the emulated chip; the output is read."""
    stimulus = _stimulus(network)
    device = drivers.open(with_options(address, {"workers": network.threads}))
    full_scale = [FULL_SCALE] * len(network.weights)
    device.configure(drivers.Network.feed_forward(network.layers, full_scale))
    for projection, matrix in enumerate(network.weights):
        device.write_weights(projection, matrix)
    device.run(stimulus)
    wait_for_code()
    return Ready(
        work=lambda: device.run(stimulus),
        samples=network.batch,
        spikes=lambda: _spikes(device, stimulus),
        close=device.close,
    )


_PACKAGES = ("spikeloop", "brian2")
_OTHER = {"ideal": "", "mixed-signal": "mismatch and noise"}
ENTRANTS = (
    *(
        Entrant(
            f"spikeloop, {rule}, {chip}",
            "training step",
            f"{rule} in the loop on emulator:{chip}, weights written",
            _PACKAGES,
            partial(trained, rule, f"emulator:{chip}"),
            other=_OTHER[chip],
        )
        for rule, chip in (("adfa", "ideal"), ("adfa", "mixed-signal"), ("bptt", "ideal"))
    ),
    *(
        Entrant(
            f"spikeloop, {chip}",
            "emulation",
            f"emulator:{chip}, a batch in one run",
            _PACKAGES,
            partial(emulated, f"emulator:{chip}"),
            other=_OTHER[chip],
        )
        for chip in ("ideal", "mixed-signal")
    ),
)
