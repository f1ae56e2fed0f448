"""From the file of a study, a budget and what is asked for, to the complete study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from drivers import FileFormatError, lab, nearest
from drivers.errors import shorten
from drivers.files.bounded import read_toml
from hil.config import Sections, merge_layers
from hil.studies.schema import VERSION, Factor, Study, check_factor_name
from hil.validation import validate_values

BUDGET = "default"
# Of a network that trials start from.
SHARED = ("hidden", "recurrent", "delays", "steps", "settings", "full_scale")
MOST_TRIALS = 50_000  # trials of a study, which a journal holds
WORDS = {"title", "question", "about", "phrase", "unit", "label"}  # keys of what people read
BUILTIN = Path(__file__).parent / "builtin"


def names() -> list[str]:
    """Names of the studies that come with the package, sorted."""
    return sorted(path.stem for path in BUILTIN.glob("*.toml"))


def read(name: str | Path) -> Sections:
    """A study as it stands in its file.

    Args:
        name: One of `names()`, or a file that ends in `.toml`.

    Raises:
        ValueError: When there is none, or it is no TOML, or of another version.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
    elif str(name) in names():
        path = BUILTIN / f"{name}.toml"
    else:
        raise ValueError(
            f"no study {shorten(repr(str(name)))}: {nearest(str(name), [*names(), 'FILE.toml'])}"
        )
    try:
        sections = read_toml(path)
    except FileFormatError as error:
        raise ValueError(f"study {error}") from None
    version = sections.get("version")
    if type(version) is not int or version != VERSION:
        version_text = (
            "has no version" if version is None else f"is of version {shorten(repr(version))}"
        )
        raise ValueError(f"study {path} {version_text}: this spikeloop reads version = {VERSION}")
    return sections


def build(
    sections: Mapping[str, Any],
    *,
    budget: str = BUDGET,
    task: str | None = None,
    device: str | None = None,
    rule: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Study:
    """Validate a study, with a budget and what was asked for on top.

    Args:
        sections: The study, as read.
        budget: Which of its budgets; `default` changes nothing unless the file says so.
        task: Task of every trial, where given.
        device: Device of every trial, where given. A factor of tasks or of devices is then left
            with that one level, unless it is open.
        rule: One more level of the factor of rules, where given.
        changes: Settings of every trial, or parts of the study such as `repeat`.

    Returns:
        The complete study, without budgets.

    Raises:
        ValueError: One line that says what was given and what is allowed.
    """
    budgets = sections.get("budgets", {})
    if budget not in {BUDGET, *budgets}:
        raise ValueError(f"budget {budget!r}: {nearest(budget, {BUDGET, *budgets})}")
    # The file by itself first, so that what is wrong with it is not put down to a change.
    plain = validate_values(Study, sections, what="study")
    result = merge_layers(sections, budgets.get(budget, {}), _by_owner(plain, changes or {}))
    for key, value in (("task", task), ("device", device)):
        if value is not None:
            result = merge_layers(result, {"base": {key: value}})
            for factor in _factors_in(result):
                if factor.get("key") == key:
                    own = [*factor["levels"]] if factor.get("open") else []
                    factor["levels"] = [*own, *([] if value in own else [value])]
    if rule is not None:
        rules = [factor for factor in _factors_in(result) if factor.get("key") == "rule.name"]
        if not rules:
            raise ValueError(f"--rule {rule}: the study compares no rules: give --set rule.name")
        for factor in rules:
            factor["levels"] = [*factor["levels"], rule]
    complete = validate_values(Study, _with_absolute_paths({**result, "budgets": {}}), what="study")
    devices = tuple(lab.expand_groups(complete.repeat.devices))
    complete = complete.model_copy(
        update={"repeat": complete.repeat.model_copy(update={"devices": devices})}
    )
    if (trials := _count_trials(complete)) > MOST_TRIALS:
        raise ValueError(
            f"study of {trials:.3g} trials: give fewer levels or repetitions, for "
            f"{MOST_TRIALS} at most"
        )
    return complete


def start_from(study: Study, start: str | Path) -> Study:
    """Let the trials of a study start from a run or a model, and train none for it.

    Its network, what that is shown, and the settings that a model chooses on the device of
    `pretrain` are those of every trial. Where devices are compared, each reads a model for itself.

    Args:
        study: The study.
        start: Run folder, or address of a model.

    Raises:
        ValueError: When no trial starts from another network, or it does not fit.
        DeviceError: When there is no such device.
    """
    from hil.loop.initialisation import is_model, start_settings
    from hil.loop.session import resolve_config
    from hil.studies.plan import list_cells, list_units, make_jobs

    first = list_units(study, 1)[0]
    if not any(len(make_jobs(study, first, cell.settings)) > 1 for cell in list_cells(study)):
        raise ValueError(
            f"--from {start}: no trial of the study {study.name} starts from another network: "
            "leave it out"
        )
    file, mark, query = str(start).partition("?")
    start = f"{Path(file).absolute()}{mark}{query}"
    of_devices = any(f.key == "device" for _, own in study.families() for f in own.values())
    alone = of_devices and is_model(start)
    pretrain = {**({} if alone else study.pretrain), "start": start}
    given = start_settings(start, study.base)
    network = {key: given["network"][key] for key in SHARED if key in given["network"]}
    own: Sections = {"network": network, "encoding": given["encoding"]}
    if "task" in given:
        own["task"] = given["task"]
    if alone:
        return study.model_copy(
            update={"base": merge_layers(study.base, own), "pretrain": pretrain}
        )
    config = resolve_config(merge_layers(study.base, own, pretrain))
    network = {key: config.model_dump(mode="json")["network"][key] for key in SHARED}
    base = merge_layers(study.base, own, {"encoding": config.encoding, "network": network})
    return study.model_copy(update={"base": base, "pretrain": pretrain})


def _count_trials(study: Study) -> int:
    """Count the trials that a study has at most."""
    if (search := study.search) is not None:
        return 2 * search.population * search.generations * search.repeats + 3 * search.confirm

    def combinations(factors: Mapping[str, Factor]) -> int:
        return prod(len(factor.levels) for factor in factors.values())

    parts = [part.factors for part in study.parts.values()] or [{}]
    cells = combinations(study.factors) * sum(combinations(own) for own in parts)
    tuned = study.tune.settings * study.tune.times if study.tune else 0
    return cells * (2 * study.repeat.times + tuned)  # each may start from one of its own


def _with_absolute_paths(value: Any, key: str = "") -> Any:
    """With what lies in files by absolute paths, so that a study goes on from anywhere."""
    from hil import extensions, tasks

    if isinstance(value, Mapping):
        own = {name: _with_absolute_paths(item, name) for name, item in value.items()}
        if own.get("key") == "task" and isinstance(own.get("levels"), Sequence):
            own["levels"] = [_with_absolute_paths(level, "task") for level in own["levels"]]
        return own
    if isinstance(value, list | tuple):
        return [_with_absolute_paths(item) for item in value]
    if not isinstance(value, str) or key in WORDS:
        return value
    return (
        tasks.make_name_absolute(value) if key == "task" else extensions.make_name_absolute(value)
    )


def _factors_in(sections: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = [sections, *sections.get("parts", {}).values()]
    return [factor for part in parts for factor in part.get("factors", {}).values()]


def _by_owner(study: Study, changes: Mapping[str, Any]) -> Sections:
    """Changes of the study itself, with those of its trials below `base`."""
    own = {key: value for key, value in changes.items() if key in Study.model_fields}
    base = {key: value for key, value in changes.items() if key not in own}
    for where, factors in study.families():
        given = _look_up(own, where)
        for name in given if isinstance(given, Mapping) else ():
            check_factor_name(name, factors, where)
        if where == "tune.factors":
            continue
        for name, factor in factors.items():
            if factor.key and _look_up(base, factor.key) is not None:
                raise ValueError(
                    f"--set {factor.key}: the study varies it: set {where}.{name}.levels=[...]"
                )
    for name in own.get("parts", {}) if isinstance(own.get("parts"), Mapping) else ():
        if name not in study.parts:
            raise ValueError(f"parts: no part {name!r}: {nearest(name, study.parts)}")
    return merge_layers({"base": base}, own) if base else own


def _look_up(sections: Any, key: str) -> Any:
    """Look up a setting by its dotted key; None where there is none."""
    for name in key.split("."):
        sections = sections.get(name) if isinstance(sections, Mapping) else None
    return sections
