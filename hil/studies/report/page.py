"""The tables and the page of a finished study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from shlex import quote
from typing import Any

from drivers.files.writing import write_text
from hil.loop.health.diagnosis import subject
from hil.reports import rendering
from hil.runs.machine import environment
from hil.statistics import FEWEST
from hil.studies.folder import BEST, REPORT, RESULT, STUDY, TIMES, TRIALS, Folder
from hil.studies.grid import Grid
from hil.studies.plan import choice, configuration_lines
from hil.studies.report import estimates, sections, tuning_section, wording
from hil.studies.report.search_sections import makers as search_sections
from hil.studies.report.section import SectionContent
from hil.studies.report.sections.means import extremes
from hil.studies.report.settings_used import settings_used
from hil.studies.schema import Study
from hil.studies.search import SearchResult, best_settings
from hil.studies.table import Rows, by_unit, grouped, times_csv, trials_csv

MOST = 4  # sentences of the answer
Make = Callable[[], SectionContent]
Maker = tuple[str, Make]


def write_grid(folder: Folder, result: Grid) -> dict[str, Any]:
    """Write the tables and the page of a study of combinations.

    Args:
        folder: Its folder.
        result: Its trials.

    Returns:
        The result, as in `result.json`.
    """
    study = folder.study
    _write_tables(folder, result.rows)
    makers = sections.makers(study, result.rows)
    if study.tune:
        make = partial(tuning_section.section, study.tune, result.tuned)
        makers.append((tuning_section.title(result.tuned), make))
    return _write(folder, result.rows, makers)


def write_search(folder: Folder, search: SearchResult) -> dict[str, Any]:
    """Write the tables and the page of a search, and its best settings as a configuration.

    Args:
        folder: Its folder.
        search: Its trials.

    Returns:
        The result, as in `result.json`.
    """
    from hil import config as configuration

    rows = [row for arm in search.arms for row in arm.rows]
    rows += search.confirmed
    _write_tables(folder, rows, _stages(search))
    best = configuration.build(best_settings(folder.study, search))
    write_text(folder.path / BEST, configuration.dump(best))
    return _write(folder, rows, search_sections(folder, search))


def _write_tables(folder: Folder, rows: Rows, parts: Sequence[str] | None = None) -> None:
    """Write what no page is needed for, before there is any."""
    factors = [*folder.study.names(), *(["settings"] if folder.study.search else [])]
    write_text(folder.path / TRIALS, trials_csv(rows, factors, parts))
    write_text(folder.path / TIMES, times_csv(rows))


def _write(folder: Folder, rows: Rows, makers: Sequence[Maker]) -> dict[str, Any]:
    """Write result and page; a part of the page that fails is noted in its place."""
    study, attempts = folder.study, rendering.Attempts()
    content = [_made(attempts, *maker) for maker in makers]
    drawn = [
        [(p.title, p.wide, attempts.drawn(p.title, p.draw)) for p in section.pictures]
        for section in content
    ]
    claims = [claim for section in content for claim in section.claims]
    answer = attempts.made("answer", lambda: _answer(study, rows, content)) or []
    result: dict[str, Any] = {
        "study": study.name,
        "folder": str(folder.path),
        "trials": len(rows),
        "failed": sum("error" in row.outcome for row in rows),
        "left_out": dict(folder.left_out),
        "seconds": sum(row.measure("seconds") or 0.0 for row in rows),
        "answer": answer,
        "claims": [claim.text for claim in claims if claim.supported],
        "not_told": [claim.text for claim in claims if not claim.supported],
        "sections": _by_title(content),
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
        content=list(zip(content, drawn, strict=True)),
        claims=claims,
        errors=_errors(rows),
        noticed=_noticed(rows),
        settings=attempts.made("settings of the trials", lambda: settings_used(study, rows)),
        pretrain=configuration_lines(study.pretrain) if _pretrained(study, rows) else [],
        bounds=estimates.NOTE,
        factors=_factors(study),
        smallest=_smallest(study, rows),
        fewest=FEWEST,
        environment=environment(),
        again=f"hil study {quote(str(folder.path / STUDY))} --out {quote(f'{folder.path}-again')}",
    )
    return {**result, "not_shown": list(attempts.failed)}


def _answer(study: Study, rows: Rows, content: Sequence[SectionContent]) -> list[str]:
    """What the study answers to its question, a sentence for each section that answers it."""
    if not study.search and study.repeat.times < FEWEST:
        return [
            f"The study is too small for an answer: {study.repeat.times} repetition"
            f"{'s' if study.repeat.times > 1 else ''}, at least {FEWEST} are needed."
        ]
    texts = [section.answer for section in content if section.answer]
    if not texts and not study.search:
        by = [*(["part"] if study.parts else []), *study.names()]
        texts = [extremes(study, rows, by, "test_accuracy")]
    return [wording.sentence(text) for text in texts[:MOST] if text]


def _by_title(content: Sequence[SectionContent]) -> dict[str, Any]:
    """The numbers of each section; a title that is there already is numbered."""
    data: dict[str, Any] = {}
    for section in content:
        if section.data:
            again = sum(title.split(" (")[0] == section.title for title in data)
            data[f"{section.title} ({again + 1})" if again else section.title] = section.data
    return data


def _made(attempts: rendering.Attempts, title: str, make: Make) -> SectionContent:
    """A section, or one that says why there is none."""
    content = attempts.made(f"section {title!r}", make)
    return content or SectionContent(title, "", failure=attempts.failed[-1])


def _stages(search: SearchResult) -> list[str]:
    """Which search each trial belongs to."""
    searched = [f"{arm.sampler}-{arm.repeat}" for arm in search.arms for _ in arm.rows]
    return [*searched, *("confirm" for _ in search.confirmed)]


def _errors(rows: Rows) -> dict[str, int]:
    """What went wrong in trials, with how often."""
    counts: dict[str, int] = {}
    for row in rows:
        if "error" in row.outcome:
            counts[row.outcome["error"]] = counts.get(row.outcome["error"], 0) + 1
    return counts


def _noticed(rows: Rows) -> dict[str, int]:
    """What the host noticed in trials, with in how many of them."""
    about = [{subject(finding) for finding in row.outcome.get("findings", ())} for row in rows]
    return dict(Counter(sorted(name for names in about for name in names)).most_common())


def _factors(study: Study) -> list[tuple[str, str, str, str]]:
    """Place, name, meaning and levels of each factor, as text."""
    lines = []
    for where, factors in study.families():
        for name, factor in factors.items():
            if factor.low is None or factor.high is None:
                text = "; ".join(choice(name, factor, level).shown for level in factor.levels)
            else:
                scale = " (logarithmic)" if factor.log else ""
                text = f"{factor.low:g} to {factor.high:g} {factor.unit}".rstrip() + scale
            about = factor.about or name.replace("_", " ")
            lines.append((where.removesuffix(".factors"), name, about, text))
    return lines


def _pretrained(study: Study, rows: Rows) -> bool:
    """Whether there are trials that start from a network of the study."""
    usual = study.base.get("mode", "scratch")
    return any(row.cell.settings.get("mode", usual) != "scratch" for row in rows)


def _smallest(study: Study, rows: Rows) -> int:
    """Units of the combination that has fewest, among those that work at all."""
    groups = grouped(rows, ["part", *study.names()]).values() if not study.search else []
    sizes = [len(by_unit(group, "test_accuracy")) for group in groups]
    return min((size for size in sizes if size), default=0)
