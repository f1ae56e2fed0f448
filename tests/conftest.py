"""Settings of all tests."""

from hypothesis import settings

# The same examples on every machine, and no verdict by the clock.
settings.register_profile("spikeloop", deadline=None, derandomize=True)
settings.load_profile("spikeloop")
