"""`SpikingClassifier`: a network trained on a device, as an estimator of scikit-learn.

What it shares with `hil.regressor.SpikingRegressor` is `SpikingEstimator`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from drivers.contract.arrays import select_prefix
from hil import config as configuration
from hil import streams
from hil.api import as_layer
from hil.extensions import Trust, name_objects
from hil.loop.defaults import find_open_settings
from hil.loop.evaluation import score_samples
from hil.loop.progress import display_progress, ignore_progress
from hil.loop.session import MemorySink, Session, open_deployed
from hil.runs.folder import BEST, Arrays
from hil.tasks import ARRAYS, Data, SampleSet
from hil.tasks.preparation import Preparation, name_classes
from hil.tasks.task import FEW_SIGNALS, split_off, suggest_settings

ENDLESS = 1 << 40  # steps of a training whose end nobody knows

# What `sklearn.utils.estimator_checks.check_estimator` asks for and cannot be held: by what learns
# in batches, and by a noisy chip.
_BATCHES = "a weight of 2 doubles the loss of a sample, which is shown once an epoch all the same"
_NOISE = "the samples of a batch are answered one after the other by a chip whose noise goes on"
EXPECTED_FAILED_CHECKS: Mapping[str, str] = {
    "check_sample_weight_equivalence_on_dense_data": _BATCHES,
    "check_methods_subset_invariance": _NOISE,
    "check_methods_sample_order_invariance": _NOISE,
}


class SpikingEstimator(BaseEstimator):  # type: ignore[misc]
    """A spiking network, trained on a device in the loop, whatever its outputs stand for.

    Features are scaled by their range in the training samples, unless all of these lie in [0, 1]
    and take up half of it.

    Attributes:
        n_features_in_: Number of features.
        feature_names_in_: `(n,)` their names, where they were given.
        config_: The complete configuration, by section.
        checkpoint_: What the training left, by name: weights asked for and stored, and all that the
            device remembers.
        steps_: Steps of learning from batches since the last `fit`.
        online_prediction_: What `fit_batches` answered to each sample before it learned from it.
        estimator_: Estimator of hidden rates, where it is not the first one; else empty.
        preparation_: What was fitted to the features, by name.
    """

    def __init__(
        self,
        device: str = "emulator:mixed-signal",
        rule: str | Mapping[str, Any] = "adfa",
        *,
        hidden: Sequence[int] | None = None,
        epochs: int | None = None,
        settings: Mapping[str, Any] | None = None,
        layout: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: bool = False,
    ) -> None:
        """Set what is to be trained; nothing is checked or opened before `fit`.

        Args:
            device: Address of the device.
            rule: Name of the learning rule, or its section, e.g. `{"name": "adfa", "g": "tanh"}`.
            hidden: Neurons of each hidden layer; what suits the number of features when None.
            epochs: Passes over the samples; what suits their number when None.
            settings: Any other part of the configuration, e.g. `{"network": {"steps": 30}}`.
            layout: What the axes of a sample are, `TC` or `CT` of signals, `HW` of images and the
                like; None for features.
            random_state: Seed of everything on the host.
            warm_start: Whether `fit` starts from the weights and the scaling of the last one.
            verbose: Whether `fit` shows on standard error how far it is.
        """
        self.device = device
        self.rule = rule
        self.hidden = hidden
        self.epochs = epochs
        self.settings = settings
        self.layout = layout
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train a network on the device; no folder is left.

        Args:
            X: Features, `(N, n)`, or `(N, ...)` as `layout` says.
            y: Labels, `(N,)`; or real targets, `(N,)` or `(N, K)`.
            sample_weight: Factor of the loss of each sample, `(N,)`, beside that of its class; 1
                when None. A sample of 0 is left out.

        Returns:
            The estimator itself.

        Raises:
            ValueError: When samples or settings cannot be used.
            DeviceError: When the device fails.
        """
        x, targets = self._validate(X, y)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(
                sample_weight, x, dtype=np.float32, ensure_non_negative=True
            )
            kept = weights > 0
            x, targets, weights = x[kept], targets[kept], weights[kept]
        is_warm = self.warm_start and hasattr(self, "checkpoint_")
        if not is_warm:
            self._fit(x, targets)
        own, trust = self._settings(int(check_random_state(self.random_state).randint(2**31 - 1)))
        size = self._read(x).size
        sink, initial = MemorySink(), self.checkpoint_ if is_warm else None
        with trust.in_force(), display_progress() if self.verbose else nullcontext() as watch:
            config = configuration.build(suggest_settings(size), own)
            # Nothing else needs samples to validate with.
            share = config.training.validation_fraction if config.training.patience else 0.0
            data = self._data(x, targets, share, own["seed"], config.training.carry)
            data = replace(data, weights_train=weights)
            with Session.open(config, data, find_open_settings(own), initial=initial) as session:
                state, _ = session.begin()
                session.start_training(state, sink, watch or ignore_progress).run()
        self.steps_, self.estimator_ = 0, state.estimator
        self._keep(session, select_prefix(sink.checkpoint, BEST) or sink.checkpoint)
        return self

    def _learn(self, batches: Iterable[Any], *classes: NDArray[Any]) -> Self:
        """Go once through batches, in one session of the device; see `fit_batches`."""
        with ExitStack() as stack:
            session: Session | None = None
            answers: list[NDArray[np.float32]] = []
            is_first = not hasattr(self, "checkpoint_")
            for pair in batches:
                if not isinstance(pair, tuple | list) or len(pair) != 2:
                    raise ValueError("batches: one is no pair: give pairs (X, y)")
                X, y = pair
                reset = is_first and session is None
                x, targets = self._validate(X, y, reset=reset)
                if reset:
                    self._fit(x, targets, *classes)
                if session is None:
                    session = self._take_up(x, targets, is_first, stack)
                rows, size = self._preparation.apply(x, "X"), session.config.training.batch
                asked = self._encode(targets)
                if session.config.training.carry and len(asked) != size:
                    raise ValueError(
                        f"training.carry: a batch has {len(asked)} samples: give training.batch = "
                        f"{size}, the next one of as many series"
                    )
                for start in range(0, len(asked), size):
                    part = slice(start, start + size)
                    batch = session.samples.batch(rows[part])
                    progress = self.steps_ / ENDLESS
                    report = session.controller.step(batch, asked[part], self.steps_, progress)
                    answers.append(report.outputs)
                    self.steps_ += 1
            if session is not None:
                self._keep(session, session.controller.state())
        if session is None:
            raise ValueError("batches: there is none: give pairs (X, y)")
        self.online_prediction_ = self._answer(np.concatenate(answers))
        return self

    def _take_up(
        self, x: NDArray[Any], targets: NDArray[Any], is_first: bool, stack: ExitStack
    ) -> Session:
        """Open a session to learn from batches in, as the last one ended."""
        own, trust = self._settings(int(check_random_state(self.random_state).randint(2**31 - 1)))
        stack.enter_context(trust.in_force())
        constant = {"optimiser": {"schedule": "constant"}}
        if is_first:
            size = self._read(x).size  # of the first batch: how many more come is not known
            suited = suggest_settings(replace(size, samples=max(size.samples, FEW_SIGNALS)))
            batch = {"training": {"batch": min(len(x), 100)}}
            config = configuration.build(suited, batch, own, constant)
            opened, initial = find_open_settings(own), None
        else:
            config = configuration.parse_record(configuration.merge_layers(self.config_, constant))
            opened, initial = frozenset[str](), self.checkpoint_
        session = stack.enter_context(
            Session.open(config, self._data(x, targets), opened, initial=initial)
        )
        if is_first:
            state, _ = session.begin()
            self.steps_, self.estimator_ = 0, state.estimator
        else:
            session.controller.restore(self.checkpoint_)
        if self.estimator_:
            session.controller.observer.use(self.estimator_)
        session.controller.forget_series()
        return session

    def _validate(
        self, X: ArrayLike, y: ArrayLike, *, reset: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Check samples and their targets, and note what samples are like where they are first."""
        raise NotImplementedError

    def _name_outputs(
        self, targets: NDArray[Any], *classes: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        """Name what outputs stand for by the first targets, or by classes, for a preparation."""
        raise NotImplementedError

    def _answer(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        """Give what scores stand for, as `predict` does."""
        raise NotImplementedError

    def _encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Encode targets as what the outputs are to give, as `Data` has it."""
        raise NotImplementedError

    def _read(self, x: NDArray[Any]) -> SampleSet:
        given = {"x_train": x, "y_train": np.zeros(len(x), np.int64)}
        given |= {} if self.layout is None else {"layout": np.asarray(self.layout)}
        return SampleSet.read(given)

    def _fit(self, x: NDArray[Any], targets: NDArray[Any], *classes: NDArray[Any]) -> None:
        """Fit the preparation."""
        samples = self._read(x)
        parts, names = {"x_train": samples.x["train"]}, self._name_outputs(targets, *classes)
        fitted = Preparation.fit(parts, samples.layout, samples.bins, **names)
        self.preparation_ = fitted.as_json()

    @property
    def _preparation(self) -> Preparation:
        return Preparation.from_json(self.preparation_, "preparation_")

    def _data(
        self,
        x: NDArray[Any],
        targets: NDArray[Any],
        share: float = 0.0,
        seed: int = 0,
        in_order: bool = False,
    ) -> Data:
        """The data of a training, a share of them to validate with."""
        prepared, asked = self._preparation, self._encode(targets)
        rows = prepared.apply(x, "x_train")
        rng = None if in_order else streams.generator(seed, "split")
        return Data(
            **split_off(rows, asked, share, rng),
            x_test=rows[:0],
            y_test=asked[:0],
            classes=prepared.classes,
            image_shape=prepared.image_shape,
            fitted=prepared,
        )

    def _keep(self, session: Session, checkpoint: Arrays) -> None:
        """Keep what a training left, apart from what goes on."""
        self.checkpoint_ = {name: np.array(array) for name, array in checkpoint.items()}
        self.config_ = session.config.model_dump(mode="json")

    def _settings(self, seed: int = 0) -> tuple[dict[str, Any], Trust]:
        """The parameters by section; a program named them, so their code runs."""
        own = as_layer(
            task=ARRAYS,
            device=self.device,
            rule=self.rule,
            seed=seed,
            network=None if self.hidden is None else {"hidden": list(self.hidden)},
            training=None if self.epochs is None else {"epochs": self.epochs},
        )
        objects: dict[str, object] = {}
        sections = name_objects(
            configuration.merge_layers(as_layer(**self.settings or {}), own), objects
        )
        return sections, Trust(everything=True, given=objects)

    def _scores(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        nd = self.layout is not None
        x = validate_data(self, X, dtype=np.float64, allow_nd=nd, reset=False)
        prepared = self._preparation
        _, trust = self._settings()
        config = configuration.parse_record(self.config_)
        with trust.in_force(), open_deployed(config, self.checkpoint_, prepared) as session:
            return score_samples(session.controller, prepared.apply(x, "X"))[0]


class SpikingClassifier(ClassifierMixin, SpikingEstimator):  # type: ignore[misc]
    """A spiking network that classifies, trained on a device in the loop: see `SpikingEstimator`.

    Attributes:
        classes_: `(C,)` the labels, ascending.
    """

    def __init__(
        self,
        device: str = "emulator:mixed-signal",
        rule: str | Mapping[str, Any] = "adfa",
        *,
        class_weight: str | Mapping[Any, float] | None = None,
        hidden: Sequence[int] | None = None,
        epochs: int | None = None,
        settings: Mapping[str, Any] | None = None,
        layout: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: bool = False,
    ) -> None:
        """Set what is to be trained; nothing is checked or opened before `fit`.

        Args:
            device: As for `SpikingEstimator`, with those below.
            rule: Learning rule.
            class_weight: `balanced`, or the factor of the loss of each class by its label; 1 when
                None.
            hidden: Neurons of each hidden layer.
            epochs: Passes over the samples.
            settings: Any other part of the configuration.
            layout: What the axes of a sample are.
            random_state: Seed of everything on the host.
            warm_start: Whether `fit` starts from the last one.
            verbose: Whether `fit` shows how far it is.
        """
        super().__init__(
            device,
            rule,
            hidden=hidden,
            epochs=epochs,
            settings=settings,
            layout=layout,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Learn once from further samples: `fit_batches` of them alone.

        Args:
            X: Features, `(N, n)`, or `(N, ...)` as `layout` says.
            y: Labels, `(N,)`.
            classes: All labels that there will be; needed in the first call.
        """
        return self.fit_batches([(X, y)], classes)

    def fit_batches(self, batches: Iterable[Any], classes: ArrayLike | None = None) -> Self:
        """Go once through batches, such as those of a `DataLoader`, in one session of the device.

        A call goes on where the last one, or `fit`, ended; the learning rate stays constant. One
        batch is held in memory at a time. The first of all decides how features are scaled and
        which settings suit; one of more than `training.batch` samples is learned from in parts.
        With `training.carry` a batch is the next sample of as many series, which begin from reset.

        Args:
            batches: Gives pairs `(X, y)`.
            classes: All labels that there will be; needed in the first call.

        Raises:
            ValueError: When there is no batch, or samples or settings cannot be used.
            DeviceError: When the device fails.
        """
        if hasattr(self, "checkpoint_"):
            if classes is not None and not np.array_equal(
                np.unique(np.asarray(classes)), self.classes_
            ):
                raise ValueError("classes: others than those of the first call: leave them out")
            return self._learn(batches)
        if classes is None:
            raise ValueError("classes: give all labels that there will be")
        return self._learn(batches, np.unique(np.asarray(classes)))

    def _validate(
        self, X: ArrayLike, y: ArrayLike, *, reset: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        nd = self.layout is not None
        x, labels = validate_data(self, X, y, dtype=np.float64, allow_nd=nd, reset=reset)
        check_classification_targets(labels)
        return x, labels

    def _name_outputs(
        self, targets: NDArray[Any], *classes: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        labels = classes[0] if classes else np.unique(targets)
        if len(labels) < 2:
            raise ValueError(f"y holds 1 class alone, {labels[0]!r}: give at least 2 classes")
        self.classes_ = labels
        return name_classes(np.arange(len(labels)))

    def _encode(self, targets: NDArray[Any]) -> NDArray[np.int64]:
        unknown = np.setdiff1d(targets, self.classes_)
        if len(unknown):
            raise ValueError(f"y holds {unknown[0]!r}, which is none of the classes")
        return np.searchsorted(self.classes_, targets).astype(np.int64)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The label of each sample, `(N,)`: that of the largest score.

        Args:
            X: Features, `(N, n)`.
        """
        return self._answer(self._scores(X))

    def _answer(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        labels: NDArray[Any] = self.classes_[scores.argmax(axis=1)]
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """The softmax of the scores, `(N, C)`, which is what cross-entropy trained.

        Args:
            X: Features, `(N, n)`.
        """
        shares: NDArray[np.float64] = softmax(self._scores(X).astype(np.float64), axis=1)
        return shares

    def decision_function(self, X: ArrayLike) -> NDArray[np.float32]:
        """The scores: logits `(N, C)`, and of two classes their difference `(N,)`.

        Args:
            X: Features, `(N, n)`.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def _settings(self, seed: int = 0) -> tuple[dict[str, Any], Trust]:
        sections, trust = super()._settings(seed)
        weights = self._weights()
        own = {} if weights is None else {"training": {"class_weight": weights}}
        return configuration.merge_layers(sections, own), trust

    def _weights(self) -> str | dict[str, float] | None:
        """The weights of the classes by their numbers, which is what is trained on."""
        if not isinstance(self.class_weight, Mapping):
            return self.class_weight
        numbers = {label: str(number) for number, label in enumerate(self.classes_.tolist())}
        wrong = [label for label in self.class_weight if label not in numbers]
        if wrong:
            raise ValueError(
                f"class_weight: {wrong[0]!r} is no class: give some of {[*numbers][:9]}"
            )
        return {numbers[label]: float(each) for label, each in self.class_weight.items()}
