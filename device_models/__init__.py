"""Emulated spiking chips: Brian2 neurons with mismatch, noise and a readout.

Usable alone, without the rest of the project:

    from device_models import Chip, RecordingRequest, neurons, profiles

    chip = Chip(neurons.get("lif"), profiles.get("mixed-signal").nonidealities, seed=7)
    chip.configure([64, 100, 10], full_scale=[0.5, 0.5])
    chip.write(0, weights)
    counts, [membranes] = chip.run(
        currents, steps=20, batch=100, requests=[RecordingRequest(0, "membrane")]
    )

`neurons` and `profiles` hold one file for each neuron model and each named chip, `nonidealities`
what may be imperfect about a chip. `profiles.read` reads a chip of one's own.
"""

from device_models.chip import Chip, RecordingRequest
from device_models.engine.circuit import NominalProjection

__all__ = ["Chip", "NominalProjection", "RecordingRequest"]
