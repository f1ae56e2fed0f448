"""Every kind of file that is read: a good one, how it is damaged, and what reads it.

A reader that is added joins `KINDS` by one entry, and `tests/test_benchmarks.py` holds it to
what all are held to.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas
import tomli_w
from numpy.typing import NDArray

import drivers
import hil
from device_models import profiles
from device_models.measured_mismatch import pattern_from_table
from drivers import DeviceError, Identity, Network, Probe, Stimulus
from hil import tasks
from hil.characterisation import calibration
from hil.exchange import model
from hil.loop.controller import Controller
from hil.loop.train_state import TrainState
from hil.runs import data as run_data
from hil.runs.folder import Run
from hil.studies import loader
from hil.studies.folder import Journal, StudyFolder
from hil.tasks import mnist
from support import damage, nir_models, study_kit
from support.damage import csv_damaged, npz_damaged, parquet_damaged

TASK, RUN, STUDY = "own.npz", "run", "study"
Ending = Literal["read", "refused"]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        file: A good one, in the world that `made` makes.
        read: Reads it as the commands do.
        damage: Damages its content.
        names: What a refusal names; the file when empty.
    """

    file: str
    read: Callable[[Path], object]
    damage: damage.Damage
    names: str = ""


def made(world: Path) -> Path:
    """Good files of every kind, in a folder."""
    rng = np.random.default_rng(0)
    own = {"x_train": rng.random((30, 4)), "x_test": rng.random((9, 4))}
    labels = {"y_train": np.tile(np.arange(3), 10), "y_test": np.tile(np.arange(3), 3)}
    np.savez(world / TASK, **own, **labels)  # type: ignore[arg-type]
    signals(world, rng, labels["y_train"])
    columns = pandas.DataFrame(own["x_train"], columns=list("abcd")).round(3)
    columns["label"] = np.array(["no", "yes", "perhaps"])[labels["y_train"]]
    columns.to_csv(world / "own.csv", index=False)
    columns.to_parquet(world / "own.parquet")
    small: dict[str, Any] = {
        "device": "emulator:ideal",
        "network": {"hidden": [3], "steps": 5},
        "training": {"epochs": 2, "batch": 10},
    }
    hil.train(f"npz:{world / TASK}", out=world / RUN, **small)
    hil.train(start=world / RUN, out=world / "further")
    hil.train(own["x_train"], labels["y_train"], out=world / "given", **small)
    study_kit.evaluated(study_kit.study(study_kit.GRID), world / STUDY, study_kit.Fake())
    (world / "own-chip.toml").write_text(tomli_w.dumps(CHIP))
    (world / "own-study.toml").write_text(tomli_w.dumps(study_kit.GRID))
    recorded(world / "a.session")
    with drivers.open("emulator:ideal") as device:
        device.configure(Network.feed_forward((2, 2)))
        spikes = Stimulus.spikes(np.ones((6, 2)), steps=3)
        drivers.save(world / "stimulus.npz", spikes)
        readout = device.run(spikes, [Probe(1), Probe(1, "spikes", reduce="mean")], trial=0)
        drivers.save(world / "readout.npz", readout)
    drivers.save(world / "weights.npz", [np.ones((2, 3), np.float32)] * 2)
    spread = calibration.TargetSpread(1.0, 0.1)
    calibration.write(
        calibration.Calibration(
            identity=Identity("a chip", "7"),
            layers=(2, 3, 2),
            settings={"tau_membrane": 0.02},
            trims={"threshold": [np.ones(3, np.float32), np.ones(2, np.float32)]},
            before={"tau_membrane": spread},
            after={"tau_membrane": spread},
        ),
        world / "calibration.toml",
    )
    np.savez(world / "twin.npz", **{"layer_0/gain": np.ones(3, np.float32)})  # type: ignore[arg-type]
    nir_models.small(world / "model.nir")
    images = rng.integers(0, 256, (5, 4, 3), np.uint8)
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in images.shape)
    (world / "images-idx3-ubyte").write_bytes(header + images.tobytes())
    return world


def signals(world: Path, rng: np.random.Generator, labels: NDArray[np.int64]) -> None:
    """Write files of signals and of events."""
    lengths = np.tile([3, 5, 2], 10)
    np.savez(world / "signals.npz", x=rng.random((100, 2)), lengths=lengths, y=labels)
    events = np.zeros(100, [("t", "<f4"), ("x", "<i4"), ("p", "?")])
    events["t"], events["x"] = rng.random(100), rng.integers(0, 3, 100)
    np.savez(world / "events.npz", x=events, offsets=np.cumsum(lengths) - lengths, y=labels)
    with h5py.File(world / "own.hdf5", "w") as file:
        file.create_dataset("signals", data=rng.random((100, 2)), compression="gzip")
        file["lengths"], file["labels"] = lengths, np.array([b"no", b"yes", b"why"] * 10)
    with h5py.File(world / "spikes.hdf5", "w") as file:
        for name, dtype in (("times", np.float16), ("units", np.uint16)):
            held = file.create_dataset(f"spikes/{name}", (30,), h5py.vlen_dtype(dtype))
            for number, length in enumerate(lengths):
                held[number] = rng.integers(0, 9, length)
        file["labels"] = labels


def recorded(path: Path) -> None:
    """Record a session, of all that a device is asked for."""
    with drivers.open("emulator:ideal", record=path) as device:
        exchanges(device)


def exchanges(device: drivers.Device) -> None:
    device.configure(Network.feed_forward((2, 3)))
    device.write_weights(0, np.full((2, 3), 0.5))
    probes = [Probe(1), Probe(1, "spikes", reduce="mean")]
    device.run(Stimulus.current(np.ones((1, 2)), steps=3), probes, trial=0)
    device.run(Stimulus.spikes(np.ones((3, 2)), steps=3), trial=1)
    device.reset()


# -- what reads them --------------------------------------------------------------------------


def replayed(path: Path) -> None:
    with drivers.open(f"replay:{path}") as device:
        exchanges(device)


def own_data(path: Path) -> object:
    task = f"{path.suffix[1:]}:{path}"
    assert tasks.get(task).defaults is not None  # what suits its size, or nothing
    return tasks.load(task, 0, 0.2)


def given_samples(path: Path) -> object:
    return run_data.load(Run(path.parent))


def preparation(path: Path) -> object:
    return run_data.preparation(Run(path.parent))


def configured(path: Path) -> object:
    return Run(path.parent).config()


_CONTROLLERS: dict[Path, tuple[Controller, int]] = {}


def checkpoint(path: Path) -> None:
    run = Run(path.parent)
    if run.path not in _CONTROLLERS:
        config, data = run.config(), run_data.load(run)
        device = drivers.open(config.device_url)
        opened = Controller.open(config, device, data.spec)
        _CONTROLLERS[run.path] = opened, -(-len(data.y_train) // config.training.batch)
    opened, batches = _CONTROLLERS[run.path]
    found = run.load_checkpoint()
    assert found is not None
    with run.blame_file():
        first, epochs = TrainState.first(opened.layers), opened.config.training.epochs
        TrainState.from_arrays(found, first, batches, epochs)
        opened.restore(found)


def start(path: Path) -> None:
    run = Run(path.parent)
    checkpoint(run.path / "checkpoint.npz")
    with run.blame_file(path.name):
        _CONTROLLERS[run.path][0].load_weights(run.load_start())


def study_weights(path: Path) -> object:
    folder = StudyFolder(path.parents[1], study_kit.study(study_kit.GRID))
    return folder.load_weights(path.stem)


def study_environment(path: Path) -> object:
    return StudyFolder(path.parent, study_kit.study(study_kit.GRID)).environment()


def built_study(path: Path) -> object:
    return loader.build(loader.read(path))


def twin(path: Path) -> object:
    table = {"layers": [2, 3, 2], "arrays": path.name}
    return pattern_from_table(table, path.with_suffix(".toml"))


CHIP: dict[str, Any] = {
    "name": "own-chip",
    "description": "a chip of mine",
    "profile": "mixed-signal",
    "dt": 1e-3,
    "nonidealities": {"weight_bits": {"value": 5, "source": "datasheet, page 3"}},
    "parameters": {"tau_membrane": {"value": 0.02, "source": "measured"}},
}
KINDS: dict[str, Kind] = {
    "chip": Kind("own-chip.toml", profiles.read, damage.toml_damaged),
    "configuration": Kind(f"{RUN}/config.toml", configured, damage.toml_damaged),
    "environment": Kind(
        f"{RUN}/environment.json", lambda p: Run.open(p.parent), damage.json_damaged, RUN
    ),
    "metrics": Kind(
        f"{RUN}/metrics.jsonl", lambda p: Run(p.parent).metrics(), damage.lines_damaged
    ),
    "result": Kind(f"{RUN}/result.json", lambda p: Run(p.parent).result(), damage.json_damaged),
    "snapshot": Kind(f"{RUN}/snapshot.npz", lambda p: Run(p.parent).load_snapshot(), npz_damaged),
    "checkpoint": Kind(f"{RUN}/checkpoint.npz", checkpoint, npz_damaged, RUN),
    "samples": Kind("given/arrays.npz", given_samples, npz_damaged, "given"),
    "preparation": Kind("given/preparation.json", preparation, damage.json_damaged),
    "start": Kind("further/start.npz", start, npz_damaged),
    "journal": Kind(f"{STUDY}/journal.log", Journal, damage.journal_damaged),
    "study weights": Kind(f"{STUDY}/weights/*.npz", study_weights, npz_damaged),
    "study environment": Kind(f"{STUDY}/environment.json", study_environment, damage.json_damaged),
    "study": Kind("own-study.toml", built_study, damage.toml_damaged, " "),
    "calibration": Kind("calibration.toml", calibration.read, damage.toml_damaged),
    "npz": Kind(TASK, own_data, npz_damaged),
    "npz of signals": Kind("signals.npz", own_data, npz_damaged),
    "npz of events": Kind("events.npz", own_data, npz_damaged),
    "hdf5": Kind("own.hdf5", own_data, damage.hdf5_damaged),
    "hdf5 of spikes": Kind("spikes.hdf5", own_data, damage.hdf5_damaged),
    "csv": Kind("own.csv", own_data, csv_damaged),
    "parquet": Kind("own.parquet", own_data, parquet_damaged),
    "idx": Kind("images-idx3-ubyte", mnist.read_idx, damage.idx_damaged),
    "session": Kind("a.session", replayed, damage.session_damaged, " "),
    "stimulus": Kind("stimulus.npz", drivers.load, npz_damaged),
    "readout": Kind("readout.npz", drivers.load, npz_damaged),
    "weights": Kind("weights.npz", drivers.load, npz_damaged),
    "twin": Kind("twin.npz", twin, npz_damaged),
    "model": Kind("model.nir", lambda p: model.read_model(str(p)), damage.hdf5_damaged),
}


def ending(kind: Kind, path: Path) -> Ending:
    """Read a file, and hold it to the two ends that there are.

    Raises:
        AssertionError: When what is said is no single line that can be printed, is long, shows much
            of what is in the file, or does not name it.
        Exception: Whatever else it ended with.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            kind.read(path)
        except (ValueError, DeviceError) as error:
            said = str(error)
            assert said and said.isprintable(), repr(said)
            assert len(said) < 900 + 3 * len(str(path)), said
            assert not re.search(r"(.)\1{200}", said), said
            assert (kind.names or path.name) in said, said
            return "refused"
    return "read"
