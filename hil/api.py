"""Functions that a program calls: train, resume, load, evaluate and export, as `hil` gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from hil.extensions import Trust, in_force, name_objects
from hil.result import Result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hil.extensions import Objects
    from hil.learning import Rule, RuleFamily
    from hil.loop.progress import Watcher
    from hil.loop.session import Session
    from hil.runs.folder import Run
    from hil.tasks import SampleSet, Task

OnEpoch = Callable[[dict[str, Any]], object]


def train(
    task: str | Task | ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    test: tuple[ArrayLike, ArrayLike] | float | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    layout: str | None = None,
    problem: str | None = None,
    device: str | None = None,
    rule: str | Rule | RuleFamily | Mapping[str, Any] | None = None,
    seed: int | None = None,
    start: str | Path | None = None,
    out: str | Path | None = None,
    record: str | Path | None = None,
    trust: bool = False,
    on_epoch: OnEpoch | None = None,
    **sections: Any,
) -> Result:
    """Train a network on a device, test it, and write a run folder with its report.

    Args:
        task: Name of a task, a file such as `csv:FILE`, or a `hil.tasks.Task`; `digits` when None.
            Or the samples themselves, real numbers of any range: `(N, n)` features, or images
            `(N, height, width)` or `(N, height, width, channels)`.
        y: Labels of the samples: `(N,)` whole numbers or texts, or one-hot `(N, C)`; or real
            numbers to learn, `(N,)` or `(N, K)`.
        test: `(x, y)` to test with, or the share of the samples that is set aside for it; a fifth
            when None. This and the next five are about samples given here.
        validation: `(x, y)` to validate with; None sets `training.validation_fraction` aside.
        class_names: What the page calls each class, in ascending order of the labels; or each
            output for numbers.
        feature_names: What it calls each feature; the columns of a DataFrame when None.
        layout: Axes of a sample, where their number and type leave it open: `HW`, `HWC` or `CHW`
            of an image, `TC`, `CT` or `T` of a signal; or the columns of events in rows of plain
            numbers, such as `txyp`.
        problem: `regression` learns y as numbers, `classification` as labels; when None, numbers
            that are not whole are learned as such.
        device: Address of the device; the task's default when None.
        rule: The learning rule, e.g. `hil.learning.adfa(g="tanh", gain=2)`, its name, or its
            section, e.g. `{"name": "adfa", "g": "tanh"}`; the task's default when None. In any
            section, an object may stand in place of its name.
        seed: Seed of everything on the host; 0 when None.
        start: Run folder to start from: its weights are the first ones, and its settings hold
            where none are given here, its seed included. Or the address of a model of NIR,
            `FILE.nir` or `FILE.nir?dt=SECONDS`.
        out: Run folder to make; None picks a free name below `runs/`.
        record: File to record the session with the device to; it must not exist.
        trust: Whether Python code may run that the run to start from names; what is named runs.
        on_epoch: Called after each epoch with its metrics, as `Result.metrics` has them.
        sections: Any other part of the configuration, e.g. `training={"epochs": 5}`,
            `network={"hidden": [500, 500]}`, `observe="spikes"`.

    Returns:
        The finished run.

    Raises:
        ValueError: When something asked for does not exist or does not fit.
        DeviceError: When the device fails.
    """
    from hil.loop.progress import also_call, display_progress

    names = {"class_names": class_names, "feature_names": feature_names}
    about = {"layout": layout, "problem": problem, **names}
    name, samples = _task_and_samples(task, y, test=test, validation=validation, **about)
    objects: dict[str, object] = {}
    settings = as_layer(task=name, device=device, rule=rule, seed=seed, **sections)
    layer = name_objects(settings, objects)
    given: dict[str, Any] = {"start": start, "out": out, "record": record}
    trusted = Trust.of(layer, everything=trust, objects=objects)
    with trusted.in_force(), display_progress() as watch:
        run, session = prepare(layer, samples=samples, watch=watch, **given)
        return finish(run, also_call(watch, on_epoch), session=session)


def _task_and_samples(
    task: str | Task | ArrayLike | None, y: ArrayLike | None, **parts: Any
) -> tuple[str | Task | None, SampleSet | None]:
    """The task, and the samples where they were given in its place."""
    from hil.tasks import ARRAYS, SampleSet, Task

    sections = {name: part for name, part in parts.items() if part is not None}
    if not (task is None or isinstance(task, str | Task)):
        return ARRAYS, SampleSet.of_program(task, y, **sections)
    about = [*(["y"] if y is not None else []), *sections]
    if about:
        name = task if isinstance(task, str) else "digits" if task is None else task.name
        raise ValueError(
            f"{', '.join(about)} without samples: give them in place of the task {name!r}, which "
            "has its own"
        )
    return task, None


def resume(
    path: str | Path,
    record: str | Path | None = None,
    data: str | Path | None = None,
    *,
    epochs: int | None = None,
    trust: bool = False,
    other_device: bool = False,
    extensions: Objects | None = None,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Go on with a run from its last checkpoint, to its end.

    Args:
        path: The run folder.
        record: File to record the session with the device to; it must not exist.
        data: File of the run's data, where they no longer lie where they did.
        epochs: Epochs to train in all, where it is to go on longer; that of the run when None. A
            schedule of the learning rate then spans them all, so the rate may rise again.
        trust: Whether Python code that the run names may run, such as a chip or a rule.
        other_device: Whether it may go on with another device than it began on.
        extensions: Rules, gates and others that the run names and no name finds, by that name.
        on_epoch: Called after each epoch with its metrics.

    Returns:
        The finished run.

    Raises:
        ValueError: When it is no run folder, or a damaged one, or in use, or its data are others.
        DeviceError: When the device fails.
    """
    from hil.loop.progress import also_call, display_progress
    from hil.runs.folder import Run

    with Trust(everything=trust, given=extensions or {}).in_force():
        run = Run.open(path)
        if epochs is not None:
            run.lengthen(epochs)
        with display_progress() as watch:
            return finish(run, also_call(watch, on_epoch), record, data, other_device=other_device)


def load(path: str | Path, *, trust: bool = False, extensions: Objects | None = None) -> Result:
    """Open a finished run, to look at it or to predict with it.

    Args:
        path: The run folder.
        trust: Whether Python code that the run names may run.
        extensions: Encodings and tasks that the run names and no name finds, by that name.

    Raises:
        ValueError: When it is no run folder, or a damaged one, or not complete.
    """
    from hil.runs.folder import Run

    run = Run.open(path)
    figures = run.result()
    if figures is None:
        raise ValueError(f"{path} is not complete: go on with it: hil resume {quote(str(path))}")
    return Result(run.path, figures, (), Trust(everything=trust, given=extensions or {}))


def evaluate(
    path: str | Path,
    device: str | None = None,
    record: str | Path | None = None,
    data: str | Path | None = None,
    *,
    on: str | None = None,
    task: str | None = None,
    trust: bool = False,
    extensions: Objects | None = None,
) -> dict[str, Any]:
    """Deploy the weights of a run, or of a model of NIR, on a device as they are, and test them.

    Args:
        path: The run folder, or the address of a model, `FILE.nir` or `FILE.nir?dt=SECONDS`.
        device: Address of the device; the run's own, or that of the model's task, when None.
        record: File to record the session with the device to; it must not exist.
        data: File of the run's data, where they no longer lie where they did.
        on: Other labelled samples than those of the run's test, such as `csv:FILE`, prepared as
            those of the run were.
        task: What a model is tested with; that which its file names when None.
        trust: Whether Python code that the run names may run.
        extensions: Encodings and tasks that the run names and no name finds, by that name.

    Returns:
        Test accuracy with its 95 % interval, beside that of the run's own device, and confusions.

    Raises:
        ValueError: When it is no run folder and no model, or holds no weights yet, or its data are
            others, or the device cannot have it.
        DeviceError: When there is no such device, or it fails.
    """
    from hil.loop.evaluation import evaluate as deploy

    with Trust.of(task, everything=trust, objects=extensions).in_force():
        return deploy(path, device, record=record, moved=data, on=on, task=task)


def export(
    path: str | Path,
    out: str | Path,
    *,
    stored: bool = False,
    dt: float | None = None,
    say: Callable[[str], object] | None = None,
    trust: bool = False,
) -> Path:
    """Write the network of a run to a file of NIR, with the nominal neurons of its device.

    Args:
        path: The run folder.
        out: The file, replaced when it exists.
        stored: Whether to write the weights that the device stored, in place of those asked for.
        dt: Length of a step of the model, in seconds; that of the model which the run began with,
            or else of the device, when None.
        say: Called with a line on what the step is for the library that reads the file.
        trust: Whether Python code that the run names may run.

    Returns:
        The path written.

    Raises:
        ValueError: When it is no run folder, or holds no weights yet.
        DeviceError: When its device cannot be opened.
        OSError: When the file cannot be written.
    """
    from hil.loop import export as exporting
    from hil.runs.folder import Run

    with Trust(everything=trust).in_force():
        return exporting.export(Run.open(path), Path(out), stored=stored, dt=dt, say=say)


def as_layer(**settings: object) -> dict[str, Any]:
    """Settings as a layer of a configuration: all that are not None, or unknown, to be refused.

    Args:
        settings: Settings and sections by name; a rule or an encoding may stand for its section.
    """
    from hil.config import Config
    from hil.learning import Rule, RuleFamily, rules

    known = Config.model_fields
    layer = {k: value for k, value in settings.items() if value is not None or k not in known}
    if isinstance(rule := layer.get("rule"), Rule | RuleFamily):
        layer["rule"] = rules.section(rule)
    plain = [k for k in ("rule", "encoding") if not isinstance(layer.get(k, {}), Mapping)]
    return {**layer, **{key: {"name": layer[key]} for key in plain}}


def prepare(
    *layers: Mapping[str, Any],
    start: str | Path | None = None,
    out: str | Path | None = None,
    record: str | Path | None = None,
    samples: SampleSet | None = None,
    watch: Watcher | None = None,
) -> tuple[Run, Session]:
    """Make the run folder of what was asked for, once all of it is known to fit.

    What nobody asked for and the device decides is chosen here (`hil.loop.defaults`).

    Args:
        layers: Configurations by section, a later one on top of an earlier one.
        start: Run folder or model to start from, or None.
        out: Run folder to make; None picks a free name below `runs/`.
        record: File that the session with the device is to be recorded to.
        samples: Those of the task `arrays`, as a program gave them; None
            takes those of the run to start from.
        watch: Called with what is done, as it begins.

    Returns:
        The run, not yet trained, and the open session with its device, for `finish`.

    Raises:
        ValueError: When something asked for does not exist or does not fit.
        DeviceError: When there is no such device, or it has no room for the network.
    """
    from hil import sections, tasks
    from hil.config import build
    from hil.loop.defaults import find_open_settings
    from hil.loop.initialisation import start_settings
    from hil.loop.progress import TrainingProgress, ignore_progress
    from hil.loop.session import Session
    from hil.runs import data as run_data
    from hil.runs.folder import Run
    from hil.tasks.labels import class_weights
    from hil.tasks.task import suggest_settings
    from hil.trust import code_of, fingerprints

    base = {} if start is None else start_settings(start, *layers)
    fitting = {} if samples is None else suggest_settings(samples.size)
    config = build(fitting, base, *layers)
    if config.start and samples is None and config.task == tasks.ARRAYS:
        samples = run_data.samples(Run.open(config.start))
    if samples is not None:
        samples = samples.split(in_order=config.training.carry)
    watch = watch or ignore_progress
    watch(TrainingProgress("reading the samples"))
    data = run_data.load_for(config, samples)
    in_force().check(code_of(config))
    for name in config.report.sections:
        sections.get_of_run(name)
    class_weights(config.training.class_weight, data.preparation.labels, data.y_train)
    if config.training.patience and not len(data.y_validation):
        raise ValueError(
            "training.patience: no validation samples: set training.validation_fraction"
        )
    kept = {"readout": base["readout"]} if "readout" in base else {}
    open_settings = find_open_settings(kept, *layers, starts=start is not None)
    watch(
        TrainingProgress("opening the device, and measuring what it does not state (compiles once)")
    )
    session = Session.open(config, data, open_settings, record=record)
    with session.close_on_error(unrecorded=True):
        run = Run.create(
            None if out is None else Path(out),
            session.config,
            [choice.as_json() for choice in session.choices],
            fingerprints(session.config),
            None if samples is None else samples.arrays(),
            session.initial,
            session.facts,
        )
    return run, session


def finish(
    run: Run,
    watch: Watcher,
    record: str | Path | None = None,
    data: str | Path | None = None,
    session: Session | None = None,
    other_device: bool = False,
) -> Result:
    """Train a run from wherever it stands to its end, and write its page.

    Args:
        run: The run.
        watch: Called after every batch.
        record: File to record the session with the device to.
        data: File of the run's data, where they no longer lie where they did.
        session: That in which the run was prepared, which is closed; None opens one.
        other_device: Whether it may go on with another device than it began on.

    Returns:
        The finished run.

    Raises:
        Interrupted: After Ctrl-C or SIGTERM; the checkpoint is then written.
        DeviceError: When the device fails.
        ValueError: When the configuration does not fit the data or the device.
    """
    from hil.loop import training
    from hil.loop.progress import TrainingProgress

    figures = training.train(run, watch, record, data, session, other_device)
    from hil.reports.rendering import Attempts
    from hil.reports.run_page import write_report

    attempts = Attempts()
    watch(TrainingProgress("writing the page"))
    write_report(run, attempts)
    return Result(run.path, figures, tuple(attempts.failed), in_force())
