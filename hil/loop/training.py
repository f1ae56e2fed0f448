"""Training a run from wherever it stands to its result."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers.session import Recorded
from drivers.session.file import check_free
from hil.characterisation import unstated
from hil.extensions import in_force
from hil.loop import costs, defaults, snapshot
from hil.loop.beginning import response, start
from hil.loop.classification import classify
from hil.loop.controller import Controller
from hil.loop.epochs import Interrupted, Training
from hil.loop.health import diagnosis
from hil.loop.health.class_balance import Score
from hil.loop.progress import TrainingProgress, Watcher
from hil.loop.train_state import TrainState
from hil.process import Stop, one_blas_thread, peak_rss_mb, stoppable
from hil.runs import data as run_data
from hil.runs.choice import Choice
from hil.runs.folder import START, Run
from hil.tasks import labels
from hil.trust import check_unchanged, code_of, fingerprints, open_device

if TYPE_CHECKING:
    from drivers import Device
    from hil.config import Config
    from hil.runs.folder import Arrays
    from hil.tasks import Data


def fitted(
    config: Config,
    opened: Collection[str],
    data: Data,
    record: str | Path | None = None,
) -> tuple[Config, tuple[Choice, ...], Arrays | None]:
    """Choose what was left open, and refuse what does not fit data, device or start.

    Args:
        config: The configuration.
        opened: What of it was left open, as `defaults.left_open` gives it.
        data: The samples.
        record: File that the session with the device is to be recorded to.

    Returns:
        The configuration to be run, what of it was chosen, and the weights to start from.

    Raises:
        UntrustedCode: When it names code that nobody trusts.
        ValueError: When it does not fit, or the recording exists already.
        DeviceError: When there is no such device, or it has no room for the network.
    """
    if record is not None:
        check_free(record)
    in_force().check(code_of(config))
    labels.class_weights(config.training.class_weight, data.preparation.labels, data.y_train)
    with open_device(config) as stated:
        found = unstated.measure_unstated(stated)
        device = unstated.complete_device(stated, found)
        config, choices = defaults.settle(config, opened, device.info, data)
        config, weights, more = start.taken(config, device.info, data)
        controller = Controller.open(config, device, data.spec, weights)
    if weights is not None:
        try:
            controller.load_weights(weights)
        except ValueError as error:
            raise ValueError(f"start = {config.start}: {error}") from None
    reasons = ("measured, since the device does not state it", "a few runs did not tell it")
    measured = [Choice(n, v, reasons[v == unstated.UNKNOWN]) for n, v in found.items()]
    return config, (*measured, *choices, *more), weights


def train(
    run: Run,
    watch: Watcher = lambda _: None,
    record: str | Path | None = None,
    moved: str | Path | None = None,
) -> dict[str, Any]:
    """Train a run to its end and write its result.

    Starts from the run's checkpoint where there is one, and then ends with the same weights as a
    run that was never stopped (bit-identical on a resumable device).

    Args:
        run: The run folder.
        watch: Called after every batch.
        record: File to record the session with the device to.
        moved: File of the run's data, where it is another one by now.

    Returns:
        The result, as in `result.json`.

    Raises:
        Interrupted: After Ctrl-C or SIGTERM; the checkpoint is then written.
        DeviceError: When the device fails.
        ValueError: When the configuration does not fit the data or the device.
    """
    with run.locked():
        done = run.result()
        if done is not None:
            return done
        config = run.config()
        in_force().check(code_of(config))
        check_unchanged(run.environment()["code"], fingerprints(config))
        data = run_data.load(run, moved)
        run_data.keep(run, data, moved)
        return _trained(run, data, watch, record)


class _Memory:
    """Keeps the last checkpoint of a training, and no file."""

    def __init__(self) -> None:
        self.checkpoint: Arrays = {}

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        self.checkpoint = {name: np.asarray(array) for name, array in arrays.items()}

    def save_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """They are in the checkpoint."""


def in_memory(config: Config, opened: Collection[str], data: Data) -> tuple[Config, Arrays]:
    """Train a network and leave no folder.

    Args:
        config: The configuration.
        opened: What of it was left open, as `defaults.left_open` gives it.
        data: The samples; those to test with are not looked at.

    Returns:
        The configuration that was run, and the last checkpoint.

    Raises:
        ValueError: When it does not fit the data or the device.
        DeviceError: When the device fails.
    """
    config, choices, _ = fitted(config, opened, data)
    found = unstated.select_measured({choice.setting: choice.value for choice in choices})
    with one_blas_thread(), open_device(config) as stated:
        device = unstated.complete_device(stated, found)
        controller = Controller.open(config, device, data.spec)
        state, memory = TrainState.first(controller.layers), _Memory()
        controller.write()
        response.begin(controller, data, state, drawn=True)
        Training(memory, controller, data, state, lambda _: None, Stop()).go()
    return config, memory.checkpoint


def _trained(run: Run, data: Data, watch: Watcher, record: str | Path | None) -> dict[str, Any]:
    config = run.config()
    with one_blas_thread(), opened(run, record) as device:
        checkpoint = run.load_checkpoint()
        begun = run.load_start() if checkpoint is None and config.start else checkpoint
        controller = Controller.open(config, device, data.spec, begun)
        state = TrainState.first(controller.layers)
        if checkpoint is not None:
            with run.taking_up():
                batches = -(-len(data.y_train) // config.training.batch)
                state = TrainState.restored(checkpoint, state, batches, config.training.epochs)
                controller.restore(checkpoint)
        else:
            if begun is not None:
                with run.taking_up(START):
                    controller.load_weights(begun)
            controller.write()
            _begin(run, controller, data, state, watch)
        with stoppable() as stop:
            with run.taking_up():
                training = Training(run, controller, data, state, watch, stop)
            training.go()
            return _finish(run, controller, data, state, watch, stop)


def opened(run: Run, record: str | Path | None) -> Device:
    """The device as the run knows it, which is what a recording of it states too.

    Args:
        run: The run.
        record: File to record the session to.

    Raises:
        DeviceError: When it cannot be opened.
    """
    found = unstated.select_measured(
        {c["setting"]: c["value"] for c in run.environment()["chosen"]}
    )
    if not found:
        return open_device(run.config(), record=record)
    if record is not None:
        check_free(record)
    device = unstated.complete_device(open_device(run.config()), found)
    try:
        return device if record is None else Recorded(device, record)
    except BaseException:
        device.close()
        raise


def _begin(run: Run, controller: Controller, data: Data, state: TrainState, watch: Watcher) -> None:
    """Choose what a few runs tell before the first step, say so, and keep it."""
    choices = response.begin(controller, data, state, drawn=not controller.config.start)
    for choice in choices:
        watch(TrainingProgress("train", 0, 1, 1, note=str(choice)))
    if choices:
        run.add_chosen([choice.as_json() for choice in choices])


def _finish(
    run: Run,
    controller: Controller,
    data: Data,
    state: TrainState,
    watch: Watcher,
    stop: Stop,
) -> dict[str, Any]:
    """Test the trained network, keep the snapshot, and write the result."""
    config = controller.config
    # The process that saved the last checkpoint may have been killed before it came to these.
    run.save_metrics(state.metrics)

    def watch_test(done: int, total: int) -> None:
        watch(TrainingProgress("test", done, total, config.training.epochs))
        if stop.requested:
            raise Interrupted

    network, steps, counted = (
        controller.device.network,
        config.network.steps,
        controller.session.costs,
    )
    training = costs.of_training(counted, network, steps, state.metrics)
    before = replace(counted.usage)
    predicted, _ = classify(controller, data.x_test, "test", 0, watch_test)
    inference = costs.of_inference(counted.usage - before, network, steps, state.metrics)
    run.save_snapshot(snapshot.gather(controller, data, predicted))
    score = Score.of(predicted, data.y_test)
    watch(TrainingProgress("test", 1, 1, config.training.epochs, findings=score.findings()))
    host = state.seconds - state.device_seconds - state.transfer_seconds
    result = {
        "task": config.task,
        "rule": config.rule["name"],
        "observe": config.observe,
        "hidden_membranes": controller.observer.hidden_membranes,
        "estimator": controller.observer.estimator.name,
        "estimator_fit": state.metrics[-1]["estimator_fit"].get(state.metrics[-1]["estimator"]),
        "device": config.device_url,
        "seed": config.seed,
        "layers": list(controller.layers),
        "epochs": config.training.epochs,
        **score.final(),
        "validation_accuracy": state.metrics[-1]["validation_accuracy"],
        "train_seconds": state.seconds,
        "device_seconds": state.device_seconds,
        "transfer_seconds": state.transfer_seconds,
        "host_seconds": host,
        "costs": {"inference": inference, "training": training},
        "findings": [*diagnosis.latest(state.metrics), *score.findings()],
        "samples_per_second": config.training.epochs * len(data.y_train) / state.seconds,
        "peak_rss_mb": peak_rss_mb(),
    }
    run.add_packages()
    run.save_result(result)
    return result
