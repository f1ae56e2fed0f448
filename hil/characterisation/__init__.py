"""Measuring a device through its contract alone, and writing its twin, a chip file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.characterisation import prediction, twin
from hil.characterisation import record as records
from hil.characterisation.model_choice import selection
from hil.characterisation.prediction import RateError
from hil.characterisation.survey import DEVICE_STAGES, LAYER_STAGES, Watch, survey, unwatched

__all__ = ["characterise", "stages"]


def stages(layers: Sequence[int]) -> int:
    """How often `characterise` calls its watcher, for a network of these layers."""
    models = len(twin.MODELS) + selection.REFINED
    return LAYER_STAGES * (len(layers) - 1) + DEVICE_STAGES + models + 4


def characterise(
    url: str,
    layers: Sequence[int],
    path: Path,
    watch: Watch = unwatched,
    session: str | Path | None = None,
) -> dict[str, Any]:
    """Measure a device, write its twin, and say how well the twin predicts the device.

    Args:
        url: Address of the device.
        layers: Sizes of the network to map on it, the input first.
        path: The twin, a `.toml`; its arrays (`.npz`) and the record (`.json`) lie beside it.
        watch: Called with the name of each measurement before it starts.
        session: File to record the session with the device to.

    Returns:
        The record, as in the `.json` file.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
        ValueError: For a path that does not end in `.toml`.
        OSError: When the folder cannot be written.
    """
    import drivers

    if path.suffix != ".toml":
        raise ValueError(f"twin {path}: give a name that ends in .toml")
    sizes = tuple(layers)
    with drivers.open(url, record=session) as device:
        surveyed = survey(device, sizes, watch=watch)
        selected = selection.choose(device, surveyed, watch)
        twin.write(surveyed, path, selected.choice, selected.storage)
        watch("prediction: the device itself")
        shown = prediction.drawn(device, sizes)
        prediction.configure(device, shown)
        measured, _ = prediction.answer(device, shown)
        again, _ = prediction.answer(device, shown, trial=1)
    errors: dict[str, RateError] = {"device itself": prediction.error(again, measured)}
    ideal = f"emulator:ideal?neuron=lif&reset={surveyed.reset}&dt={surveyed.dt}"
    for name, address in (("twin", f"emulator:{path}"), ("ideal model", ideal)):
        watch(f"prediction: {name}")
        with drivers.open(address) as model:
            predicted = prediction.foreseen(model, shown, trial=2)
            errors[name] = prediction.error(predicted, measured)
    record = {
        **records.of(surveyed),
        "model": asdict(selected),
        "rate_error": {name: asdict(error) for name, error in errors.items()},
        "twin": str(path),
    }
    records.save(record, path.with_suffix(".json"))
    return record
