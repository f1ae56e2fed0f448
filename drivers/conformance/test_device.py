"""Every conformance check as a test, on the device of `--device`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import drivers
from drivers.conformance import CHECKS, Check, Harness, run_check


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each check."""
    metafunc.parametrize("check", CHECKS, ids=lambda check: check.name)


@pytest.fixture(scope="module")
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """The harness with the device under test."""
    address: str = request.config.getoption("--device")
    try:
        opened = Harness(lambda: drivers.open(address))
    except drivers.DeviceError as error:
        pytest.fail(f"{address}: {error}", pytrace=False)
    with opened:
        yield opened


def test_conformance(check: Check, harness: Harness) -> None:
    """The device keeps this part of the contract."""
    outcome = run_check(check, harness)
    if outcome.verdict == "not applicable":
        pytest.skip(outcome.detail)
    if outcome.verdict == "failed":
        pytest.fail(f"{outcome.reason}: {outcome.detail}", pytrace=False)
