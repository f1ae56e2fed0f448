"""Checks of a study before its first trial."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from drivers import Device, DeviceError, SettingError, StimulusError, UnsupportedProbe, driver_of
from drivers.files.bounded import read_bytes
from drivers.refusals import shorten
from hil import config as configuration
from hil import tasks
from hil.config import Config
from hil.exchange import nir_file
from hil.loop.initialisation import is_model
from hil.loop.session import Session
from hil.sections.trials import Cell
from hil.studies import page
from hil.studies.folder import Sources
from hil.studies.plan import Job, list_cells, list_units, make_cell, make_jobs
from hil.studies.schema import Study, label
from hil.studies.strategies import check_objectives, sampled_levels
from hil.studies.tuning import CompassSearch
from hil.tasks import Data
from hil.trust import code_of, fingerprints, open_device


def leave_out_parts(study: Study) -> tuple[Study, dict[str, str]]:
    """Leave out the parts of a study that its device has no options for.

    Parts are about non-idealities of chips, most of all. A device whose driver offers numbered
    chips (`chip_option`) emulates them and is asked for every part, so that a misspelt option is
    refused. Of any other device, the parts that it has options for remain.

    Args:
        study: The study.

    Returns:
        The study with what is left, and why each of the other parts is not.

    Raises:
        DeviceError: When nothing is left.
    """
    if driver_of(configuration.build(study.base).device).chip_option:
        return study, {}
    refused: dict[str, DeviceError] = {}
    first = list_units(study, 1)[0]
    for cell in list_cells(study):
        config = make_jobs(study, first, cell.settings)[-1].configuration
        emulated = bool(driver_of(config.device).chip_option)
        if cell.part and cell.part not in refused and not emulated:
            try:
                open_device(config).close()
            except SettingError as error:
                refused[cell.part] = error
    left = {name: part for name, part in study.parts.items() if name not in refused}
    if refused and not left:
        raise next(iter(refused.values()))
    reasons = {name: str(error) for name, error in refused.items()}
    return study.model_copy(update={"parts": left}), reasons


def check(study: Study) -> Sources:
    """Refuse a study whose settings do not make trials that its devices can run.

    Each combination of settings is laid on its device once, for the first seed and chip. That a
    device does not take an encoding, or does not show what a rule reads, is for the table to say,
    unless it holds for all trials.

    Args:
        study: The study.

    Returns:
        The code and the data that it names.

    Raises:
        ValueError: Naming what was given and what is allowed.
        DeviceError: When there is no such device.
    """
    if study.search is not None:
        check_objectives(study.search)
    page.check_sections(study)
    devices: dict[tuple[str, ...], dict[str, tuple[Config, Job]]] = {}
    starts: dict[str, str] = {}
    for steps in _jobs(study):
        for step in steps:
            config = step.configuration
            on_one = devices.setdefault((config.device_url, *code_of(config)), {})
            on_one.setdefault(step.key, (config, step))
            starts |= {step.key: step.start} if step.start else {}
    layout = _Layout()
    for jobs in devices.values():
        config, _ = next(iter(jobs.values()))
        with open_device(config) as device:
            for config, step in jobs.values():
                layout.add(device, config, step)
        layout.sources.code.update(fingerprints(config))
        layout.sources.code.update(fingerprint_model(config))
    if layout.unfit and not layout.layers:
        raise layout.unfit[0]
    for key, start in starts.items():
        if {key, start} <= layout.layers.keys() and layout.layers[key] != layout.layers[start]:
            given, wanted = ("-".join(map(str, layout.layers[k])) for k in (start, key))
            raise ValueError(
                f"pretrain trains a {given} network, and {wanted} ones start from it: give both "
                "the same task, encoding and network.hidden"
            )
    return layout.sources


class _Layout:
    """Layouts of trials on their devices.

    Attributes:
        sources: What they take from outside.
        layers: Sizes of the network of each, by its key.
        unfit: Why others do not work on their device.
    """

    def __init__(self) -> None:
        self.sources = Sources()
        self.layers: dict[str, tuple[int, ...]] = {}
        self.unfit: list[ValueError] = []
        self._data: dict[tuple[str, int, float], Data] = {}

    def add(self, device: Device, config: Config, step: Job) -> None:
        """Lay a trial on its device, as training it begins."""
        named = (config.task, config.seed, config.training.validation_fraction)
        if named not in self._data:
            self._data[named] = tasks.load(*named)
        data = self._data[named]
        self.sources.data.setdefault(config.task, data.sha256)
        try:
            session = Session.on_device(device, config, data, step.opened)
        except ValueError as error:
            said = ValueError(f"{shorten(config.device_url)}: {error}")
            if not isinstance(error, StimulusError | UnsupportedProbe):
                raise said from None
            self.unfit.append(said)
        else:
            self.layers[step.key] = session.controller.layers


def fingerprint_model(config: Config) -> dict[str, str]:
    """Take the SHA-256 of the model that a trial starts from, by its name, where there is one."""
    file = Path(config.start.partition("?")[0])
    if not config.start or not is_model(config.start):
        return {}
    return {str(file): sha256(read_bytes(file, nir_file.LARGEST)).hexdigest()}


def _jobs(study: Study) -> Iterator[tuple[Job, ...]]:
    """The jobs of every combination of settings, for the first repetition."""
    first = list_units(study, 1)[0]
    chosen = study.tune is not None and study.tune.settings > 1
    for cell in list_cells(study) if study.search is None else _corners(study):
        tuned = CompassSearch(study, study.tune, cell).options if study.tune else [make_cell({})]
        for option in tuned:
            steps = make_jobs(study, first, cell.settings, option.settings)
            if study.search is not None and len(steps) > 1:
                raise ValueError("mode: a search trains from scratch: leave mode out")
            if chosen and not steps[-1].configuration.training.validation_fraction:
                raise ValueError(
                    "training.validation_fraction = 0: tuning chooses by validation samples, "
                    "so give them a share"
                )
            yield steps


def _corners(study: Study) -> list[Cell]:
    """Every level of a search on its own, and both ends of every range."""
    corners = []
    for name, factor in study.factors.items():
        values: list[Any] = [label(level) for level in factor.levels]
        if factor.low is not None and factor.high is not None:
            values = [int(v) if factor.whole else v for v in (factor.low, factor.high)]
        corners += [make_cell(sampled_levels(study, {name: value})) for value in values]
    return corners
