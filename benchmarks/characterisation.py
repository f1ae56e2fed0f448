"""Results of `hil characterise` on devices that are known, and the errors of their twins.

    python benchmarks/characterisation.py cells
    python benchmarks/characterisation.py twins ADDRESS...

`cells` surveys the devices of `tests/support/matrix_device.py`, a network of three layers, and
prints the median distance of thresholds over gain, time constants, thresholds and gains from the
truth, the largest of the layers. `twins` prints how far each device's twin is from it, in spikes a
step on held-out weights and inputs, beside an ideal model; the network is 64-200-10, or as large as
the device takes. `counter:` is the example of docs/write_a_driver.md.
"""

from __future__ import annotations

import re
import sys
import tempfile
import types
from itertools import product
from pathlib import Path

import numpy as np

import drivers
from drivers.registry import BUILTIN
from hil.characterisation import characterise
from hil.characterisation.survey import MeasuredNeurons, survey

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.matrix_device import DECAY, OPTIONS, MatrixDevice

ROOT = Path(__file__).parents[1]
LAYERS = (32, 48, 40, 10)
QUANTITIES = ("threshold over gain", "time constant", "threshold", "gain")


def away(device: MatrixDevice, number: int, neurons: MeasuredNeurons) -> list[float]:
    """Median distance of each quantity of a layer from the truth."""
    threshold, gain = device._thresholds[number], device._gains[number]
    assert neurons.time_constant is not None and neurons.readout_gain is not None
    ratio, level = neurons.threshold_over_gain.value, neurons.readout_gain.value
    found = (ratio, neurons.time_constant.value, level, level / ratio)
    truth = (threshold / gain, np.full(threshold.shape, -1e-3 / np.log(DECAY)), threshold, gain)
    return [float(np.median(np.abs(f / t - 1))) for f, t in zip(found, truth, strict=True)]


def cells() -> None:
    """Print a row for each cell."""
    print("\t".join((*OPTIONS, *QUANTITIES)))
    worst = np.zeros(len(QUANTITIES))
    for values in product(*OPTIONS.values()):
        device = MatrixDevice(dict(zip(OPTIONS, values, strict=True)))
        found = survey(device, LAYERS)
        assert not found.differences
        errors = [away(device, i, n) for i, n in enumerate(found.neurons) if n is not None]
        largest = np.max(errors, axis=0)
        worst = np.maximum(worst, largest)
        print("\t".join((*values, *(f"{e:.3f}" for e in largest))), flush=True)
    print("\t".join(("worst", "", "", "", "", *(f"{e:.3f}" for e in worst))))


def twins(addresses: list[str]) -> None:
    """Print a row for each device."""
    print("\t".join(("device", "model", "itself", "twin", "ideal model", "twin over ideal")))
    for address in addresses:
        with drivers.open(address) as device:
            room = device.info.capacity
        layers = (min(64, room.inputs), min(200, room.neurons), min(10, room.neurons))
        with tempfile.TemporaryDirectory() as folder, drivers.open(address) as device:
            record = characterise(device, layers, Path(folder) / "twin.toml")
        errors = {name: error["output"] for name, error in record["rate_error"].items()}
        ratio = errors["twin"] / errors["ideal model"] if errors["ideal model"] else float("nan")
        figures = (*(f"{error:.4f}" for error in errors.values()), f"{ratio:.2f}")
        print("\t".join((address, record["model"]["choice"]["neuron"], *figures)), flush=True)


def plug_in() -> None:
    """Make devices known that stand in no package."""
    page = (ROOT / "docs" / "write_a_driver.md").read_text(encoding="utf-8")
    module = types.ModuleType("counter")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], module.__dict__)
    sys.modules["counter"] = module
    BUILTIN["counter"] = "counter:Counter"
    BUILTIN["integer"] = "support.devices_abroad:IntegerChip"
    BUILTIN["stranger"] = "support.devices_abroad:Stranger"


if __name__ == "__main__":
    plug_in()
    if sys.argv[1] == "cells":
        cells()
    else:
        twins(sys.argv[2:])
