"""The lab: a user's own names for devices, from one TOML file, and what was noted of them.

The file is the user's and only read here. Notes stand beside it: which devices are out of order in
`FILE.quarantine.json`, what was flashed to them in `FILE.flashed.json`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel

from drivers.errors import DeviceNotFound, nearest
from drivers.files.bounded import check_schema, read_json, read_toml
from drivers.files.writing import write_text

QUARANTINE, FLASHED = "quarantine", "flashed"
VARIABLE = "HIL_LAB"  # of the environment, which names the file
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
Text = Annotated[str, Field(max_length=2000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LabDevice(_Table):
    """A device of the lab."""

    address: Annotated[
        Text, Field(pattern="^[^:?]+:", description="As `--device` takes it; no other name.")
    ]
    firmware: Annotated[Text, Field(description="Port of our firmware, for hil board flash.")] = ""
    calibration: Annotated[Text, Field(description="File of hil calibrate, used with it.")] = ""
    notes: Text = ""
    groups: list[Name] = []
    may_flash: Annotated[list[Text], Field(description="Users that may; empty: all.")] = []
    power: Annotated[Text, Field(description="Command that cuts its power and restores it.")] = ""


class _LabFile(_Table):
    devices: dict[Name, LabDevice] = {}


class _Notes(RootModel[dict[Name, Text]]):
    pass


def lab_file() -> Path:
    """Name the file of the lab: that of the environment, or the one in the user's folder."""
    import platformdirs

    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_config_path("spikeloop") / "lab.toml"


def list_devices() -> dict[str, LabDevice]:
    """List the devices of the lab by name; none where the user has no file.

    Raises:
        FileFormatError: When the file is damaged, or the one that the environment names is missing.
    """
    path = lab_file()
    if VARIABLE not in os.environ and not path.exists():
        return {}
    check_schema(_LabFile, table := read_toml(path), str(path))
    return _LabFile.model_validate(table).devices


def list_boards() -> dict[str, str]:
    """List what follows `board:` in the addresses of boards, by name."""
    addresses = {name: device.address for name, device in list_devices().items()}
    return {n: a.removeprefix("board:") for n, a in addresses.items() if a.startswith("board:")}


def find_device(name: str) -> LabDevice:
    """Find a device by its name.

    Raises:
        DeviceNotFound: When the lab has none of that name.
    """
    devices = list_devices()
    if name not in devices:
        raise DeviceNotFound(
            f"no device {name!r} in {lab_file()}: {nearest(name, devices)}; hil lab scan drafts it"
        )
    return devices[name]


def find_calibration(address: str) -> str:
    """Find the file of a device's calibration; empty where the lab names none."""
    name = find_name(address)
    return find_device(name).calibration if name else ""


def find_name(address: str) -> str:
    """Find the lab's device that an address names, options left aside; empty where it does not."""
    name = address.partition("?")[0]
    return name if ":" not in name and name in list_devices() else ""


def expand_groups(names: Iterable[str]) -> list[str]:
    """Put in place of each group its members, each device once; whatever else stays."""
    devices, expanded = list_devices(), list[str]()
    for name in names:
        members = [each for each, about in devices.items() if name in about.groups]
        expanded += [name] if name in devices or not members else members
    return list(dict.fromkeys(expanded))


# -- notes beside the file -----------------------------------------------------------------------


def list_notes(kind: str) -> dict[str, str]:
    """List what was noted of devices, by name, with its time.

    Args:
        kind: `QUARANTINE`, why a device is out of order; or `FLASHED`, what was flashed to it.

    Raises:
        FileFormatError: When the record is damaged.
    """
    path = _notes_file(kind)
    if not path.exists():
        return {}
    return check_schema(_Notes, read_json(path), str(path))


def add_note(kind: str, address: str, text: str) -> None:
    """Note something of a device, in place of what was noted; of one without a name, nothing.

    Raises:
        OSError: When it cannot be written down.
    """
    if name := find_name(address):
        entry = f"{time.strftime('%Y-%m-%d %H:%M')}: {text[:1900]}"
        _save_notes(kind, {**list_notes(kind), name: entry})


def release(name: str) -> None:
    """Take a device out of quarantine.

    Raises:
        DeviceNotFound: When it is in none.
    """
    notes = list_notes(QUARANTINE)
    if name not in notes:
        raise DeviceNotFound(f"{name!r} is not in quarantine: {nearest(name, notes)}")
    _save_notes(QUARANTINE, {key: entry for key, entry in notes.items() if key != name})


def _save_notes(kind: str, entries: dict[str, str]) -> None:
    write_text(_notes_file(kind), json.dumps(entries, indent=2) + "\n")


def _notes_file(kind: str) -> Path:
    path = lab_file()
    return path.with_name(f"{path.name}.{kind}.json")
