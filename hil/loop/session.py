"""A session with a device: the one way in which a network is put on it, trained and tested.

A session opens the device once, measures what its maker does not state, resolves the defaults that
nobody set, maps and configures the network, and knows the weights that it begins with. The command
line, `hil.train`, the classifier, `hil.evaluate` and studies all work in one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from drivers.errors import name_source
from drivers.session import Recorded
from drivers.session.file import check_free
from hil import config as configuration
from hil import streams
from hil.characterisation import unstated
from hil.learning import rate_estimators
from hil.loop import costs
from hil.loop.controller import Controller
from hil.loop.defaults import FORCED, find_open_settings, resolve_defaults
from hil.loop.epochs import CheckpointSink, Training
from hil.loop.health import Fit, Score
from hil.loop.initialisation import adjust_initial_response, load_initial_weights, observe_batch
from hil.loop.progress import Watcher, ignore_progress
from hil.loop.train_state import TrainState
from hil.process import Stop, limit_blas_threads
from hil.runs import data as run_data
from hil.tasks import Data
from hil.tasks.samples import Samples
from hil.trust import open_device

if TYPE_CHECKING:
    from drivers import Device
    from hil.config import Config
    from hil.loop.defaults import Choice
    from hil.runs.folder import Arrays
    from hil.tasks.preparation import Preparation

Blame = Callable[[], AbstractContextManager[None]]
"""Makes a context that says which file is at fault where arrays do not fit."""


class MemorySink:
    """Keeps the last checkpoint of a training in memory, and no file.

    Attributes:
        checkpoint: Its arrays by name; empty before the first.
    """

    def __init__(self) -> None:
        """Begin without a checkpoint."""
        self.checkpoint: Arrays = {}

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        """Replace the checkpoint."""
        self.checkpoint = {name: np.asarray(array) for name, array in arrays.items()}

    def save_metrics(self, rows: object) -> None:
        """Do nothing: metrics are in the checkpoint, too."""


@dataclass(frozen=True)
class TestOutcome:
    """Answers of a network on a device to labelled samples.

    Attributes:
        predicted: Class that each sample was answered by, `(N,)`; or outputs, `(N, K)`.
        score: How many were answered right, or how far outputs are from their targets.
        costs: What the device paid for one sample, as `costs.average_inference` names it.
    """

    __test__ = False  # no test of pytest

    predicted: NDArray[Any]
    score: Score | Fit
    costs: dict[str, float | None]


@dataclass(eq=False)
class Session:
    """A network on an open device, configured and ready for its weights. Close it after use.

    Attributes:
        config: The complete configuration.
        data: The samples, or how they are prepared.
        device: The open device, which states what was measured of it, too.
        facts: What was measured of it, by the names of `DeviceInfo`.
        choices: What of the configuration was chosen by what the device states.
        initial: Arrays that the network begins with: weights `weights/N`, delays, and ways that
            feedback follows; None where it draws its own.
        controller: Runs the network on the device.
    """

    config: Config
    data: Data | Preparation
    device: Device
    facts: Mapping[str, unstated.Value]
    choices: tuple[Choice, ...]
    initial: Mapping[str, NDArray[Any]] | None
    controller: Controller

    def __post_init__(self) -> None:
        """Own nothing yet that is to be closed."""
        self._resources = ExitStack()
        self._recording: Path | None = None

    @classmethod
    def open(
        cls,
        config: Config,
        data: Data | Preparation,
        open_settings: Collection[str] = (),
        *,
        address: str | None = None,
        record: str | Path | None = None,
        facts: Mapping[str, Any] | None = None,
        initial: Mapping[str, NDArray[Any]] | None = None,
        blame: Blame | None = None,
        began_on: Mapping[str, str] | None = None,
    ) -> Session:
        """Open a device and put a network on it; no weight is written yet.

        Where something does not fit, the device is closed again and no recording is left.

        Args:
            config: The configuration.
            data: The samples, or how they are prepared.
            open_settings: What of it the device may choose, as `find_open_settings` gives it.
            address: Address of another device than that of the configuration, which the user named.
            record: File to record the session with the device to.
            facts: What was measured of the device before; None measures what it does not state.
            initial: Arrays that the network begins with; None takes those that `config.start`
                names, or draws them.
            blame: Says what is at fault where given arrays do not fit.
            began_on: The device that it has to be, `name` and `serial`; any when None.

        Raises:
            UntrustedCode: When the device takes code that nobody trusts.
            ValueError: When the configuration does not fit, or the recording exists already.
            DeviceError: When there is no such device, or it has no room for the network.
        """
        if record is not None:
            check_free(record)
        with ExitStack() as stack:
            stack.enter_context(limit_blas_threads())
            device = stack.enter_context(open_device(config, device=address))
            _check_identity(device, began_on)
            facts = unstated.measure_unstated(device) if facts is None else facts
            device = unstated.complete_device(device, facts)
            if record is not None:
                device = stack.enter_context(Recorded(device, record))
            try:
                session = cls.on_device(device, config, data, open_settings, initial, blame)
            except BaseException:
                stack.close()
                if record is not None:
                    Path(record).unlink()
                raise
            session.facts, session._resources = facts, stack.pop_all()
            session._recording = None if record is None else Path(record)
            return session

    @classmethod
    def on_device(
        cls,
        device: Device,
        config: Config,
        data: Data | Preparation,
        open_settings: Collection[str] = (),
        initial: Mapping[str, NDArray[Any]] | None = None,
        blame: Blame | None = None,
    ) -> Session:
        """Put a network on a device that is open, and stays so; arguments and errors as `open`."""
        config, choices, initial = _resolve(config, open_settings, device, data, initial)
        controller = Controller.open(config, device, data.spec, initial)
        if initial is not None:
            with blame() if blame else name_source(f"start = {config.start}", kind=ValueError):
                controller.load_weights(initial)
        return cls(config, data, device, {}, choices, initial, controller)

    def close(self) -> None:
        """Close the device, its model where the rule has one, and the recording."""
        if self.controller.model is not None:
            self.controller.model.device.close()
        self._resources.close()

    @contextmanager
    def close_on_error(self, *, unrecorded: bool = False) -> Iterator[None]:
        """Close the device where something fails in the context.

        Args:
            unrecorded: Whether no recording is left then, either, since nothing was done.
        """
        try:
            yield
        except BaseException:
            self.close()
            if unrecorded and self._recording is not None:
                self._recording.unlink()
            raise

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the device."""
        self.close()

    # -- training -----------------------------------------------------------------------------

    def begin(self) -> tuple[TrainState, list[Choice]]:
        """Write the weights that the network begins with, and bring its layers into range.

        Returns:
            The state of a training at its beginning, and what a few runs before it chose.
        """
        state = TrainState.first(self.controller.layers)
        self.controller.write()
        drawn = self.initial is None
        return state, adjust_initial_response(self.controller, self.samples, state, drawn=drawn)

    def start_training(
        self,
        state: TrainState,
        sink: CheckpointSink,
        watch: Watcher = ignore_progress,
        stop: Stop | None = None,
    ) -> Training:
        """Take up a training at a state; its `run` trains to the last step.

        Args:
            state: Where the training stands; it is moved on.
            sink: Where checkpoints go.
            watch: Called after every batch.
            stop: Says when to stop.
        """
        return Training(sink, self.controller, self.samples, state, watch, stop or Stop())

    @property
    def samples(self) -> Data:
        """The samples to train and test with."""
        assert isinstance(self.data, Data), "a session for new samples has no others"
        return self.data

    # -- testing ------------------------------------------------------------------------------

    def test(
        self,
        x: Samples,
        y: NDArray[Any],
        watch: Callable[[int, int], None] | None = None,
        metrics: Sequence[Mapping[str, Any]] | None = None,
        stream: streams.Stream = "test",
    ) -> TestOutcome:
        """Classify labelled samples with the weights that the device holds.

        Args:
            x: The samples, prepared.
            y: Class of each, `(N,)`; or real targets, `(N, K)`.
            watch: Called with batches done and batches in all, after every batch.
            metrics: Those of the epochs of the training, which know the rates of hidden layers;
                None has them seen or estimated in one more batch, which is no part of the costs.
            stream: Stream of its randomness.
        """
        counted, config = self.controller.supervised.costs, self.config
        before = replace(counted.usage)
        predicted, logits, _ = self.controller.classify(x, stream, 0, watch)
        used = counted.usage - before
        if metrics is None:
            first = x[: config.training.batch]
            hidden = observe_batch(self.controller, first, 0, 0).hidden
            metrics = [{"hidden_rates": [float(rate.mean()) for rate in hidden]}]
        paid = costs.average_inference(
            used, self.device.network, config.network.steps, metrics, self.device.info.energy
        )
        if y.ndim == 2:
            return TestOutcome(logits, Fit.of(logits, y), paid)
        return TestOutcome(predicted, Score.of(predicted, y), paid)


def _check_identity(device: Device, began_on: Mapping[str, str] | None) -> None:
    """Refuse another device than a training began on, as far as both say which they are."""
    now = device.info.identity
    if began_on is None:
        return
    named = bool(now.serial and began_on["serial"])
    if now.name == began_on["name"] and (now.serial == began_on["serial"] or not named):
        return
    raise ValueError(
        f"this began on {began_on['name']} {began_on['serial']}, and at its address is "
        f"{now.name} {now.serial} now: connect that one, or go on here with hil resume "
        "--other-device, or test here with hil evaluate --device"
    )


def _resolve(
    config: Config,
    open_settings: Collection[str],
    device: Device,
    data: Data | Preparation,
    initial: Mapping[str, NDArray[Any]] | None,
) -> tuple[Config, tuple[Choice, ...], Mapping[str, NDArray[Any]] | None]:
    """Choose what nobody set, and find the weights to begin with where `config.start` has them."""
    config, choices = resolve_defaults(config, open_settings, device.info, data)
    if initial is not None or not config.start:
        return config, choices, initial
    config, initial, more = load_initial_weights(config, device.info, data)
    return config, (*choices, *more), initial


def resolve_config(sections: Mapping[str, Any]) -> Config:
    """The configuration of a run that starts from what it names, as its device resolves it.

    Args:
        sections: What was asked for.

    Raises:
        ValueError: When it does not make a configuration, or the device cannot have it.
        DeviceError: When there is no such device.
    """
    config = configuration.build(sections)
    data = run_data.load_for(config)
    with open_device(config) as device:
        return _resolve(config, find_open_settings(sections, starts=True), device, data, None)[0]


def open_deployed(
    config: Config,
    checkpoint: Arrays,
    data: Data | Preparation,
    address: str | None = None,
    record: str | Path | None = None,
    blame: Blame | None = None,
    began_on: Mapping[str, str] | None = None,
) -> Session:
    """Open a device with a trained network on it.

    Args:
        config: The configuration that it was trained with.
        checkpoint: Arrays that the training left.
        data: Samples that it will see, or how they are prepared.
        address: Address of the device; None takes that of the training, exactly as it was left.
        record: File to record the session with the device to.
        blame: Says what is at fault where the checkpoint does not fit.
        began_on: That of the training, `name` and `serial`, where it is known.

    Raises:
        ValueError: When the checkpoint does not fit.
        DeviceError: When the device fails or has no room for the network.
    """
    settings = FORCED if address else ()
    fixed = _without_learning(config)
    session = Session.open(
        fixed,
        data,
        settings,
        address=address,
        record=record,
        facts={},
        initial=checkpoint,
        blame=blame,
        began_on=None if address else began_on,
    )
    controller = session.controller
    with session.close_on_error(), blame() if blame else nullcontext():
        if address is not None or not controller.supervised.restore(checkpoint):
            controller.write()
    return session


def _without_learning(config: Config) -> Config:
    """The configuration of a network that learns no more: its rule need not be there."""
    estimator = config.activity.estimator
    kept = estimator if estimator in rate_estimators.names() else "auto"
    return config.model_copy(
        update={
            "rule": {"name": "output_only"},
            "activity": config.activity.model_copy(update={"estimator": kept}),
        }
    )
