"""Records of a run: what its text files hold, field by field; anything else is refused.

The arrays of its snapshot are held to what they can be, one by one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from drivers import Reduction
from drivers.contract.messages import read_fields
from drivers.errors import FileFormatError, name_source
from drivers.files.bounded import check_schema, parse_json, read_bytes, read_json

LARGEST_METRICS = 16 << 20  # bytes of a file of metrics

Kind = TypeVar("Kind")
# Nothing that is counted or timed comes near.
Amount = Annotated[float, Field(ge=0, le=1e18)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(max_length=10_000)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Correlation = Annotated[float, Field(ge=-1.001, le=1.001)]


class Record(BaseModel):
    """A part of a file; unknown keys are refused, and nothing is turned into something else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ChosenSetting(Record):
    """A setting that was chosen by what the device states."""

    setting: Text
    value: Any
    reason: Text
    kind: Text
    figures: dict[Text, Any]


class DataRecord(Record):
    """The data of a run: their SHA-256, and the absolute paths of the files that they lay in."""

    sha256: Digest
    files: list[Text]


class MachineRecord(Record):
    """The machine and the libraries that something was computed with."""

    python: Text
    platform: Text
    machine: Text
    cores: Count | None
    packages: dict[str, Text]
    blas_threads: Count


class DeviceRecord(Record):
    """The device that a run is trained on, as `Identity` has it, and its state at the end."""

    name: Annotated[str, Field(max_length=20_000)]
    serial: Annotated[str, Field(max_length=20_000)]
    firmware: Text
    protocol: Text
    lab: Text
    flashed: Text
    address: Text
    calibration: Digest | None
    condition: dict[Text, Amount]


class EnvironmentRecord(MachineRecord):
    """`environment.json` of a run; what is None is not known before training begins."""

    version: int
    made: Text
    device: DeviceRecord | None
    measured: dict[Text, Text | bool | float]
    chosen: list[ChosenSetting]
    data: DataRecord | None
    code: dict[str, Digest]


class StudyEnvironmentRecord(MachineRecord):
    """`environment.json` of a study: SHA-256 of its code by name, and of its data by task."""

    code: dict[str, Digest]
    data: dict[str, Digest]


class FindingRecord(Record):
    """Something amiss, in data and in words."""

    kind: Text
    where: Text
    figures: dict[Text, Any]
    remedy: Text
    epoch: Count | None
    is_warning: bool
    headline: Text
    text: Text


class InferenceCosts(Record):
    """Costs of one sample to the device."""

    runs: Amount
    input_events: Amount
    spikes: float | None
    synaptic_events: float | None
    membrane_updates: Amount
    energy: float | None
    line_bytes: Amount
    read_bits: Amount


class TrainingCosts(InferenceCosts):
    """Costs of the training to the device."""

    samples: Amount
    write_calls: Count
    cell_writes_mean: Amount
    cell_writes_max: Count


class NetworkCosts(Record):
    """Size and activity of a trained network."""

    footprint: Amount
    connection_sparsity: Share
    activation_sparsity: float | None


class EpochRecord(Record):
    """One line of `metrics.jsonl`."""

    epoch: Annotated[int, Field(ge=1)]
    step: Count
    train_loss: Annotated[float, Field(ge=-1e30, le=1e30)]
    train_accuracy: Share | None
    train_nrmse: Amount | None
    validation_accuracy: Share | None
    validation_nrmse: Amount | None
    hidden_rates: list[Annotated[float, Field(ge=-1e12, le=1e12)]]
    output_rate: Amount
    estimator: Text
    estimator_fit: dict[str, Correlation]
    seconds: Amount
    device_seconds: Amount
    transfer_seconds: Amount
    host_seconds: float
    costs: TrainingCosts
    findings: list[FindingRecord]


class CostsRecord(Record):
    """`costs` of a result."""

    inference: InferenceCosts
    training: TrainingCosts
    network: NetworkCosts


class ResultRecord(Record):
    """`result.json`."""

    task: Text
    rule: Text
    observe: Text
    hidden_membranes: Reduction | None
    estimator: Text
    estimator_fit: Correlation | None
    device: Text
    seed: Count
    layers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2)]
    epochs: Count
    kept_epoch: Count
    test_nrmse: Amount | None = None
    test_accuracy: Share | None = None
    test_accuracy_ci95: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None
    balanced_accuracy: Share | None = None
    majority_share: Share | None = None
    classes_out_of_balance: bool | None = None
    validation_accuracy: Share | None
    validation_nrmse: Amount | None
    train_seconds: Amount
    device_seconds: Amount
    transfer_seconds: Amount
    host_seconds: float
    costs: CostsRecord
    findings: list[FindingRecord]
    samples_per_second: Amount
    peak_rss_mb: Amount


def read_dataclass(kind: type[Kind], text: str, name: str) -> Kind:
    """Read a dataclass from what `asdict` made of one, as JSON.

    Args:
        kind: Its type, whose annotations say what its fields may be.
        text: The text.
        name: What a refusal calls it.

    Raises:
        FileFormatError: When there is more, less or something else.
    """
    fields = parse_json(text, name)
    with name_source(name):
        made: Any = read_fields(kind, fields)
    if asdict(made) != fields:
        raise FileFormatError(f"{name}: has other fields than a {kind.__name__.lower()}")
    return made  # type: ignore[no-any-return]


def read_environment(path: Path, newest: int) -> dict[str, Any]:
    """Read an `environment.json`.

    Args:
        path: The file.
        newest: The newest version understood.

    Raises:
        FileFormatError: When it is missing, damaged or of a newer version.
    """
    content = read_json(path)
    version = content.get("version") if isinstance(content, dict) else None
    if type(version) is int and version > newest:
        raise FileFormatError(
            f"{path.parent} is a run folder of version {version}, this spikeloop reads up to "
            f"{newest}: upgrade it"
        )
    return check_schema(EnvironmentRecord, content, str(path))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The epochs in a `metrics.jsonl`, none when it is missing.

    Raises:
        FileFormatError: When it is damaged.
    """
    if not path.is_symlink() and not path.exists():
        return []
    lines = read_bytes(path, LARGEST_METRICS).splitlines()
    rows = [parse_json(line, f"{path}: line {n}") for n, line in enumerate(lines, start=1)]
    return check_epochs(rows, str(path))


def check_epochs(rows: Sequence[Any], name: str) -> list[dict[str, Any]]:
    """Rows of metrics, when they are those of the epochs of one training.

    Args:
        rows: The rows.
        name: What a refusal calls where they stand.

    Raises:
        FileFormatError: When one is not.
    """
    for number, row in enumerate(rows, start=1):
        check_schema(EpochRecord, row, f"{name}: epoch {number}")
        if row["epoch"] != number:
            raise FileFormatError(f"{name}: epoch {number}: epoch: stands there as {row['epoch']}")
        if len(row["hidden_rates"]) != len(rows[0]["hidden_rates"]):
            raise FileFormatError(f"{name}: epoch {number}: hidden_rates: of other layers")
    return list(rows)


def read_result(path: Path) -> dict[str, Any]:
    """Read a `result.json`.

    Raises:
        FileFormatError: When it is missing or damaged.
    """
    return check_schema(ResultRecord, read_json(path), str(path))


def environment() -> dict[str, Any]:
    """Machine, and the versions of all libraries that this process has loaded so far."""
    import platform

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": packages(),
        "blas_threads": 1,
    }


def packages() -> dict[str, str]:
    """The version of each library that this process has loaded so far, by its name.

    Libraries that belong to the installation are named loaded or not, since what one of them made
    may have been kept from an earlier process.
    """
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    needed, installed = {"spikeloop", *_requirements()}, _list_libraries()
    versions = {name: "not installed" for name in needed - set(installed)}
    for key, (name, version, modules) in installed.items():
        if key in needed or modules & loaded:
            versions[name] = version
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


@cache
def _requirements() -> list[str]:
    """Names of the libraries that an installation without extras brings, normalised."""
    from importlib.metadata import requires

    lines = (line for line in requires("spikeloop") or () if "extra ==" not in line)
    return [_normalise(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in lines]


@cache
def _list_libraries() -> dict[str, tuple[str, str, set[str]]]:
    """Name, version and modules of each installed library: `importlib.metadata` takes 0.4 s."""
    from importlib.metadata import distributions

    libraries: dict[str, tuple[str, str, set[str]]] = {}
    for library in distributions():
        about = library.read_text("METADATA") or library.read_text("PKG-INFO") or ""
        keys = (re.search(rf"^{key}: *(\S+)", about, re.M) for key in ("Name", "Version"))
        name, version = (match and match[1] for match in keys)
        if name and version:
            files = library.read_text("top_level.txt") or library.read_text("RECORD") or ""
            modules = {re.split("[/.]", line, maxsplit=1)[0] for line in files.splitlines()}
            # Of two the first one is that which is imported.
            libraries.setdefault(_normalise(name), (name, version, modules))
    return libraries


def _normalise(name: str) -> str:
    """Spell the name of a library as all its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


SHOWN = 64  # samples shown, and neurons of a layer, at most
LARGEST = 1e9  # of anything; of membranes and weights in nominal thresholds
HEADER = ("__kind__", "__version__")
# Axes of arrays by their first letter, and how long they are at most: samples shown, classes,
# neurons of a layer, cells of a projection. Axes of one name are equally long.
LONGEST = {"s": SHOWN, "c": 1024, "n": SHOWN, "w": 1_000_000}


def holds_numbers(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Tell if outputs of a snapshot stand for real numbers, and not for classes."""
    return arrays["test_labels"].ndim == 2


def confusion(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Test samples by class, as `count_answers` counts them.

    Args:
        arrays: Those of a snapshot.
    """
    labels, predicted = arrays["test_labels"], arrays["test_predictions"]
    classes = arrays["counts"].shape[1]
    return count_confusion(labels.astype(np.int64), predicted.astype(np.int64), classes)


def count_confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Samples by class `(C, C)`: a row is what they are, a column what was answered.

    Args:
        labels: Class of each sample, `(N,)`.
        predicted: What each was answered by, `(N,)`.
        classes: C.
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def check(arrays: Mapping[str, NDArray[Any]], depth: int, projections: int, name: str) -> None:
    """Refuse arrays that are no snapshot of a network of so many layers and projections.

    Args:
        arrays: The arrays by name.
        depth: Layers of neurons, the output included.
        projections: Projections.
        name: What a refusal calls the file.

    Raises:
        FileFormatError: One line that names the file and the first array that is wrong.
    """
    left = {key: array for key, array in arrays.items() if key not in HEADER}
    sizes: dict[str, int] = {}

    def refuse(key: str, why: str) -> NoReturn:
        raise FileFormatError(f"{name}: {key}: {why}")

    def take(key: str, kinds: str, axes: str, least: float = 0, most: float = LARGEST) -> None:
        """Take out an array of such kinds of numbers, along such axes, all of it within limits."""
        if key not in left:
            refuse(key, "is missing")
        array = left.pop(key)
        names = axes.split()
        if array.dtype.kind not in kinds or array.ndim != len(names):
            refuse(key, f"is {array.dtype} of shape {array.shape}, which it never is")
        for axis, size in zip(names, array.shape, strict=True):
            if size != sizes.setdefault(axis, size) or not 1 <= size <= LONGEST.get(axis[0], size):
                refuse(key, f"has shape {array.shape}, which does not go with the others")
        if array.size and not least <= float(array.min()) <= float(array.max()) <= most:
            refuse(key, f"is not within {least:g} and {most:g}")

    take("counts", "iu", "s c")
    last, real = sizes["c"] - 1, arrays.get("test_labels", np.empty(0)).ndim == 2
    for key, axis in (("test", "test"), ("sample", "s")):
        for what in (f"{key}_labels", f"{key}_predictions"):
            if real:
                take(what, "f", f"{axis} c", -LARGEST)
            else:
                take(what, "iu", axis, most=last)
    if "sample_lengths" in left:
        take("samples", "f", "s time features")
        take("sample_lengths", "iu", "s", 1, sizes["time"])
    else:
        take("samples", "f", "s features", most=1)
    sides = left.get("image_shape")
    if sides is not None and sides.shape == (0,):
        del left["image_shape"]
    else:
        take("image_shape", "iuf", "image", 1)
        if sides is None or sides.size > 3 or np.prod(sides.astype(float)) != sizes["features"]:
            refuse("image_shape", f"does not hold {sizes['features']} features")
    if "output_raster" in left:
        take("output_raster", "bu", "raster s c")
    take("membrane_every", "iu", "", 1)
    for layer in range(1, depth + 1):
        if f"membrane_{layer}" in left:
            take(f"membrane_{layer}", "f", f"t{layer} s n{layer}", -LARGEST)
    for projection in range(projections):
        for key in ("asked", "stored"):
            take(f"{key}_{projection}", "f", f"w{projection}", -LARGEST)
    for key in left:
        refuse(key[:60], "is no array of a snapshot")
