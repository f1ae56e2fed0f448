"""Run folders as training leaves them, made without any training."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil import api
from hil.config import Config, build, merge_layers
from hil.runs.folder import Run
from hil.statistics import proportion

INFERENCE = {
    "runs": 0.01,
    "input_events": 123.4,
    "spikes": 45.6,
    "synaptic_events": 2345.6,
    "membrane_updates": 1480,
    "energy": 6.1e-8,
    "line_bytes": 0,
    "read_bits": 130,
}
TRAINING = {
    "runs": 1200,
    "samples": 34567,
    "input_events": 4.5e6,
    "spikes": 1.25e6,
    "synaptic_events": None,
    "membrane_updates": 5.1e7,
    "energy": None,
    "line_bytes": 0,
    "read_bits": 4.5e6,
    "write_calls": 2002,
    "cell_writes_mean": 7.8901,
    "cell_writes_max": 98,
}
NETWORK = {"footprint": 5550.0, "connection_sparsity": 0.02, "activation_sparsity": 0.97}


def epochs(count: int, validation: bool = True, hidden: int = 1) -> list[dict[str, Any]]:
    """Metrics of a run whose time splits 3 : 1 : 1 s an epoch."""
    return [
        {
            "epoch": n + 1,
            "step": 10 * (n + 1),
            "train_loss": 2 / (n + 1),
            "train_accuracy": 1 - 0.5 / (n + 1),
            "validation_accuracy": 1 - 0.6 / (n + 1) if validation else None,
            "train_nrmse": None,
            "validation_nrmse": None,
            "hidden_rates": [0.1 + 0.1 * layer for layer in range(hidden)],
            "output_rate": 0.05,
            "estimator": "crossings",
            "estimator_fit": {"crossings": 0.987},
            "seconds": 5.0,
            "device_seconds": 3.0,
            "host_seconds": 1.0,
            "transfer_seconds": 1.0,
            "costs": TRAINING,
            "findings": [],
        }
        for n in range(count)
    ]


def answers(n: int, classes: int) -> dict[str, NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, n)
    wrong = rng.random(n) < 0.2
    predictions = np.where(wrong, rng.integers(0, classes, n), labels)
    return {"test_labels": labels, "test_predictions": predictions}


def snapshot(
    layers: Sequence[int],
    image: tuple[int, ...] = (),
    tested: int = 100,
    steps: int = 20,
    shown: int = 1,
) -> dict[str, NDArray[Any]]:
    """Arrays as a trained network of these layers might leave them."""
    rng = np.random.default_rng(0)
    classes, depth = layers[-1], len(layers) - 1
    raster = (rng.random((steps, shown, classes)) < 0.2).astype(np.uint8)
    found: dict[str, NDArray[Any]] = {
        **answers(tested, classes),
        "samples": rng.random((shown, layers[0]), dtype=np.float32),
        "sample_labels": rng.integers(0, classes, shown),
        "sample_predictions": rng.integers(0, classes, shown),
        "image_shape": np.asarray(image),
        "output_raster": raster,
        "counts": raster.sum(axis=0).astype(np.int32),
        "membrane_every": np.asarray(1),
    }
    for layer in range(1, depth + 1):
        neurons = min(2, layers[layer])
        found[f"membrane_{layer}"] = rng.normal(0.5, 0.5, (steps, shown, neurons))
    for p, (a, b) in enumerate(pairwise(layers)):
        asked = rng.normal(0, 1, min(20_000, a * b)).astype(np.float32)
        found[f"asked_{p}"], found[f"stored_{p}"] = asked, np.round(np.clip(asked, -2, 2) * 8) / 8
    return found


def result(run: Run, accuracy: float, tested: int, layers: Sequence[int]) -> dict[str, Any]:
    return results(run.config(), accuracy, tested, layers)


def results(config: Config, accuracy: float, tested: int, layers: Sequence[int]) -> dict[str, Any]:
    return {
        "task": config.task,
        "rule": config.rule["name"],
        "observe": config.observe,
        "hidden_membranes": "none",
        "estimator": "crossings",
        "estimator_fit": 0.987,
        "device": config.device,
        "seed": config.seed,
        "layers": list(layers),
        "epochs": config.training.epochs,
        "kept_epoch": config.training.epochs,
        "test_accuracy": accuracy,
        "test_accuracy_ci95": list(proportion(round(accuracy * tested), tested)),
        "balanced_accuracy": 0.9 * accuracy,
        "majority_share": 0.21,
        "classes_out_of_balance": False,
        "validation_accuracy": None,
        "validation_nrmse": None,
        "train_seconds": 50.0,
        "device_seconds": 30.0,
        "transfer_seconds": 10.0,
        "host_seconds": 10.0,
        "costs": {"inference": INFERENCE, "training": TRAINING, "network": NETWORK},
        "findings": [],
        "samples_per_second": 1234.0,
        "peak_rss_mb": 321.0,
    }


def started(path: Path, done: int = 0, **sections: Any) -> Run:
    run = Run.create(path, build(merge_layers({"training": {"epochs": 10}}, sections)))
    run.save_metrics(epochs(done, hidden=len(run.config().network.hidden)))
    return run


def finished(
    path: Path, layers: Sequence[int] = (64, 8, 5), image: tuple[int, ...] = (8, 8), **sections: Any
) -> Run:
    run = started(path, 10, **merge_layers({"network": {"hidden": list(layers[1:-1])}}, sections))
    shown = snapshot(layers, image)
    run.save_snapshot(shown)
    accuracy = float(np.mean(shown["test_labels"] == shown["test_predictions"]))
    run.save_result(result(run, accuracy, len(shown["test_labels"]), layers))
    return run


def reached(path: Path, accuracy: float, **sections: Any) -> Run:
    run = started(path, 2, **sections)
    run.save_result(result(run, accuracy, 1000, (64, 100, 10)))
    return run


def prepare_run(*layers: Mapping[str, Any], **options: Any) -> Run:
    """Make the folder of a run, as `hil.api.prepare` does, and close its session."""
    run, session = api.prepare(*layers, **options)
    session.close()
    return run
