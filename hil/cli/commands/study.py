"""Run a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli.errors import check_complete, name_way_on
from hil.cli.options import (
    DEVICES,
    RULES,
    STUDIES,
    TASKS,
    JsonOption,
    TrustOption,
    argument,
    option,
)

if TYPE_CHECKING:
    from hil.studies.coordinator import StudyProgress
    from hil.studies.schema import Study

_MOST_WORKERS = 1024
_NAME = "A study, FILE.toml of your own, or its folder."
_BUDGET = "default, or another budget that the study's file has."
_WORKERS = "Processes; as many as cores, unless the device is there once."
_SCHEDULER = "Dask scheduler to use, e.g. tcp://host:8786."
_START = "Run or model, FILE.nir, that trials start from as it is."
_RULE = "A rule to compare with those of the study, FILE.py:NAME."
_SET = "A setting of every trial, or of the study such as repeat.times."


def study(
    name: Annotated[str | None, argument(_NAME, "[NAME]", STUDIES)] = None,
    task: Annotated[
        str | None, option("Task of every trial. See hil tasks.", "NAME", catalogue=TASKS)
    ] = None,
    device: Annotated[
        str | None,
        option("Device of every trial. See hil devices.", "ADDRESS", catalogue=DEVICES),
    ] = None,
    rule: Annotated[str | None, option(_RULE, "NAME", catalogue=RULES)] = None,
    budget: Annotated[str | None, option(_BUDGET, "SIZE")] = None,
    workers: Annotated[int | None, option(_WORKERS, "N")] = None,
    scheduler: Annotated[str | None, option(_SCHEDULER, "ADDRESS")] = None,
    start: Annotated[Path | None, option(_START, "RUN", "--from")] = None,
    assign: Annotated[list[str] | None, option(_SET, "KEY=VALUE", "--set")] = None,
    out: Annotated[Path | None, option("Folder to make, or to go on with.", "FOLDER")] = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Run a study of many trainings, or list those that there are; goes on where it was stopped."""
    from hil import config as configuration
    from hil import studies, tasks
    from hil.extensions import Trust, find_code
    from hil.plain_text import make_one_line
    from hil.runs.exclusive import stem
    from hil.studies import folder, loader

    if name is None:
        from hil.cli.output import print_table

        rows = [(each, loader.read(each).get("title", "")) for each in loader.names()]
        print_table(("study", "what it is about"), rows)
        return
    source: str | Path = name
    if (Path(name) / folder.STUDY).is_file():
        if any(given is not None for given in (task, device, rule, budget, start, assign, out)):
            raise ValueError(
                f"{name} is the folder of a study: it goes on as it began, with --workers or "
                "--scheduler alone"
            )
        source, out = Path(name) / folder.STUDY, Path(name)
    size = budget or loader.BUDGET
    changes = configuration.parse_assignments(assign or [])
    with Trust.of([task, device, rule], changes, everything=trust).in_force():
        complete = loader.build(
            loader.read(source),
            budget=size,
            task=task,
            device=device,
            rule=rule,
            changes=changes,
        )
        if start is not None:
            complete = loader.start_from(complete, start)
        task_name = stem(tasks.shorten_name(str(complete.base.get("task", "digits"))))
        path = out or folder.STUDIES / f"{complete.name}-{task_name}-{size}"
        processes = _count_workers(complete, workers, scheduler)
        trusting = " --trust" if trust or find_code(complete.model_dump()) else ""
        again = f"hil study {quote(str(path))}{trusting}"
        with _display_progress() as watch, name_way_on(again):
            result = studies.run(
                complete, path, workers=processes, scheduler=scheduler, watch=watch
            )
    if json_output:
        typer.echo(json.dumps({"folder": str(path), **result}, default=str))
    else:
        for sentence in result["answer"]:
            typer.echo(make_one_line(sentence))
        for claim in result["claims"] or ["no difference is larger than chance explains"]:
            typer.echo(make_one_line(claim))
        typer.echo(result["table"])
        typer.echo(result["page"])
    check_complete(result["page"], result["not_shown"], again)


def _count_workers(complete: Study, workers: int | None, scheduler: str | None) -> int:
    """Decide how many processes there are, as far as there are devices for them."""
    import drivers
    from hil.config import Config
    from hil.studies.pool import count_cores

    if workers is not None and not 1 <= workers <= _MOST_WORKERS:
        raise ValueError(f"--workers {workers}: give at least 1 and at most {_MOST_WORKERS}")
    if workers is not None and scheduler is not None:
        raise ValueError("--workers and --scheduler: give one of them")
    usual = str(complete.base.get("device", Config.model_fields["device"].default))
    devices = complete.repeat.devices or (usual,)
    independent = all(drivers.independent(device) for device in devices)
    if not independent and (
        (workers or 1) > 1 or (scheduler is not None and not complete.repeat.devices)
    ):
        raise ValueError(
            f"{devices[0]} is one device: use --workers 1, without --scheduler; or name all that "
            "there are in repeat.devices, and give the --scheduler whose workers declare them"
        )
    return workers or (count_cores() if independent else 1)


@contextmanager
def _display_progress() -> Iterator[Callable[[StudyProgress], None]]:
    """Display how many trials of a study are done.

    Yields:
        A watcher for `hil.studies.run`.
    """
    from hil.progress import Stage, display

    with display() as shown:

        def watch(now: StudyProgress) -> None:
            # Trials that another process finished take no time, and do not count for the rate.
            rate = now.evaluated / now.seconds if now.evaluated else 0.0
            shown.show(Stage(now.stage, now.done, now.total, "trials", rate=rate))

        yield watch
