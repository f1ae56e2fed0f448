"""Studies: many trainings that answer one question, with a table and a page at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.studies.coordinator import StudyProgress
    from hil.studies.folder import Sources
    from hil.studies.schema import Study

__all__ = ["run"]


def run(
    study: Study,
    path: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    watch: Callable[[StudyProgress], None] = lambda _: None,
) -> dict[str, Any]:
    """Run a study to its end, from wherever its folder stands, and write its tables and page.

    Args:
        study: The study.
        path: Its folder.
        workers: Processes to evaluate trials in; 1 is this one.
        scheduler: Address of a Dask scheduler to use instead.
        watch: Called after every trial.

    Returns:
        What the page says, as in `result.json`.

    Raises:
        ValueError: When the study does not make sense, or the folder holds another one, or there
            is no such scheduler.
        DeviceError: When there is no such device, or it fails.
    """
    from hil.studies import page, pool, strategies
    from hil.studies.coordinator import Coordinator
    from hil.studies.folder import StudyFolder

    devices = study.repeat.devices
    if scheduler is not None and devices:  # which are where its workers are
        study, left_out, sources = pool.run_beside(scheduler, devices[0], prepare, study)
    else:
        study, left_out, sources = _prepare_on_any(study)
    folder = StudyFolder(path, study, left_out, sources)
    with folder.lock(), pool.open_pool(workers, scheduler, devices) as evaluate:
        coordinator = Coordinator(folder, evaluate, watch)
        if study.search is None:
            result = page.write_grid(folder, *strategies.run_grid(coordinator))
        else:
            result = page.write_search(folder, strategies.run_search(coordinator, study.search))
    if result["failed"] == result["trials"]:
        raise ValueError(f"no trial worked, the page says why: {result['page']}")
    return result


def _prepare_on_any(study: Study) -> tuple[Study, dict[str, str], Sources]:
    """Prepare a study on the first of its devices that is there, which need not be the first."""
    from drivers import DeviceError

    repeat, failed = study.repeat, DeviceError("")
    for number in range(max(1, len(repeat.devices))):
        turned = repeat.devices[number:] + repeat.devices[:number]
        update = {"repeat": repeat.model_copy(update={"devices": turned})}
        try:
            made, left_out, sources = prepare(study.model_copy(update=update))
        except DeviceError as error:
            if isinstance(error, ValueError):  # of its settings
                raise
            failed = failed if number else error
        else:
            return made.model_copy(update={"repeat": repeat}), left_out, sources
    raise failed


def prepare(study: Study) -> tuple[Study, dict[str, str], Sources]:
    """Check a study, and leave out the parts that its device has no options for.

    Returns:
        What is left of the study, why not the rest, and what it takes from outside.

    Raises:
        ValueError: When its settings do not make trials.
        DeviceError: When there is no such device.
    """
    from hil.studies.validation import check, leave_out_parts

    study, left_out = leave_out_parts(study)
    return study, left_out, check(study)
