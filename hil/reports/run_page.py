"""The page of one run: one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from hil import sections, tasks
from hil.config import Config, build
from hil.loop.findings import keep_latest
from hil.reports.rendering import Attempts, render, write_page
from hil.reports.run_facts import (
    class_names,
    describe_inputs,
    input_ranges,
    settings_as_text,
    summarise,
)
from hil.runs.data import preparation
from hil.runs.folder import PREPARATION, REPORT, SAMPLES
from hil.runs.records import confusion, holds_numbers
from hil.sections import PageSection
from hil.sections.run import SECTIONS, RunRecord, build_learning
from hil.tasks import own_file
from hil.tasks.preparation import Preparation

if TYPE_CHECKING:
    from hil.runs.folder import Run


def write_report(run: Run, attempts: Attempts | None = None, is_live: bool = False) -> Path:
    """Write the page of a run, complete or not; a part that fails is noted in its place.

    Args:
        run: The run folder.
        attempts: Learns what could not be made.
        is_live: Whether a browser is to read it again and again, since the run goes on.

    Returns:
        `report.html` in that folder.
    """
    attempts = attempts or Attempts()
    prepared = read_preparation(run, attempts)
    record = read_record(run, prepared)
    config, result, snapshot = record.config, record.result, record.snapshot
    content = [attempts.draw_section(section) for section in build_sections(record, attempts)]
    labels = None
    if snapshot is not None and not holds_numbers(snapshot):
        labels = snapshot["test_labels"].astype(np.int64)
    return write_page(
        run.path / REPORT,
        "run.html.j2",
        attempts,
        title=_name_task(config.task),
        config=config,
        result=result,
        metrics=record.metrics,
        content=content,
        inputs=describe_inputs(prepared) if prepared else None,
        ranges=input_ranges(prepared) if prepared else [],
        test_part=tasks.get(config.task).parts if config.task in tasks.names() else "",
        tested=None if labels is None else len(labels),
        most_frequent=None if labels is None else float(np.bincount(labels).max() / len(labels)),
        settings=settings_as_text(config),
        usual=settings_as_text(_build_default_config(run, config.task)),
        environment=run.environment(),
        again=_write_command(run, config.task),
        resume=run.spell_command("resume"),
        is_live=is_live,
    )


def read_preparation(run: Run, attempts: Attempts) -> Preparation | None:
    """Read how the samples of a run were prepared; None before they were, or where it fails."""
    begun = (run.path / PREPARATION).exists()
    return attempts.make("scaling", lambda: preparation(run)) if begun else None


def read_record(run: Run, prepared: Preparation | None = None) -> RunRecord:
    """Read what the page of a run is about from its folder.

    Args:
        run: The run folder, complete or not.
        prepared: How its samples were prepared, where that is known.
    """
    snapshot, result, metrics = run.load_snapshot(), run.result(), run.metrics()
    return RunRecord(
        run.path,
        run.config(),
        metrics,
        [finding["text"] for finding in (result or {}).get("findings", keep_latest(metrics))],
        result,
        snapshot,
        None if snapshot is None or holds_numbers(snapshot) else confusion(snapshot),
        class_names(prepared, snapshot["counts"].shape[1] if snapshot else 0),
    )


def build_sections(record: RunRecord, attempts: Attempts) -> list[PageSection]:
    """Build the sections of the page of a run, those of the user's own last."""
    return [
        section
        for name in (*SECTIONS, *record.config.report.sections)
        if (section := attempts.make_section(name, partial(build_section, name, record)))
    ]


def build_section(name: str, record: RunRecord) -> PageSection | None:
    """Build a section of the page of a run.

    Args:
        name: Name of its kind, `FILE.py:NAME` included.
        record: What the page is about.

    Raises:
        ValueError: When there is no such kind of section of a run.
    """
    kind = sections.get_of_run(name)
    section = kind.build(kind.settings(), record)
    if not isinstance(section, PageSection | None):
        raise ValueError(f"it gives a {type(section).__name__}: give a PageSection")
    return section


def _name_task(task: str) -> str:
    """Name a task in a title: a file by its name, without its folder."""
    scheme, _, path = task.partition(":")
    return Path(path).name if path else scheme


def _build_default_config(run: Run, task: str) -> Config:
    """Build what nobody has to ask for; no task of the user's own is run for its defaults."""
    names = (*tasks.names(), tasks.ARRAYS)
    layer = {"task": task} if task in names or own_file.parse_address(task) else {}
    suited: Mapping[str, Any] = {}
    if (run.path / SAMPLES).exists():
        suited = tasks.get(f"npz:{run.path / SAMPLES}").defaults
    return build(suited, layer)


def _write_command(run: Run, task: str) -> str:
    """The command that repeats a run; samples that are kept with it are named by their file."""
    own = quote(f"npz:{run.path / SAMPLES}") + " " if task == tasks.ARRAYS else ""
    options = f"--config {quote(f'{run.path}/config.toml')} --out {quote(f'{run.path}-again')}"
    return f"hil train {own}{options}"


def summary_html(run: Run, result: Mapping[str, Any]) -> str:
    """Make what a notebook shows of a finished run: its figures, and its accuracy by epoch."""
    learning, attempts = build_learning(sections.SectionSettings(), read_record(run)), Attempts()
    accuracy = learning and attempts.draw(learning.plots[0].title, learning.plots[0].draw).element
    page = str(run.path / REPORT)
    return render("run_summary.html.j2", rows=summarise(result), accuracy=accuracy, page=page)
