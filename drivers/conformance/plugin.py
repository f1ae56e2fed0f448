"""The pytest plugin: `pytest --device ADDRESS` makes every conformance check a test."""

from __future__ import annotations

from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("test_device.py")
PACKAGE = __name__.rpartition(".")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--device`."""
    parser.getgroup("spikeloop").addoption(
        "--device",
        metavar="ADDRESS",
        help="device to run the conformance checks of spikeloop on, beside other tests",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the checks beside what else is collected, where there is a device."""
    places = [arg.partition("::")[0] for arg in config.args]
    named = any(place.startswith(PACKAGE) for place in places)
    if config.getoption("--device") is None:
        if named:
            raise pytest.UsageError("no device to check: give --device ADDRESS")
        return
    if not named and not any(SUITE.is_relative_to(Path(place).absolute()) for place in places):
        config.args.append(str(SUITE))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass the checks by where there is no device."""
    return True if collection_path == SUITE and config.getoption("--device") is None else None
