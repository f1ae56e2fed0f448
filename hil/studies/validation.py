"""Checks of a study before its first trial."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from drivers import DeviceError, SettingError, StimulusError, UnsupportedProbe, driver_of
from drivers.errors import shorten
from drivers.files.bounded import read_bytes
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
from hil.studies.strategies import check_objectives, read_sampled_levels
from hil.studies.tuning import CompassSearch
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
    refusals: dict[str, DeviceError] = {}
    first = list_units(study, 1)[0]
    for cell in list_cells(study):
        config = make_jobs(study, first, cell.settings)[-1].configuration
        emulated = bool(driver_of(config.device).chip_option)
        if cell.part and cell.part not in refusals and not emulated:
            try:
                open_device(config).close()
            except SettingError as error:
                refusals[cell.part] = error
    left = {name: part for name, part in study.parts.items() if name not in refusals}
    if refusals and not left:
        raise next(iter(refusals.values()))
    reasons = {name: str(error) for name, error in refusals.items()}
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
    steps = {step.key: step for steps in _jobs(study) for step in steps}
    # By device; what differs in the optimiser alone is laid on it alike.
    devices: dict[tuple[str, ...], dict[str, tuple[Config, list[Job]]]] = {}
    for step in steps.values():
        config = step.configuration
        alike = devices.setdefault((config.device_url, *code_of(config)), {})
        about = config.model_dump_json(exclude={"optimiser"}) + str(step.open_settings)
        alike.setdefault(about, (config, []))[1].append(step)
    sources, load = Sources(), cache(tasks.load)
    layers: dict[str, tuple[int, ...]] = {}
    unfit: list[ValueError] = []
    for alike in devices.values():
        with open_device(next(iter(alike.values()))[0]) as device:
            for config, jobs in alike.values():
                data = load(config.task, config.seed, config.training.validation_fraction)
                if data.is_real:
                    raise ValueError(
                        f"task {config.task}: its targets are real numbers, and a study compares "
                        "accuracies: train it with hil train"
                    )
                sources.data.setdefault(config.task, data.sha256)
                try:
                    session = Session.on_device(device, config, data, jobs[0].open_settings)
                    layers |= dict.fromkeys((job.key for job in jobs), session.controller.layers)
                    session.close()
                except ValueError as error:
                    unfit.append(ValueError(f"{shorten(config.device_url)}: {error}"))
                    if not isinstance(error, StimulusError | UnsupportedProbe):
                        raise unfit[-1] from None
        sources.code.update(fingerprints(config) | fingerprint_model(config))
    if unfit and not layers:
        raise unfit[0]
    for key, step in steps.items():
        _check_start(layers.get(step.start), layers.get(key))
    return sources


def _check_start(given: Sequence[int] | None, wanted: Sequence[int] | None) -> None:
    """Refuse a network that trials of other sizes start from."""
    if given and wanted and given != wanted:
        sizes = ["-".join(map(str, layers)) for layers in (given, wanted)]
        raise ValueError(
            f"pretrain trains a {sizes[0]} network, and {sizes[1]} ones start from it: give both "
            "the same task, encoding and network.hidden"
        )


def fingerprint_model(config: Config) -> dict[str, str]:
    """Take the SHA-256 of the model that a trial starts from, by its name, where there is one."""
    file = Path(config.start.partition("?")[0])
    if not config.start or not is_model(config.start):
        return {}
    return {str(file): sha256(read_bytes(file, nir_file.LARGEST)).hexdigest()}


def _jobs(study: Study) -> Iterator[tuple[Job, ...]]:
    """The jobs of every combination of settings, for the first repetition."""
    first = list_units(study, 1)[0]
    is_tuned = study.tune is not None and study.tune.settings > 1
    for cell in list_cells(study) if study.search is None else _corners(study):
        options = CompassSearch(study, study.tune, cell).options if study.tune else [make_cell({})]
        for option in options:
            steps = make_jobs(study, first, cell.settings, option.settings)
            if study.search is not None and len(steps) > 1:
                raise ValueError("mode: a search trains from scratch: leave mode out")
            config = json.loads(steps[-1].config)
            if is_tuned and not config["training"]["validation_fraction"]:
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
        corners += [make_cell(read_sampled_levels(study, {name: value})) for value in values]
    return corners
