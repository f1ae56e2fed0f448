"""Settings of all tests."""

import sys

from hypothesis import settings

from device_models.preferences import PreferenceFilesUnread

# The same examples on every machine, and no verdict by the clock.
settings.register_profile("spikeloop", deadline=None, derandomize=True)
settings.load_profile("spikeloop")

# Tests import Brian2 themselves, too: wherever they run, it reads no preference files.
sys.meta_path.insert(0, PreferenceFilesUnread())
