"""The non-idealities of a chip in four tiers: fixed pattern, programming, in time, readout.

`NonIdealities` holds one dataclass for each tier; each of their fields is a `NonIdeality`, made
with `nonideality(...)`, whose value 0 (but for conditions) is exactly ideal. Each acts in the
module of its tier, or in `device_models.crossbar` for stored weights.
"""

from device_models.nonidealities.adc import MembraneADC
from device_models.nonidealities.fixed_pattern import FixedPattern
from device_models.nonidealities.nonideality import NonIdeality, by_name, override
from device_models.nonidealities.programming import Programming
from device_models.nonidealities.temporal import Temporal
from device_models.nonidealities.tiers import NonIdealities

__all__ = [
    "FixedPattern",
    "MembraneADC",
    "NonIdealities",
    "NonIdeality",
    "Programming",
    "Temporal",
    "by_name",
    "override",
]
