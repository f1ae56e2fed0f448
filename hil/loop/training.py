"""Training a run from wherever it stands to its result."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from hil.extensions import in_force
from hil.loop import costs, findings, snapshot
from hil.loop.defaults import Choice
from hil.loop.epochs import Interrupted
from hil.loop.progress import TrainingProgress, Watcher, ignore_progress
from hil.loop.session import Session
from hil.loop.train_state import TrainState
from hil.process import Stop, catch_stops, peak_rss_mb
from hil.reasons import because
from hil.runs import data as run_data
from hil.runs.folder import CHECKPOINT, START, Arrays, Run
from hil.trust import check_unchanged, code_of, fingerprints


def train(
    run: Run,
    watch: Watcher = ignore_progress,
    record: str | Path | None = None,
    moved: str | Path | None = None,
    session: Session | None = None,
    other_device: bool = False,
) -> dict[str, Any]:
    """Train a run to its end and write its result.

    Starts from the run's checkpoint where there is one, and then ends with the same weights as a
    run that was never stopped (bit-identical on a resumable device).

    Args:
        run: The run folder.
        watch: Called after every batch.
        record: File to record the session with the device to.
        moved: File of the run's data, where it is another one by now.
        session: That in which the run was prepared, which is closed at the end; None opens one.
        other_device: Whether it may go on with another device than it began on.

    Returns:
        The result, as in `result.json`.

    Raises:
        Interrupted: After Ctrl-C or SIGTERM; the checkpoint is then written.
        DeviceError: When the device fails.
        ValueError: When the configuration does not fit the data or the device.
    """
    with ExitStack() as stack:
        if session is not None:
            stack.enter_context(session)
        stack.enter_context(run.hold())
        done = run.result()
        if done is not None:
            return done
        checkpoint = run.load_checkpoint()
        if session is None:
            session = stack.enter_context(_resume(run, checkpoint, record, moved, other_device))
        if other_device:
            _note_other_device(run, session, watch)
        run.add_device(session.device)
        run_data.keep(run, session.samples, moved)
        state = _take_up(run, session, checkpoint, watch)
        with catch_stops() as stop:
            with run.blame_file():
                training = session.start_training(state, run, watch, stop)
            training.run()
            return _finish(run, session, state, watch, stop)


def _resume(
    run: Run,
    checkpoint: Arrays | None,
    record: str | Path | None,
    moved: str | Path | None,
    other_device: bool,
) -> Session:
    """Open a session with the device for a run as it stands."""
    config, environment = run.config(), run.environment()
    in_force().check(code_of(config))  # before anything of it runs, the task's code included
    check_unchanged(environment["code"], fingerprints(config))
    data = run_data.load(run, moved)
    initial, file = checkpoint, CHECKPOINT
    if checkpoint is None and config.start:
        initial, file = run.load_start(), START
    facts, blame = environment["measured"], partial(run.blame_file, file)
    return Session.open(
        config,
        data,
        record=record,
        facts=facts,
        initial=initial,
        blame=blame,
        began_on=None if other_device else environment["device"],
    )


def _note_other_device(run: Run, session: Session, watch: Watcher) -> None:
    """Say and keep on which device a run stood until now, where it is another one."""
    before, now = run.environment()["device"], session.device.info.identity
    if before is None or (before["name"], before["serial"]) == (now.name, now.serial):
        return
    epochs = len(run.metrics())
    reason = because("other_device", epochs=epochs, before=f"{before['name']} {before['serial']}")
    choice = Choice(f"device from epoch {epochs + 1} on", f"{now.name} {now.serial}", reason)
    watch(TrainingProgress("train", 0, 1, 1, note=str(choice)))
    run.add_chosen([choice.as_json()])


def _take_up(run: Run, session: Session, checkpoint: Arrays | None, watch: Watcher) -> TrainState:
    """Restore the checkpoint of a run, or begin it and keep what a few runs chose."""
    config, controller = session.config, session.controller
    if checkpoint is None:
        watch(
            TrainingProgress(
                "writing the first weights, and a few runs (an emulated chip is compiled once)"
            )
        )
        state, choices = session.begin()
        for choice in choices:
            watch(TrainingProgress("train", 0, 1, 1, note=str(choice)))
        run.add_chosen([choice.as_json() for choice in choices])
        return state
    with run.blame_file():
        batches = config.training.count_batches(len(session.samples.y_train))
        first = TrainState.first(controller.layers)
        state = TrainState.from_arrays(checkpoint, first, batches, config.training.epochs)
        controller.restore(checkpoint)
    return state


def _finish(
    run: Run, session: Session, state: TrainState, watch: Watcher, stop: Stop
) -> dict[str, Any]:
    """Test the trained network, keep the snapshot, and write the result."""
    config, controller, data = session.config, session.controller, session.samples
    epochs, kept = len(state.metrics), state.kept_epoch
    # The process that saved the last checkpoint may have been killed before it came to these.
    run.save_metrics(state.metrics)

    def watch_test(done: int, total: int) -> None:
        watch(TrainingProgress("test", done, total, epochs))
        if stop.requested:
            raise Interrupted

    training = costs.sum_up_training(
        controller.supervised.costs, session.device, config.network.steps, state.metrics
    )
    tested = session.test(data.x_test, data.y_test, watch_test, state.metrics)
    network = costs.describe_network(controller.supervised.stored, session.device, tested.costs)
    run.save_snapshot(snapshot.gather(controller, data, tested.predicted))
    amiss = [finding.as_json() for finding in findings.find_missed_classes(tested.score)]
    watch(TrainingProgress("test", 1, 1, epochs, findings=amiss))
    last, shown = state.metrics[kept - 1], config.training.count_samples(len(data.y_train))
    result = {
        "task": config.task,
        "rule": config.rule["name"],
        "observe": config.observe,
        "hidden_membranes": controller.observer.hidden_membranes,
        "estimator": controller.observer.estimator.name,
        "estimator_fit": last["estimator_fit"].get(last["estimator"]),
        "device": config.device_url,
        "seed": config.seed,
        "layers": list(controller.layers),
        "epochs": epochs,
        "kept_epoch": kept,
        **tested.score.summarise(),
        "validation_accuracy": last["validation_accuracy"],
        "validation_nrmse": last["validation_nrmse"],
        "train_seconds": state.seconds,
        "device_seconds": state.device_seconds,
        "transfer_seconds": state.transfer_seconds,
        "host_seconds": state.seconds - state.device_seconds - state.transfer_seconds,
        "costs": {"inference": tested.costs, "training": training, "network": network},
        "findings": [*findings.keep_latest(state.metrics), *amiss],
        "samples_per_second": epochs * shown / state.seconds,
        "peak_rss_mb": peak_rss_mb(),
    }
    run.add_packages()
    run.add_device(session.device)
    run.save_result(result)
    return result
