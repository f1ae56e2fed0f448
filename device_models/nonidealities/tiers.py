"""Everything that is not ideal about a chip, and how much of it there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from device_models.nonidealities.adc import MembraneADC
from device_models.nonidealities.fixed_pattern import FixedPattern
from device_models.nonidealities.parameter import figures, override, scaled
from device_models.nonidealities.programming import Programming
from device_models.nonidealities.temporal import Temporal


@dataclass(frozen=True)
class Imperfections:
    """Everything that is not ideal about a chip, tier by tier."""

    fixed_pattern: FixedPattern = field(default_factory=FixedPattern)
    programming: Programming = field(default_factory=Programming)
    temporal: Temporal = field(default_factory=Temporal)
    adc: MembraneADC = field(default_factory=MembraneADC)

    def dosed(self, dose: float, each: Mapping[str, float] | None = None) -> Imperfections:
        """The same chip with its imperfections scaled; 0 is exactly the ideal chip.

        Args:
            dose: Factor of every figure, at least 0.
            each: Further factors of single figures, by name. A grid of storable weights is
                there or, at dose 0, not.

        Raises:
            ValueError: For an unknown figure, one that has no dose, or a dose out of range.
        """
        known = figures(self)
        dosed = override(self, {name: scaled(known, name, dose, each) for name in known})
        if dose == 0 and self.programming.weight_grid:
            return replace(dosed, programming=replace(dosed.programming, weight_grid=()))
        return dosed
