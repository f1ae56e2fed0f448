"""What tests of studies as they are run share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small task and a study of it: 8 trials and 4 networks to start from."""
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    y = np.arange(100) % 3
    x = np.clip(np.eye(9)[3 * y + 1].reshape(-1, 3, 3) + 0.3 * rng.random((100, 3, 3)), 0, 1)
    parts = {"x_train": x[:80], "y_train": y[:80], "x_test": x[80:], "y_test": y[80:]}
    np.savez(folder / "images.npz", **parts, layout="HW")
    (folder / "study.toml").write_text(
        f"""
version = 1
name = "tiny"
[base]
task = "npz:{folder / "images.npz"}"
device = "emulator:mixed-signal?membrane_noise=0.1"
[base.network]
hidden = [12]
[base.training]
epochs = 2
batch = 20
validation_fraction = 0.25
[pretrain]
device = "emulator:ideal"
[factors.mode]
key = "mode"
levels = ["deploy", "fine_tune"]
[factors.rule]
key = "rule.name"
levels = ["adfa", "spsa"]
[repeat]
what = "both"
times = 2
[budgets.small.repeat]
times = 1
""",
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def elsewhere(place: Path, tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text((place / "study.toml").read_text(), encoding="utf-8")
    return tmp_path
