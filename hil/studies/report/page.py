"""The tables and the page of a finished study."""

from __future__ import annotations

import json
from collections.abc import Sequence
from shlex import quote
from typing import Any

from drivers.contract.files import write_text
from hil.reports import rendering
from hil.runs.folder import environment
from hil.statistics import FEWEST
from hil.studies import tuning
from hil.studies.folder import BEST, REPORT, RESULT, STUDY, TIMES, TRIALS, Folder
from hil.studies.grid import Grid
from hil.studies.plan import configuration_lines
from hil.studies.report import sections
from hil.studies.report.search_sections import shown
from hil.studies.report.section import Shown
from hil.studies.schema import Study
from hil.studies.search import Found, best_settings
from hil.studies.table import Rows, by_unit, grouped, times_csv, trials_csv


def write_grid(folder: Folder, found: Grid) -> dict[str, Any]:
    """Write what a study of combinations found.

    Args:
        folder: Its folder.
        found: What it found.

    Returns:
        The result, as in `result.json`.
    """
    parts = sections.build(folder.study, found.rows)
    if folder.study.tune:
        parts.append(tuning.shown(folder.study.tune, found.tuned))
    return _write(folder, found.rows, parts)


def write_search(folder: Folder, found: Found) -> dict[str, Any]:
    """Write what a search found, and its best settings as a configuration.

    Args:
        folder: Its folder.
        found: What it found.

    Returns:
        The result, as in `result.json`.
    """
    from hil import config as configuration

    best = configuration.build(best_settings(folder.study, found))
    write_text(folder.path / BEST, configuration.dump(best))
    rows = [row for arm in found.arms for row in arm.rows]
    rows += found.confirmed
    return _write(folder, rows, shown(folder, found), _places(found))


def _write(
    folder: Folder, rows: Rows, shown: Sequence[Shown], places: Sequence[str] = ()
) -> dict[str, Any]:
    study = folder.study
    factors = [*study.names(), *(["settings"] if study.search else [])]
    write_text(folder.path / TRIALS, trials_csv(rows, factors, places))
    write_text(folder.path / TIMES, times_csv(rows))
    failed = [row for row in rows if "error" in row.outcome]
    result: dict[str, Any] = {
        "study": study.name,
        "folder": str(folder.path),
        "trials": len(rows),
        "failed": len(failed),
        "left_out": dict(folder.left_out),
        "seconds": sum(row.measure("seconds") or 0.0 for row in rows),
        "claims": [claim.text for part in shown for claim in part.claims if claim.sure],
        "not_told": [claim.text for part in shown for claim in part.claims if not claim.sure],
        "sections": {part.title: part.figures for part in shown if part.figures},
        "table": str(folder.path / TRIALS),
        "page": str(folder.path / REPORT),
    }
    text = rendering.render(
        "study.html.j2",
        study=study,
        result=result,
        shown=shown,
        claims=[claim for part in shown for claim in part.claims],
        errors=_errors(rows),
        settings=configuration_lines(study.base),
        factors=_factors(study),
        smallest=_smallest(study, rows),
        fewest=FEWEST,
        environment=environment(),
        again=f"hil study {quote(str(folder.path / STUDY))} --out {quote(f'{folder.path}-again')}",
    )
    write_text(folder.path / REPORT, text)
    write_text(folder.path / RESULT, json.dumps(result, indent=2, default=str) + "\n")
    return result


def _places(found: Found) -> list[str]:
    """Which search each trial belongs to."""
    searched = [f"{arm.sampler}-{arm.repeat}" for arm in found.arms for _ in arm.rows]
    return [*searched, *("confirm" for _ in found.confirmed)]


def _errors(rows: Rows) -> dict[str, int]:
    """What went wrong in trials, with how often."""
    found: dict[str, int] = {}
    for row in rows:
        if "error" in row.outcome:
            found[row.outcome["error"]] = found.get(row.outcome["error"], 0) + 1
    return found


def _factors(study: Study) -> list[tuple[str, str, str]]:
    """Place, name and levels of each factor, as text."""
    from hil.studies.schema import label

    found = []
    for where, factors in study.families():
        for name, factor in factors.items():
            if factor.low is None or factor.high is None:
                text = "; ".join(label(level) for level in factor.levels)
            else:
                text = f"{factor.low:g} to {factor.high:g}" + (" (logarithmic)" * factor.log)
            found.append((where.removesuffix(".factors"), name, text))
    return found


def _smallest(study: Study, rows: Rows) -> int:
    """Units of the combination that has fewest, among those that work at all."""
    groups = grouped(rows, ["part", *study.names()]).values() if not study.search else []
    sizes = [len(by_unit(group, "test_accuracy")) for group in groups]
    return min((size for size in sizes if size), default=0)
