"""A finished run as a program and a notebook see it: figures, answers to new samples, weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.extensions import NOBODY, Trust

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
    from pandas import DataFrame

    from hil.runs.folder import Run
    from hil.tasks.preparation import Preparation
    from hil.tasks.samples import Samples


class Metrics(list[dict[str, Any]]):
    """The metrics of each epoch, a dictionary for each: docs/run_folder.md says what they mean."""

    def to_frame(self) -> DataFrame:
        """Make a DataFrame, a row for each epoch, named by its number."""
        from pandas import DataFrame

        return DataFrame(self).set_index("epoch")


@dataclass(frozen=True, repr=False)
class Result:
    """A finished run.

    Attributes:
        path: The run folder.
        figures: All of `result.json`.
        not_shown: What of its page could not be made, and why; all else is written.
        trust: Which code of the run may run.
    """

    path: Path
    figures: dict[str, Any]
    not_shown: tuple[str, ...] = ()
    trust: Trust = NOBODY

    @property
    def test_accuracy(self) -> float:
        """Share of test samples classified right."""
        return self._figure("test_accuracy")

    @property
    def test_nrmse(self) -> float:
        """Root mean square error of numbers for the test samples, in their standard deviations."""
        return self._figure("test_nrmse")

    def _figure(self, name: str) -> float:
        if name not in self.figures:
            learned = "numbers" if name == "test_accuracy" else "classes"
            raise AttributeError(f"this run learned {learned}: it has no {name}")
        return float(self.figures[name])

    @property
    def report(self) -> Path:
        """The page of the run."""
        return self.path / "report.html"

    def write_figures(self, folder: Path | str) -> list[Path]:
        """Write the figures and tables of the page as files for a paper.

        Args:
            folder: For SVG, PDF, CSV and LaTeX; made where there is none.

        Returns:
            The files.

        Raises:
            OSError: When one cannot be written.
        """
        from hil.reports.figure_files import write_run_figures

        with self.trust.in_force():
            return write_run_figures(self._run, Path(folder))

    @property
    def classes(self) -> NDArray[Any]:
        """The label of each class, `(C,)`: columns of `scores` are in this order."""
        return self._preparation.labels

    def predict(self, x: ArrayLike, device: str | None = None) -> NDArray[Any]:
        """Classify new samples on the device, which is opened for it.

        Args:
            x: `(N, n)`, or `(N, height, width)` for images, as the network was trained with: they
                are scaled as its training samples were.
            device: Address of another device to deploy the weights on; the run's own when None.

        Returns:
            `(N,)` labels, of the kind that was given to train with; or the numbers that were
            learned, `(N,)` of one output, else `(N, K)`.

        Raises:
            ValueError: When these are no such samples.
            DeviceError: When the device fails.
        """
        scores, prepared = self.scores(x, device), self._preparation
        if prepared.is_real:
            numbers = prepared.read_outputs(scores)
            return numbers[:, 0] if prepared.classes == 1 else numbers
        labels: NDArray[Any] = self.classes[scores.argmax(axis=1)]
        return labels

    def predict_file(
        self, file: str, device: str | None = None, watch: Callable[[int, int], None] | None = None
    ) -> DataFrame:
        """Classify the samples of a file, which may tell labels or not.

        Args:
            file: A file such as `new.csv` or `npz:new.npz`, as the network was trained with.
            device: As for `predict`.
            watch: Called with batches done and batches in all, after every batch.

        Returns:
            A row for each sample: `label` and `score CLASS` of each class, or `output K` of each
            number; and `fired`, whether any output fired.

        Raises:
            ValueError: When the file is none, or holds no such samples.
            DeviceError: When the device fails.
        """
        from pandas import DataFrame

        from hil.tasks import own_file

        with self.trust.in_force():
            x = own_file.load_unlabelled(file, self._run.config().task, self._preparation)
        scores, fired = self._answer(x, device, watch)
        prepared = self._preparation
        if prepared.is_real:
            names = [f"output {name}" for name in prepared.class_names]
            return DataFrame(prepared.read_outputs(scores), columns=names).assign(fired=fired)
        names = [f"score {name}" for name in self._preparation.class_names]
        table = DataFrame(scores, columns=names)
        table.insert(0, "label", self.classes[scores.argmax(axis=1)])
        return table.assign(fired=fired)

    def scores(self, x: ArrayLike, device: str | None = None) -> NDArray[np.float32]:
        """The logit of each class for new samples; `predict` gives the largest.

        Args:
            x: As for `predict`.
            device: As for `predict`.

        Returns:
            `(N, C)`: `readout.kappa` times spikes per step, where spikes are what is read.

        Raises:
            ValueError: When these are no such samples.
            DeviceError: When the device fails.
        """
        return self._answer(self._preparation.apply(self._order_columns(x)), device)[0]

    def _order_columns(self, x: Any) -> Any:
        """Bring the columns of a table into the order of the features; others are left out."""
        names, own = self._preparation.feature_names.tolist(), [*getattr(x, "columns", ())]
        if not names or not own or not all(isinstance(name, str) for name in own):
            return x
        if lacking := [name for name in names if name not in own]:
            raise ValueError(f"x lacks {', '.join(lacking[:5])}: give the features by their names")
        return x[names]

    def _answer(
        self, x: Samples, device: str | None, watch: Callable[[int, int], None] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The scores of prepared samples, and whether any output fired."""
        from hil.loop.evaluation import score_samples
        from hil.loop.session import open_deployed

        run, prepared = self._run, self._preparation
        took = {"blame": run.blame_file, "began_on": run.environment()["device"]}
        with (
            self.trust.in_force(),
            open_deployed(run.config(), self._checkpoint, prepared, device, **took) as session,
        ):
            return score_samples(session.controller, x, watch)

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """The weights that the host asked for, `(n_pre, n_post)` of each projection."""
        return self._matrices("weights")

    @property
    def stored_weights(self) -> list[NDArray[np.float32]]:
        """Weights that the device says that it stored, in the same units."""
        return self._matrices("stored")

    @property
    def metrics(self) -> Metrics:
        """Metrics of each epoch."""
        return Metrics(self._run.metrics())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Test samples by class `(C, C)`: a row is what they are, a column what was answered."""
        from hil.runs.records import confusion

        return confusion(self._run.load_snapshot() or {})

    def __repr__(self) -> str:
        """A table, and the path of the page."""
        from hil.reports.run_facts import summarise

        rows = summarise(self.figures)
        width = max(len(name) for name, _ in rows)
        return "\n".join([*(f"{name:{width}}  {value}" for name, value in rows), str(self.report)])

    def _repr_html_(self) -> str:
        from hil.reports.run_page import summary_html

        return summary_html(self._run, self.figures)

    @property
    def _run(self) -> Run:
        from hil.runs.folder import Run

        return Run.open(self.path)

    @cached_property
    def _preparation(self) -> Preparation:
        from hil.runs.data import preparation

        return preparation(self._run)

    @property
    def _checkpoint(self) -> dict[str, NDArray[np.generic]]:
        return self._run.load_trained()

    def _matrices(self, kind: str) -> list[NDArray[np.float32]]:
        from drivers.contract.arrays import select_prefix

        matrices = select_prefix(self._checkpoint, f"{kind}/")
        return [matrices[str(p)].astype("float32") for p in range(len(matrices))]
