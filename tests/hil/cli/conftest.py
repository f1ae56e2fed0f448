from pathlib import Path

import pytest

from support.command_line import SMALL, command


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the default, noisy chip."""
    path = tmp_path_factory.mktemp("trained") / "run"
    done = command("train", "digits", *SMALL, "--seed", "5", "--out", path)
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    path = tmp_path / "copied"
    path.mkdir()
    for file in trained.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    return path
