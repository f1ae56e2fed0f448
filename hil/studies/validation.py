"""What is wrong with a study is said before its first trial."""

from __future__ import annotations

import json
from typing import Any

from drivers import DeviceError, SettingError, driver_of
from hil import config as configuration
from hil.config import Config
from hil.studies import search
from hil.studies.plan import Cell, cells, job, units
from hil.studies.report import sections
from hil.studies.schema import Study, label
from hil.studies.tuning import CompassSearch
from hil.trust import NOBODY, Trust, code_of, fingerprints, open_device


def fitting(study: Study, trust: Trust = NOBODY) -> tuple[Study, dict[str, str]]:
    """A study without the parts that its device has no options for.

    Parts are about non-idealities of chips, most of all. A device whose driver offers numbered
    chips (`chip_option`) emulates them and is asked for every part, so that a misspelt option is
    refused. Of any other device, the parts that it has options for remain.

    Args:
        study: The study.
        trust: Which code it may name.

    Returns:
        The study with what is left, and why each of the other parts is not.

    Raises:
        DeviceError: When nothing is left.
    """
    if driver_of(configuration.build(study.base).device).chip_option:
        return study, {}
    refused: dict[str, DeviceError] = {}
    first = units(study, 1)[0]
    for cell in cells(study):
        config = configuration.build(json.loads(job(study, first, cell.settings)[-1].config))
        emulated = bool(driver_of(config.device).chip_option)
        if cell.part and cell.part not in refused and not emulated:
            try:
                open_device(config, trust).close()
            except SettingError as error:
                refused[cell.part] = error
    left = {name: part for name, part in study.parts.items() if name not in refused}
    if refused and not left:
        raise next(iter(refused.values()))
    reasons = {name: str(error) for name, error in refused.items()}
    return study.model_copy(update={"parts": left}), reasons


def check(study: Study, trust: Trust = NOBODY) -> dict[str, str]:
    """Refuse a study whose settings do not make configurations, or whose devices are not there.

    Args:
        study: The study.
        trust: Which code it may name.

    Returns:
        SHA-256 of each file of code that it names, by name.

    Raises:
        ValueError: Naming what was given and what is allowed.
        DeviceError: When there is no such device.
    """
    if study.search is not None:
        search.check(study.search)
    sections.check(study)
    devices: dict[tuple[str, ...], Config] = {}
    first = units(study, 1)[0]
    chosen = study.tune is not None and study.tune.settings > 1
    for cell in cells(study) if study.search is None else _corners(study):
        tuned = CompassSearch(study, study.tune, cell).options if study.tune else [Cell("", {})]
        for option in tuned:
            for step in job(study, first, cell.settings, option.settings):
                config = configuration.build(json.loads(step.config))
                devices.setdefault((config.device_url, *code_of(config)), config)
                if chosen and not config.training.validation_fraction:
                    raise ValueError(
                        "training.validation_fraction = 0: tuning chooses by validation samples, "
                        "so give them a share"
                    )
    code: dict[str, str] = {}
    for config in devices.values():
        open_device(config, trust).close()
        code |= fingerprints(config)
    return code


def _corners(study: Study) -> list[Cell]:
    """Every level of a search on its own, and both ends of every range."""
    corners = []
    for name, factor in study.factors.items():
        if factor.low is None or factor.high is None:
            drawn: list[dict[str, Any]] = [{name: label(level)} for level in factor.levels]
        else:
            ends = (factor.low, factor.high)
            drawn = [{name: int(end) if factor.whole else end} for end in ends]
        corners += [Cell("", search.chosen(study, params)) for params in drawn]
    return corners
