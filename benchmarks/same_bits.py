"""Check that two checkouts train to the same bits: a fixed list of trainings, run in both.

    python benchmarks/same_bits.py OTHER_CHECKOUT [NAME ...]

Trains every entry of the list in this checkout and in the other one, each in a process of its own
on the same machine, and compares the weights that the host asked for, those that the device
stored, and the predicted test classes. Ends with exit code 1 where they differ.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SHORT = {"training": {"epochs": 2}, "network": {"hidden": [40]}}
DEEP = {"training": {"epochs": 2}, "network": {"hidden": [40, 30]}}
SPIKES = {"encoding": {"name": "poisson"}, "observe": "spikes"}
PROFILES = (
    "ideal",
    "mixed-signal",
    "brainscales-2",
    "brainscales-2-raw",
    "dynap-se",
    "loihi",
    "pcm-crossbar",
    "rram-crossbar",
)
RULES = ("adfa", "dfa", "bp", "bptt", "spsa", "output_only")
GATES = ("sigmoid", "step", "rectified", "tanh", "sin", "cos", "sign", "constant", "fourier")


def trainings() -> dict[str, dict[str, Any]]:
    """Every training by name, as arguments of `hil.train`."""
    found: dict[str, dict[str, Any]] = {}
    for rule in RULES:
        for chip in ("ideal", "mixed-signal"):
            found[f"digits-{rule}-{chip}"] = {
                "task": "digits",
                "rule": rule,
                "device": f"emulator:{chip}?chip=3",
                **DEEP,
            }
        found[f"yinyang-{rule}"] = {
            "task": "yinyang",
            "rule": rule,
            "training": {"epochs": 1},
            "network": {"hidden": [30]},
        }
    for chip in PROFILES:
        found[f"profile-{chip}"] = {"task": "digits", "device": f"emulator:{chip}", **SHORT}
    for g in GATES:
        found[f"gate-{g}"] = {"task": "digits", "rule": {"name": "adfa", "g": g}, **SHORT}
    found["hard-reset"] = {"task": "digits", "device": "emulator:ideal?reset=hard", **SHORT}
    found["spikes"] = {"task": "digits", **SHORT, **SPIKES}
    found["latency"] = {"task": "digits", "encoding": {"name": "latency"}, **SHORT}
    found["repair"] = {
        "task": "digits",
        "repair": {"homeostasis": "adaptive", "rescale": True},
        "training": {"epochs": 2},
        "network": {"hidden": [40], "initial_scale": 0.05},
    }
    found["rectified"] = {"task": "digits", "activity": {"estimator": "rectified"}, **SHORT}
    found["sgd"] = {"task": "digits", "optimiser": {"name": "sgd", "learning_rate": 0.1}, **SHORT}
    found["board"] = {"task": "digits", "device": "board:{simulated}://?seed=2", **SHORT}
    found["board-native"] = {"task": "digits", "device": "{native}", **SHORT}
    found["superneuromat"] = {
        "task": "yinyang",
        "device": "superneuromat:",
        "training": {"epochs": 1},
        "network": {"hidden": [12]},
        **SPIKES,
    }
    found["xylo"] = {
        "task": "yinyang",
        "device": "xylo:audio2",
        "training": {"epochs": 1},
        "network": {"hidden": [20]},
        "encoding": {"name": "poisson"},
    }
    found["replay"] = {"task": "digits", "device": "{replayed}", **SHORT}
    if os.environ.get("HIL_DATA_DIR"):
        found["mnist"] = {"task": "mnist", **{**SHORT, "training": {"epochs": 1}}}
    return found


def digest(path: Path) -> dict[str, str]:
    """Digests of what a run ended with: weights asked for, weights stored, predicted classes."""
    import numpy as np

    checkpoint = np.load(path / "checkpoint.npz", allow_pickle=False)
    found = {}
    for kind in ("weights", "stored"):
        # The sign of a zero says nothing.
        arrays = [checkpoint[n] + 0 for n in checkpoint.files if n.startswith(f"{kind}/")]
        found[kind] = hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()[:16]
    for archive in path.glob("*.npz"):
        shown = np.load(archive, allow_pickle=False)
        if "test_predictions" in shown.files:
            bytes_ = shown["test_predictions"].tobytes()
            found["predictions"] = hashlib.sha256(bytes_).hexdigest()[:16]
    return found


def train_here(name: str, arguments: dict[str, Any]) -> dict[str, str]:
    """Train one entry in the working folder with the package that is imported."""
    from contextlib import ExitStack

    import drivers
    import hil
    from drivers import firmware

    with ExitStack() as stack:
        device = arguments.get("device", "emulator:mixed-signal")
        if device == "{native}":
            device = f"board:{stack.enter_context(firmware.start('native', 2)).url}"
        if device == "{replayed}":
            hil.train(**{**arguments, "device": "emulator:ideal"}, out="first", record="it.session")
            device = "replay:it.session"
        if "{simulated}" in device:
            for scheme in ("simulated", "twin"):
                try:
                    drivers.open(device.format(simulated=scheme)).close()
                except drivers.DeviceError:
                    continue
                device = device.format(simulated=scheme)
                break
        return digest(hil.train(**{**arguments, "device": device}, out=name).path)


def train_in(checkout: Path, name: str) -> dict[str, str]:
    """Train one entry in a process that imports a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(HERE), "--here", name],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Compare two checkouts."""
    if sys.argv[1] == "--here":
        print(json.dumps(train_here(sys.argv[2], trainings()[sys.argv[2]])))
        return 0
    other, own = Path(sys.argv[1]).resolve(), HERE.parents[1]
    names = sys.argv[2:] or list(trainings())
    worse = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        pairs = pool.map(lambda n: (n, train_in(other, n), train_in(own, n)), names)
        for name, theirs, ours in pairs:
            same = theirs == ours and "error" not in ours
            worse += not same
            note = "" if same else f"\t{theirs}\t{ours}"
            print(f"{'same' if same else 'DIFFERENT'}\t{name}{note}", flush=True)
    print(f"{len(names) - worse} of {len(names)} trainings end with the same bits")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main())
