"""Models of other libraries fire on an ideal chip as they do there: see `files/README.md`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivers import Stimulus
from support.nir_models import spikes_on_device

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    ("name", "dt", "device"),
    [
        ("snntorch_leaky", "1e-4", "emulator:ideal"),
        ("snntorch_synaptic", "1e-4", "emulator:ideal?neuron=lif-exp"),
        ("norse_lif_box", "1e-3", "emulator:ideal"),
    ],
)
def test_within_one_spike_of_the_library(name: str, dt: str, device: str) -> None:
    with np.load(FILES / f"{name}.npz") as kept:
        shown, hidden, output = (kept[key] for key in ("shown", "hidden", "output"))
    steps, batch, _ = shown.shape
    on = np.concatenate([shown, np.ones((steps, batch, 1))], axis=2)  # for the biases
    stimulus = Stimulus.spikes(on.reshape(steps * batch, -1), steps=steps)
    found = spikes_on_device(f"{FILES / name}.nir?dt={dt}", device, stimulus, bias=1.0)
    assert hidden.max() >= 7 and output.max() >= 3
    assert np.abs(found[0][:, :-1] - hidden).max() <= 1.01  # the last one stands for the biases
    assert np.abs(found[1] - output).max() <= 1
    assert (found[0][:, -1] >= steps - 3).all()
