"""Starting a run from another one, or from a model of NIR: its settings below what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.errors import FileFormatError
from hil import config as configuration
from hil import tasks
from hil.config import Sections
from hil.exchange import model
from hil.runs.folder import Run

MODEL = ".nir"


def is_model(start: str | Path) -> bool:
    """Whether a run would start from a file of NIR, and not from the folder of a run."""
    file = Path(str(start).partition("?")[0])
    return file.is_file() or (file.suffix == MODEL and not file.is_dir())


def base(start: str | Path, *asked: Mapping[str, Any]) -> Sections:
    """The lowest layer of the configuration of a run that starts from another, or from a model.

    Args:
        start: The other run's folder, or the address of a model.
        asked: The layers that will lie on top. Where one of them names a device, the options and
            the calibration of the other run's own are left out.

    Returns:
        The complete configuration of the other run, its seed included, with it as `start`; or
        what the model says of its network, and of what it is shown.

    Raises:
        ValueError: When it is no run folder and no model, or nobody says which task.
    """
    if is_model(start):
        return _of_model(str(start), configuration.merged(*asked))
    sections = Run.open(start).config().model_dump(mode="json")
    if any("device" in layer for layer in asked):
        del sections["device_options"], sections["network"]["calibration"]
    return {**sections, "start": str(start)}


def _of_model(start: str, asked: Mapping[str, Any]) -> Sections:
    found = model.read_model(start)
    network: Sections = {"hidden": found.hidden, "recurrent": found.is_recurrent}
    network["delays"] = found.delay
    if "steps" in found.notes:
        network["steps"] = found.notes["steps"]
    encoding = {"name": "current", "bias": float(found.has_bias)}
    if "encoding" in found.notes:
        encoding = found.notes["encoding"]
        try:
            configuration.build({"encoding": encoding})
        except ValueError as error:
            raise FileFormatError(f"{found.path}: metadata.encoding: {error}") from None
    sections: Sections = {"start": start, "network": network, "encoding": encoding}
    task = found.notes.get("task")
    if task in tasks.names():
        sections["task"] = task
    elif "task" not in asked:
        raise ValueError(f"{found.path}: does not say which task it is for: name one of hil tasks")
    return sections
