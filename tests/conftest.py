"""Settings of all tests."""

import sys
from functools import cache

import pytest
from hypothesis import settings
from typer import testing

from device_models.engine.brian2_network import DefaultPreferences
from support.paths import THOROUGH

# The same examples on every machine, and no verdict by the clock.
settings.register_profile("spikeloop", deadline=None, derandomize=True)
settings.load_profile("spikeloop")

# The tree of all commands is built once, not at each call of one, where it takes most of the time.
testing._get_command = cache(testing._get_command)

# Tests import Brian2 themselves, too: wherever they run, it reads no preference files.
sys.meta_path.insert(0, DefaultPreferences())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `thorough`, unless `HIL_THOROUGH` is set."""
    left_out = [] if THOROUGH else [item for item in items if item.get_closest_marker("thorough")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
