"""The tables and the page of a finished study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from shlex import quote
from typing import Any

from drivers import nearest
from drivers.files.writing import write_text
from hil import config as configuration
from hil import sections
from hil.reports import rendering
from hil.reports.run_facts import format_setting
from hil.runs.records import environment
from hil.sections import PageSection, SectionKind, SectionSettings, Table, words
from hil.sections.comparisons import find_extremes
from hil.sections.trials import MEASURES, Level, Row, Rows, Trials, estimate, group_by_level
from hil.statistics import FEWEST
from hil.studies.folder import (
    BEST,
    REPORT,
    RESULT,
    STUDY,
    TIMES_TABLE,
    TRIALS,
    StudyFolder,
    times_csv,
    trials_csv,
)
from hil.studies.plan import flatten, nest, read_level, tabulate
from hil.studies.schema import Study, Tune, check_factor_name, is_named
from hil.studies.search_page import search_sections
from hil.studies.strategies import SearchResult, Tuned
from hil.studies.tuning import CompassSearch, is_numeric
from hil.validation import validate_values

ANSWERS = 4  # sentences of the answer
VALUES = 8  # values of a setting that are named
NONE = "-"  # of a setting that the rule does not have
Maker = tuple[str, Callable[[], PageSection | None]]
"""The name of a section, and what makes it."""
Line = tuple[str, str]


def write_grid(folder: StudyFolder, rows: Rows, tuned: Tuned) -> dict[str, Any]:
    """Write the tables and the page of a study of combinations.

    Args:
        folder: Its folder.
        rows: Its trials.
        tuned: How settings were tuned, where they were.

    Returns:
        The result, as in `result.json`.
    """
    study = folder.study
    _write_tables(folder, rows)
    makers = make_sections(study, rows)
    if study.tune:
        makers.append((_tuning_title(tuned), partial(_tuning_section, study.tune, tuned)))
    return _write(folder, rows, makers)


def write_search(folder: StudyFolder, result: SearchResult) -> dict[str, Any]:
    """Write the tables and the page of a search, and its best settings as a configuration.

    Args:
        folder: Its folder.
        result: Its trials.

    Returns:
        The result, as in `result.json`.
    """
    rows = [*result.search_rows, *result.confirmation]
    stages = [f"{arm.sampler}-{arm.repeat}" for arm in result.arms for _ in arm.rows]
    _write_tables(folder, rows, [*stages, *("confirm" for _ in result.confirmation)])
    best = configuration.build(result.best_settings(folder.study))
    write_text(folder.path / BEST, configuration.dump(best))
    return _write(folder, rows, search_sections(folder.study, folder.path / BEST, result))


def _write_tables(folder: StudyFolder, rows: Rows, parts: Sequence[str] | None = None) -> None:
    """Write what no page is needed for, before there is any."""
    factors = [*folder.study.names(), *(["settings"] if folder.study.search else [])]
    write_text(folder.path / TRIALS, trials_csv(rows, factors, parts))
    write_text(folder.path / TIMES_TABLE, times_csv(rows))


def _write(folder: StudyFolder, rows: Rows, makers: Sequence[Maker]) -> dict[str, Any]:
    """Write result and page; a part of the page that fails is noted in its place."""
    study, attempts = folder.study, rendering.Attempts()
    all_sections = [attempts.make_section(*maker) for maker in (*makers, *_plan_counts(rows))]
    content = [attempts.draw_section(section) for section in all_sections if section is not None]
    claims = [claim for section, _ in content for claim in section.claims]
    parts = [section for section, _ in content]
    answer = attempts.make("answer", lambda: _answer(study, rows, parts)) or []
    result: dict[str, Any] = {
        "study": study.name,
        "folder": str(folder.path),
        "trials": len(rows),
        "failed": sum("error" in row.outcome for row in rows),
        "left_out": dict(folder.left_out),
        "seconds": sum(row.measure("seconds") or 0.0 for row in rows),
        "answer": answer,
        "claims": [str(claim) for claim in claims if claim.is_supported],
        "not_told": [str(claim) for claim in claims if not claim.is_supported],
        "sections": _data_by_title(parts),
        "not_shown": list(attempts.failed),
        "table": str(folder.path / TRIALS),
        "page": str(folder.path / REPORT),
    }
    write_text(folder.path / RESULT, json.dumps(result, indent=2, default=str) + "\n")
    rendering.write_page(
        folder.path / REPORT,
        "study.html.j2",
        attempts,
        study=study,
        result=result,
        content=content,
        claims=claims,
        settings=attempts.make("settings of the trials", lambda: compare_settings(study, rows)),
        pretrain=flatten(study.pretrain) if _starts_from_networks(study, rows) else [],
        bounds=words.read_note("bounds"),
        factors=_tabulate_factors(study),
        smallest=_count_smallest_group(study, rows),
        fewest=FEWEST,
        environment=environment(),
        again=f"hil study {quote(str(folder.path / STUDY))} --out {quote(f'{folder.path}-again')}",
    )
    return {**result, "not_shown": list(attempts.failed)}


def _answer(study: Study, rows: Rows, content: Sequence[PageSection]) -> list[str]:
    """Answer the question of a study, with a sentence for each section that answers it."""
    if not study.search and study.repeat.times < FEWEST:
        return [
            f"The study is too small for an answer: {study.repeat.times} repetition"
            f"{'s' if study.repeat.times > 1 else ''}, at least {FEWEST} are needed."
        ]
    texts = [section.answer for section in content if section.answer]
    if not texts and not study.search:
        texts = [find_extremes(tabulate(study, rows), _list_factors(study), "test_accuracy")]
    return [words.make_sentence(text) for text in texts[:ANSWERS] if text]


def _data_by_title(content: Sequence[PageSection]) -> dict[str, Any]:
    """The numbers of each section; a title that is there already is numbered."""
    data: dict[str, Any] = {}
    for section in content:
        if section.data:
            again = sum(title.split(" (")[0] == section.title for title in data)
            data[f"{section.title} ({again + 1})" if again else section.title] = section.data
    return data


def _plan_counts(rows: Rows) -> list[Maker]:
    """Plan sections that count the trials with each finding, device and error."""
    outcomes = [row.outcome for row in rows]
    signs = [sign for outcome in outcomes for sign in outcome.get("findings", ())]
    without = [o["passed_over"] for o in outcomes if o.get("passed_over")]
    devices = [row.device for row in rows if row.device and "error" not in row.outcome]
    counts = {
        "What the host noticed": ("noticed", "sign", signs),
        "Which devices served": ("served", "device", devices + [f"without {w}" for w in without]),
        "Trials that did not work": (
            "errors",
            "reason",
            [outcome["error"] for outcome in outcomes if "error" in outcome],
        ),
    }
    return [(title, partial(_tabulate_counts, title, *of)) for title, of in counts.items() if of[2]]


def _tabulate_counts(title: str, note: str, header: str, names: Sequence[str]) -> PageSection:
    rows = [(name, str(count)) for name, count in Counter(sorted(names)).most_common()]
    return PageSection(title, words.read_note(note), tables=[Table("", (header, "trials"), rows)])


def _tabulate_factors(study: Study) -> Table:
    """Tabulate place, name, meaning and levels of each factor."""
    lines = []
    for where, factors in study.families():
        for name, factor in factors.items():
            if factor.low is None or factor.high is None:
                text = "; ".join(read_level(name, factor, v).display for v in factor.levels)
            else:
                scale = " (logarithmic)" if factor.log else ""
                text = f"{factor.low:g} to {factor.high:g} {factor.unit}".rstrip() + scale
            about = factor.about or name.replace("_", " ")
            lines.append((where.removesuffix(".factors"), name, about, text))
    return Table("Factors", ("where", "factor", "what it is", "levels"), lines)


def _starts_from_networks(study: Study, rows: Rows) -> bool:
    """Tell if there are trials that start from a network of the study."""
    usual = study.base.get("mode", "scratch")
    return any(row.cell.settings.get("mode", usual) != "scratch" for row in rows)


def _count_smallest_group(study: Study, rows: Rows) -> int:
    """Units of the combination that has fewest, among those that work at all."""
    table = Trials(rows if not study.search else ())
    groups = table.group(["part", *study.names()]).values()
    means = [estimate(group, "test_accuracy") for group in groups]
    return min((mean.units for mean in means if mean is not None), default=0)


# -- sections of a study -------------------------------------------------------------------------


def _list_factors(study: Study) -> list[str]:
    return [*(["part"] if study.parts else []), *study.names()]


def list_sections(study: Study) -> list[Mapping[str, Any]]:
    """The sections of a study; a table of means where it names none."""
    return list(study.sections) or [{"kind": "means", "by": _list_factors(study)}]


def check_sections(study: Study) -> None:
    """Refuse sections that do not exist, or are about factors that do not.

    Raises:
        ValueError: Naming the nearest.
    """
    for section in list_sections(study):
        _read_settings(section, study)


def make_sections(study: Study, rows: Rows) -> list[Maker]:
    """Plan each section of a study, with its name.

    Args:
        study: The study.
        rows: Its table.
    """
    return [
        (str(section.get("title") or section["kind"]), partial(_build, section, study, rows))
        for section in list_sections(study)
    ]


def _build(section: Mapping[str, Any], study: Study, rows: Rows) -> PageSection | None:
    kind, settings = _read_settings(section, study)
    content = kind.build(_without_constant_factors(settings, rows), tabulate(study, rows))
    if content is None:
        return None
    others_answer = any(other.get("answer") for other in list_sections(study))
    return replace(
        content,
        title=settings.title or content.title,
        note=settings.note or content.note,
        answer="" if others_answer and not settings.answer else content.answer,
    )


def _without_constant_factors(settings: SectionSettings, rows: Rows) -> SectionSettings:
    """The settings without factors of a single level, which group nothing; one is always left."""
    changed = {}
    for key in ("by", "lines"):
        if names := getattr(settings, key, ()):
            changed[key] = tuple(n for n in names if len(group_by_level(rows, n)) > 1) or names[:1]
    return settings.model_copy(update=changed)


def _read_settings(section: Mapping[str, Any], study: Study) -> tuple[SectionKind, Any]:
    entries = dict(section)
    name = entries.pop("kind", None)
    if not isinstance(name, str):
        names = ", ".join(sections.names("study"))
        raise ValueError(f"sections: kind = {name!r}: give one of {names}")
    kind, where = sections.get(name), f"sections ({name})"
    if kind.page != "study":
        raise ValueError(f"{where}: is a section of the page of a run: give one of a study")
    settings = validate_values(kind.settings, entries, what="study", where=where, others=("kind",))
    factors = ["part", *study.names()]
    for key, value in settings:
        if key in ("factor", "severity", "x", "y", "by", "lines"):
            for factor in (value,) if isinstance(value, str) else value:
                check_factor_name(factor, factors, f"{where}.{key}")
        if key == "parts":
            for part in value:
                if part not in study.parts:
                    raise ValueError(
                        f"{where}.parts: no part {part!r}: {nearest(part, study.parts)}"
                    )
        if key in ("measure", "against") and value not in MEASURES:
            raise ValueError(f"{where}.{key}: no measure {value!r}: {nearest(value, MEASURES)}")
    return kind, settings


# -- settings ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SettingsUsed:
    """Settings of all trials, as they were run, as text by their dotted keys.

    Attributes:
        of_study: Those that the study names and that are the same in every trial.
        varying: Those that are not the same in every trial, with their values.
        others: All others, the same in every trial.
    """

    of_study: list[Line]
    varying: list[Line]
    others: list[Line]


def compare_settings(study: Study, rows: Rows) -> SettingsUsed:
    """Compare the complete configurations of the trials."""
    configurations = [_settings_of(row) for row in rows]
    values: dict[str, dict[str, None]] = {}
    for settings in configurations:
        for key, text in settings.items():
            values.setdefault(key, {})[text] = None
    named, used = _list_named_settings(study), SettingsUsed([], [], [])
    for key, texts in values.items():
        partial_key = any(key not in settings for settings in configurations)
        first, *others = texts
        if others or partial_key:
            more = f"; … ({len(texts)} in all)" if len(texts) > VALUES else ""
            rest = " (of trials that have it)" if partial_key else ""
            used.varying.append((key, f"{'; '.join([*texts][:VALUES])}{more}{rest}"))
        else:
            (used.of_study if key in named else used.others).append((key, first))
    return used


def _settings_of(row: Row) -> dict[str, str]:
    """The complete configuration of a trial, with what the device chose of it."""
    settings = flatten(json.loads(row.config or "{}"))
    lines = (*settings, *row.outcome.get("chosen", {}).items())
    return {key: "none" if value is None else format_setting(value) for key, value in lines}


def _list_named_settings(study: Study) -> set[str]:
    """Keys of the settings that the study names."""
    layers: list[Mapping[str, Any]] = [study.base, *(part.set for part in study.parts.values())]
    for _, factors in study.families():
        for factor in factors.values():
            layers += [
                level.get("set", {}) if is_named(level) else nest(factor.key, level)
                for level in factor.levels
            ]
    return {key for layer in layers for key, _ in flatten(layer)}


def _tuning_title(tuned: Tuned) -> str:
    """The title of the section: nothing is tuned where there is one candidate."""
    return "Tuned settings" if any(s.tried for s in tuned.values()) else "Given settings"


def _tuning_section(tuning: Tune, tuned: Tuned) -> PageSection:
    """Show budget, grid and choice of each combination."""
    title = _tuning_title(tuned)
    names = {
        name: factor.about or name.replace("_", " ") for name, factor in tuning.factors.items()
    }
    if title == "Given settings":
        levels: dict[str, Level] = {}
        for result in tuned.values():
            levels |= result.best.levels
        labels = [level.display for level in levels.values()]
        table = Table("", [names[name] for name in levels], [labels])
        return PageSection(
            title, words.read_note("not_tuned"), tables=[table], data={"given": labels}
        )
    header = [*tuning.by]
    for about in names.values():
        header += [about, "tried"]
    rows = []
    for kind, result in tuned.items():
        row, scores = [*kind], result.tried.values()
        for name in names:
            options, best = _list_tried(result, name), result.best.levels.get(name)
            edge = best in options[:1] + options[-1:] and is_numeric(tuning.factors[name])
            row += [
                NONE if best is None else f"{best.display} (edge)" if edge else best.display,
                ", ".join(level.text for level in options) or NONE,
            ]
        row += [f"{100 * score:.1f}" for score in (max(scores), min(scores))]
        rows.append([*row, str(len(result.options))])
    tried_settings = [
        [*kind, {name: level.text for name, level in option.levels.items()}, score]
        for kind, result in tuned.items()
        for option, score in zip(result.options, result.tried.values(), strict=True)
    ]
    return PageSection(
        title,
        words.read_note(
            "tuning",
            settings=tuning.settings,
            times=tuning.times,
            lengths=f"{100 * tuning.epochs:.0f} % of its epochs"
            if tuning.epochs < 1
            else "its epochs",
            trainings=len(tried_settings) * tuning.times,
        ),
        tables=[Table("", [*header, "best, %", "worst, %", "settings"], rows)],
        data={"chosen": rows, "tried": tried_settings},
    )


def _list_tried(result: CompassSearch, name: str) -> list[Level]:
    """The levels of a factor that were tried, those of numbers in their order."""
    levels = [option.levels[name] for option in result.options if name in option.levels]
    return sorted(dict.fromkeys(levels), key=lambda level: level.value or 0.0)
