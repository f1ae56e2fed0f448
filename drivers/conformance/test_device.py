"""Every conformance check as a test, on the device of `--device`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import drivers
from drivers.conformance import CHECKS, Check, Harness, check_name, run_check


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each check."""
    metafunc.parametrize("check", CHECKS, ids=check_name)


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
    found = run_check(check, harness)
    if found.verdict == "not applicable":
        pytest.skip(found.detail)
    if found.verdict == "failed":
        pytest.fail(f"{found.reason}: {found.detail}", pytrace=False)
