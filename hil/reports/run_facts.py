"""Facts about one run for the pages of runs: its settings as text, its time by part, its costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.config import Config
    from hil.tasks.events import Binning
    from hil.tasks.preparation import Preparation

FEATURES = 50  # features whose range is shown, at most
PAID = {
    "runs": "runs of a batch",
    "samples": "samples",
    "input_events": "events of the input",
    "spikes": "spikes of neurons",
    "synaptic_events": "synaptic events",
    "line_bytes": "bytes on the line",
    "write_calls": "writes of a projection",
    "cell_writes_mean": "writes of a cell, mean",
    "cell_writes_max": "writes of a cell, most",
}


@dataclass(frozen=True)
class Paid:
    """One thing that a device pays, for one sample and for the training, as text."""

    what: str
    inference: str
    training: str


def settings(config: Config) -> dict[tuple[str, str], str]:
    """Every setting as text.

    Args:
        config: A complete configuration.

    Returns:
        Text by section and key; the section of those that have none is `run`.
    """
    texts: dict[tuple[str, str], str] = {}
    for name, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            texts |= {(name, key): _text(item) for key, item in value.items()}
        else:
            texts["run", name] = _text(value)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items()) or "as it comes"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def summary(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to see of the result of a training or an evaluation, row by row."""
    low, high = result["test_accuracy_ci95"]
    shown = [
        ("task", str(result["task"])),
        ("device", str(result["device"])),
    ]
    if result.get("on"):
        shown.insert(1, ("samples of", str(result["on"])))
    if "rule" in result:
        shown.append(("rule", f"{result['rule']} (observes {result['observe']})"))
    accuracy = f"{100 * result['test_accuracy']:.2f} %"
    shown.append(("test accuracy", f"{accuracy}  (95 %: {100 * low:.2f} to {100 * high:.2f})"))
    if result.get("classes_out_of_balance") or result.get("on"):
        shown += [
            ("balanced accuracy", f"{100 * result['balanced_accuracy']:.2f} %"),
            ("majority's share", f"{100 * result['majority_share']:.2f} %  (one class alone)"),
        ]
    if result.get("on"):
        shown += _answers(result["classes"], result["confusion"])
    if result.get("trained_accuracy") is not None:
        trained = f"{100 * result['trained_accuracy']:.2f} %  (on {result['trained_on']})"
        shown.append(("as trained", trained))
    if "train_seconds" not in result:
        shown.append(("an inference", inference(result["costs"])))
        shown += [("noticed", finding["text"]) for finding in result["findings"]]
    if "train_seconds" in result:
        shown += [
            (
                "training",
                f"{result['train_seconds']:.1f} s  (device {result['device_seconds']:.1f}, "
                f"host {result['host_seconds']:.1f}, transfer {result['transfer_seconds']:.1f})",
            ),
            ("speed", f"{result['samples_per_second']:.0f} samples/s"),
        ]
    return shown


def _answers(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[tuple[str, str]]:
    """What the samples of each class were answered by, the most frequent answer first."""
    rows = []
    for name, row in list(zip(classes, confusion, strict=True))[:FEATURES]:
        answers = sorted(zip(row, classes, strict=True), key=lambda pair: -pair[0])
        told = ", ".join(f"{count} {answer}" for count, answer in answers if count)
        rows.append((f"answers to {name}", told or "no such sample"))
    return rows


def class_names(preparation: Preparation | None, classes: int) -> list[str]:
    """What each class is called: its number, where nothing better is known.

    Args:
        preparation: That of the run, where there is one.
        classes: Number of classes.
    """
    if preparation is not None and preparation.classes == classes:
        return [str(name) for name in preparation.class_names]
    return [str(number) for number in range(classes)]


def inputs(preparation: Preparation) -> str:
    """What a sample is and how its features are scaled, in a phrase."""
    image = preparation.image_shape
    what = f"{preparation.features} features"
    if preparation.steps is not None:
        channels = f"{preparation.features} channel" + "s" * (preparation.features > 1)
        what = f"signals of up to {preparation.steps} steps in {channels}"
    if preparation.binning is not None:
        return _counted(preparation.binning)
    if image is not None:
        what = f"images of {image[0]} by {image[1]}"
        what += f" with {image[2]} channels" if len(image) == 3 else ""
    if not preparation.is_scaling:
        return f"{what}, as they come"
    of = "each feature" if image is None else "all pixels"
    of = of if preparation.steps is None else "each channel"
    return f"{what}, scaled to [0, 1] by the range of {of} in the training part"


def _counted(binning: Binning) -> str:
    """How records of events became steps and channels, and what that lost."""
    start = "the first event of each" if binning.from_first_event else "0"
    return (
        f"records of events in {binning.channels} channels, in {binning.steps} bins of "
        f"{binning.width:.4g} from {start}, in the unit of their times; "
        f"{100 * binning.merged:.2g} % of the events share a bin with another one, and are lost"
    )


def ranges(preparation: Preparation) -> list[tuple[str, str]]:
    """The range of the features that became [0, 1], by name; one row for all pixels of images."""
    if not preparation.is_scaling:
        return []
    low, high = preparation.low[:FEATURES], preparation.high[:FEATURES]
    texts = [f"{a:.6g} to {b:.6g}" for a, b in zip(low, high, strict=True)]
    if preparation.image_shape is not None:
        return [("all pixels", texts[0])]
    names = [str(n) for n in preparation.feature_names] or [
        f"{'feature' if preparation.steps is None else 'channel'} {number}"
        for number in range(len(low))
    ]
    rows = list(zip(names[: len(texts)], texts, strict=True))
    left = preparation.features - len(rows)
    return rows + ([(f"{left} more", "in preparation.npz")] if left else [])


def time_by_part(metrics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Training time of all epochs so far.

    Args:
        metrics: Metrics of each finished epoch.

    Returns:
        Seconds in the device, on the host and in transfer.
    """
    return {
        part: sum(row[f"{part}_seconds"] for row in metrics)
        for part in ("device", "host", "transfer")
    }


def inference(costs: Mapping[str, Mapping[str, float | None]]) -> str:
    """What the device paid for one sample, in a line.

    Args:
        costs: `costs` of a result.
    """
    found = costs["inference"]
    return ", ".join(f"{PAID[key]} {_amount(found[key])}" for key in PAID if key in found)


def paid(costs: Mapping[str, Mapping[str, float | None]]) -> list[Paid]:
    """What the device paid, thing by thing.

    Args:
        costs: `costs` of a result.
    """
    one = {"samples": 1.0, **costs["inference"]}
    return [
        Paid(
            what,
            _amount(one[key]) if key in one else "",
            _amount(costs["training"][key]),
        )
        for key, what in PAID.items()
    ]


def _amount(value: float | None) -> str:
    """A number to be read: whole and in groups of three digits, or with three digits in all."""
    if value is None:
        return "not known"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"
