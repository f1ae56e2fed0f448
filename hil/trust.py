"""Code and files of a user's own in a configuration: if they may run, and are as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drivers
from drivers.files.bounded import read_bytes
from hil import encodings, extensions, sections, tasks
from hil.discovery import Catalogue
from hil.extensions import in_force
from hil.learning import gates, rate_estimators, rules
from hil.tasks import own_file

if TYPE_CHECKING:
    from drivers import Device
    from hil.config import Config


def code_of(config: Config) -> tuple[str, ...]:
    """The code that a configuration names, but for what settings of a rule of the user's own name.

    Raises:
        DeviceError: When no driver serves its address.
    """
    parts = [name for _, name in _parts(config) if extensions.is_code(name)]
    return (*drivers.code_of(config.device_url), *parts)


def open_device(config: Config, *, device: str | None = None) -> Device:
    """Open the device of a configuration, if no code has to run for it that nobody trusts.

    Args:
        config: The configuration.
        device: Address of another device, which the user named.

    Raises:
        UntrustedCode: Naming it; nothing has run then.
        DeviceError: When there is no such device.
    """
    if device is None:
        in_force().check(drivers.code_of(config.device_url))
    return drivers.open(device or config.device_url)


def fingerprints(config: Config) -> dict[str, str]:
    """SHA-256 of each file of code that a configuration names, by the name it is given there.

    What an installed package brings goes by its group and name, e.g. `hil.gates:bell`.
    """
    files = {code: Path(code) for code in drivers.code_of(config.device_url)}
    settings = extensions.texts([config.rule_settings, config.encoding_settings])
    for name in (*(name for _, name in _parts(config)), *settings):
        is_trusted = extensions.is_code(name) and in_force().runs(name)
        if is_trusted and (place := extensions.file_of(name)):
            files[name] = place
    inner = [(gates.CATALOGUE, text) for text in extensions.texts(config.rule_settings)]
    for catalogue, name in (*_parts(config), *inner):
        brought = None if name in catalogue.names() else catalogue.list_installed().get(name)
        if brought is not None and (place := extensions.file_of(brought)):
            files[f"{catalogue.group}:{name}"] = place
    return {
        name: sha256(read_bytes(file, extensions.MOST)).hexdigest()
        for name, file in files.items()
        if file.is_file()
    }


def check_unchanged(began: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with other code than a run began with; what a program gives is its own.

    Args:
        began: Fingerprints as the run keeps them.
        now: Fingerprints as they are.

    Raises:
        ValueError: Naming the file.
    """
    for name, digest in now.items():
        if name not in in_force().given and began.get(name, digest) != digest:
            raise ValueError(
                f"{name} was changed since this began (SHA-256 {began[name][:12]}... then, "
                f"{digest[:12]}... now): put it back, or begin anew with it in another --out"
            )


def _parts(config: Config) -> Iterator[tuple[Catalogue[Any], str]]:
    """List the names in a configuration, each with its catalogue."""
    if own_file.parse_address(config.task) is None:
        yield tasks.CATALOGUE, config.task
    yield rules.CATALOGUE, config.rule["name"]
    if config.rule["name"] in rules.names():  # texts of others need not be names of gates
        # A model is a device, whose code is looked for when it is opened.
        inner = {name: value for name, value in config.rule_settings.items() if name != "model"}
        yield from ((gates.CATALOGUE, text) for text in extensions.texts(inner))
    yield encodings.CATALOGUE, config.encoding["name"]
    yield rate_estimators.CATALOGUE, config.activity.estimator
    yield from ((sections.CATALOGUE, name) for name in config.report.sections)
