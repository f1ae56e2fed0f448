"""Measuring a device through its contract alone, and writing its twin, a chip file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.characterisation import model_choice, prediction, twin
from hil.characterisation.prediction import RateError
from hil.characterisation.record import describe_verdict, summarise_survey, tabulate
from hil.characterisation.survey import DEVICE_STAGES, LAYER_STAGES, Watch, ignore_stage, survey

__all__ = ["characterise", "count_stages", "describe_verdict", "tabulate"]


def count_stages(layers: Sequence[int]) -> int:
    """Count how often `characterise` calls its watcher, for a network of these layers."""
    models = len(twin.MODELS) + model_choice.REFINED
    return LAYER_STAGES * (len(layers) - 1) + DEVICE_STAGES + models + 4


def characterise(
    url: str,
    layers: Sequence[int],
    path: Path,
    watch: Watch = ignore_stage,
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
    from drivers.files.writing import write_text

    twin.check_path(path)
    sizes = tuple(layers)
    with drivers.open(url, record=session) as device:
        surveyed = survey(device, sizes, watch=watch)
        selected = model_choice.choose_model(device, surveyed, watch)
        twin.write(surveyed, path, selected.choice, selected.storage)
        watch("prediction: the device itself")
        held_out = prediction.draw_prediction_set(device, sizes)
        prediction.map_network(device, held_out)
        measured, _ = prediction.measure_rates(device, held_out)
        again, _ = prediction.measure_rates(device, held_out, trial=1)
    errors: dict[str, RateError] = {"device itself": prediction.compare_rates(again, measured)}
    ideal = f"emulator:ideal?neuron=lif&reset={surveyed.reset}&dt={surveyed.dt}"
    for name, address in (("twin", f"emulator:{path}"), ("ideal model", ideal)):
        watch(f"prediction: {name}")
        with drivers.open(address) as model:
            predicted = prediction.predict_rates(model, held_out, trial=2)
            errors[name] = prediction.compare_rates(predicted, measured)
    record = {
        **summarise_survey(surveyed),
        "model": asdict(selected),
        "rate_error": {name: asdict(error) for name, error in errors.items()},
        "twin": str(path),
    }
    write_text(path.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    return record
