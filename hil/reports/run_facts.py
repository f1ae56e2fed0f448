"""Facts about one run as text: its settings, its samples, its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hil.plain_text import describe_score
from hil.sections.run import inference_costs

if TYPE_CHECKING:
    from hil.config import Config
    from hil.tasks.events import Binning
    from hil.tasks.preparation import Preparation

FEATURES = 50  # features whose range is shown, at most


def settings_as_text(config: Config) -> dict[tuple[str, str], str]:
    """Write every setting as text.

    Args:
        config: A complete configuration.

    Returns:
        Text by section and key; the section of those that have none is `run`.
    """
    texts: dict[tuple[str, str], str] = {}
    for name, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            texts |= {(name, key): format_setting(item) for key, item in value.items()}
        else:
            texts["run", name] = format_setting(value)
    return texts


def format_setting(value: Any) -> str:
    """Write the value of a setting as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items()) or "as it comes"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def summarise(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what a person wants to see of the result of a training or an evaluation, row by row."""
    rows = [
        ("task", str(result["task"])),
        ("device", str(result["device"])),
    ]
    if result.get("on"):
        rows.insert(1, ("samples of", str(result["on"])))
    if "rule" in result:
        rows.append(("rule", f"{result['rule']} (observes {result['observe']})"))
    score = describe_score(result, "test")
    if "test_nrmse" in result:
        rows.append(("test error", f"{score}  (1 is that of saying the mean)"))
    else:
        low, high = result["test_accuracy_ci95"]
        rows.append(("test accuracy", f"{score}  (95 %: {100 * low:.2f} to {100 * high:.2f})"))
    by_class = bool(result.get("on")) and "confusion" in result
    if result.get("classes_out_of_balance") or by_class:
        rows += [
            ("balanced accuracy", f"{100 * result['balanced_accuracy']:.2f} %"),
            ("majority's share", f"{100 * result['majority_share']:.2f} %  (one class alone)"),
        ]
    if by_class:
        rows += _answers_by_class(result["classes"], result["confusion"])
    there = describe_score(result, "trained")
    if there:
        rows.append(("as trained", f"{there}  (on {result['trained_on']})"))
    if "train_seconds" not in result:
        rows.append(("an inference", inference_costs(result["costs"])))
        rows += [("noticed", finding["text"]) for finding in result["findings"]]
    if "train_seconds" in result:
        if result["kept_epoch"] != result["epochs"]:
            rows.append(("kept", f"epoch {result['kept_epoch']} of {result['epochs']}"))
        rows += [
            (
                "training",
                f"{result['train_seconds']:.1f} s  (device {result['device_seconds']:.1f}, "
                f"host {result['host_seconds']:.1f}, transfer {result['transfer_seconds']:.1f})",
            ),
            ("speed", f"{result['samples_per_second']:.0f} samples/s"),
        ]
    return rows


def _answers_by_class(
    classes: Sequence[str], confusion: Sequence[Sequence[int]]
) -> list[tuple[str, str]]:
    """Count the answers to the samples of each class, the most frequent first."""
    rows = []
    for name, row in list(zip(classes, confusion, strict=True))[:FEATURES]:
        answers = sorted(zip(row, classes, strict=True), key=lambda pair: -pair[0])
        counts = ", ".join(f"{count} {answer}" for count, answer in answers if count)
        rows.append((f"answers to {name}", counts or "no such sample"))
    return rows


def class_names(preparation: Preparation | None, classes: int) -> list[str]:
    """Name each class: by its number, where nothing better is known.

    Args:
        preparation: That of the run, where there is one.
        classes: Number of classes.
    """
    if preparation is not None and preparation.classes == classes:
        return [str(name) for name in preparation.class_names]
    return [str(number) for number in range(classes)]


def describe_inputs(preparation: Preparation) -> str:
    """Say what a sample is and how its features are scaled, in a phrase."""
    image = preparation.image_shape
    what = f"{preparation.features} features"
    if preparation.steps is not None:
        channels = f"{preparation.features} channel" + "s" * (preparation.features > 1)
        what = f"signals of up to {preparation.steps} steps in {channels}"
    if preparation.binning is not None:
        return _describe_binning(preparation.binning)
    if image is not None:
        what = f"images of {image[0]} by {image[1]}"
        what += f" with {image[2]} channels" if len(image) == 3 else ""
    if not preparation.is_scaling:
        return f"{what}, as they come"
    of = "each feature" if image is None else "all pixels"
    of = of if preparation.steps is None else "each channel"
    return f"{what}, scaled to [0, 1] by the range of {of} in the training part"


def _describe_binning(binning: Binning) -> str:
    """Say how records of events became steps and channels, and what that lost."""
    start = "the first event of each" if binning.from_first_event else "0"
    return (
        f"records of events in {binning.channels} channels, in {binning.steps} bins of "
        f"{binning.width:.4g} from {start}, in the unit of their times; "
        f"{100 * binning.merged:.2g} % of the events share a bin with another one, and are lost"
    )


def input_ranges(preparation: Preparation) -> list[tuple[str, str]]:
    """List the range of the features that became [0, 1]; one row for all pixels of images."""
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
    return rows + ([(f"{left} more", "in preparation.json")] if left else [])
