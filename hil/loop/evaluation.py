"""Testing the weights of a run or a model on a device as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil import config as configuration
from hil.exchange.model import read_model
from hil.extensions import in_force
from hil.loop import findings, initialisation
from hil.loop.defaults import find_open_settings
from hil.loop.export import report_import
from hil.loop.progress import TrainingProgress, Watcher, ignore_progress
from hil.loop.session import Session, open_deployed
from hil.runs import data as run_data
from hil.runs.folder import Run
from hil.runs.records import count_confusion
from hil.tasks import own_file
from hil.tasks.samples import Samples
from hil.trust import code_of

if TYPE_CHECKING:
    from hil.loop.controller import Controller
    from hil.tasks.preparation import Preparation


def evaluate(
    path: str | Path,
    device: str | None = None,
    watch: Watcher = ignore_progress,
    record: str | Path | None = None,
    moved: str | Path | None = None,
    on: str | None = None,
    task: str | None = None,
) -> dict[str, Any]:
    """Write the weights of a run or a model to a device and classify samples.

    Args:
        path: The run folder, or the address of a model. A run stays as it is.
        device: Address of the device, shown the samples in batches and an encoding that it takes;
            None takes the run's own, exactly as it was left, or that of the model's task.
        watch: Called after every batch.
        record: File to record the session with the device to.
        moved: File of the run's data, where it is another one by now.
        on: Other labelled samples than those of the run's test, such as `csv:FILE`.
        task: What a model is tested with; that which its file names when None.

    Returns:
        Task, device, seed, accuracy, confusions, costs of inference. Of a run, its rule and the
        accuracy on its own device; of a model, what was measured of and chosen for the device, and
        what became of it there (`import`).

    Raises:
        ValueError: When there are no weights yet, or the data are others, or cannot be used, or
            the device cannot have the model.
        DeviceError: When the device fails or has no room for the network.
    """
    if initialisation.is_model(path):
        if moved is not None or on is not None:
            raise ValueError("--data, --on: a model has no data of its own: give --task npz:FILE")
        given = {"task": task, "device": device}
        layer = {key: value for key, value in given.items() if value is not None}
        return _evaluate_model(path, layer, watch, record)
    if task is not None:
        raise ValueError(f"--task {task}: a run is tested with its own task: leave it out")
    return _evaluate_run(Run.open(path), device, watch, record, moved, on)


def _evaluate_run(
    run: Run,
    device: str | None,
    watch: Watcher,
    record: str | Path | None,
    moved: str | Path | None,
    on: str | None,
) -> dict[str, Any]:
    checkpoint, config, own = run.load_trained(), run.config(), run.result()
    prepared, x, y = _samples(run, moved, on)
    began_on = run.environment()["device"]
    with open_deployed(
        config, checkpoint, prepared, device, record, run.blame_file, began_on
    ) as session:
        metrics = None if device else run.metrics()
        return {
            "run": str(run.path),
            "task": config.task,
            "on": on,
            "rule": config.rule["name"],
            "observe": config.observe,
            "device": device or config.device_url,
            "trained_on": config.device_url,
            "seed": config.seed,
            **_test(session, prepared, x, y, watch, metrics),
            "trained_accuracy": (own or {}).get("test_accuracy"),
            "trained_nrmse": (own or {}).get("test_nrmse"),
        }


def _evaluate_model(
    start: str | Path,
    layer: Mapping[str, Any],
    watch: Watcher,
    record: str | Path | None,
) -> dict[str, Any]:
    config = configuration.build(initialisation.start_settings(start, layer), layer)
    data = run_data.load_for(config)
    in_force().check(code_of(config))
    open_settings = find_open_settings(layer, starts=True)
    with Session.open(config, data, open_settings, record=record) as session:
        controller = session.controller
        source = read_model(str(start))
        if not session.config.network.delays:
            source = source.without_delays()
        asked = [matrix.copy() for matrix in controller.weights]
        controller.write()
        stored = controller.supervised.stored
        return {
            "model": str(start),
            "task": config.task,
            "device": session.config.device_url,
            "seed": config.seed,
            **_test(session, data.preparation, data.x_test, data.y_test, watch, None),
            "measured": dict(session.facts),
            "chosen": [choice.as_json() for choice in session.choices],
            "import": report_import(source, controller.device, asked, stored),
        }


def _samples(
    run: Run, moved: str | Path | None, on: str | None
) -> tuple[Preparation, Samples, NDArray[Any]]:
    """Load the samples to classify and their preparation: the run's test part, or others."""
    if on is None:
        data = run_data.load(run, moved)
        return data.preparation, data.x_test, data.y_test
    if moved is not None:
        raise ValueError("--data and --on: give one of them")
    prepared = run_data.preparation(run)
    return prepared, *own_file.load_labelled(on, run.config().task, prepared)


def score_samples(
    controller: Controller, x: Samples, watch: Callable[[int, int], None] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Classify new samples with the network on a device.

    Args:
        controller: What runs it there.
        x: The samples, prepared.
        watch: Called with batches done and batches in all, after every batch.

    Returns:
        Logits `(N, C)`, and whether any output fired, `(N,)`. The largest of a row is what the
        sample is classified as: where several
        are largest, that of the highest membrane, which is made larger by no more than rounding.

    Raises:
        DeviceError: When the device fails.
    """
    if not len(x):
        return np.empty((0, controller.layers[-1]), np.float32), np.empty(0, bool)
    chosen, logits, fired = controller.classify(x, "predict", 0, watch)
    at = np.arange(len(x)), chosen
    tied = (logits == logits[at][:, None]).sum(axis=1) > 1
    logits[at] += np.where(tied, np.spacing(np.maximum(abs(logits[at]), 1)), 0)
    return logits, fired


def _test(
    session: Session,
    prepared: Preparation,
    x: Samples,
    y: NDArray[Any],
    watch: Watcher,
    metrics: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """Test the network on a device with labelled samples."""
    epochs = session.config.training.epochs

    def watch_test(done: int, total: int) -> None:
        watch(TrainingProgress("test", done, total, epochs))

    tested = session.test(x, y, watch_test, metrics)
    final = {**tested.score.summarise(), "costs": {"inference": tested.costs}, "findings": []}
    if prepared.is_real:
        return final
    return {
        **final,
        "classes": [str(name) for name in prepared.class_names],
        "confusion": count_confusion(y, tested.predicted, prepared.classes).tolist(),
        "findings": [finding.as_json() for finding in findings.find_missed_classes(tested.score)],
    }
