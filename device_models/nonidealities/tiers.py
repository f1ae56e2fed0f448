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
class NonIdealities:
    """Everything that is not ideal about a chip, tier by tier."""

    fixed_pattern: FixedPattern = field(default_factory=FixedPattern)
    programming: Programming = field(default_factory=Programming)
    temporal: Temporal = field(default_factory=Temporal)
    adc: MembraneADC = field(default_factory=MembraneADC)

    def at_severity(
        self, severity: float, each: Mapping[str, float] | None = None
    ) -> NonIdealities:
        """The same chip with its non-idealities scaled; 0 is exactly the ideal chip.

        Args:
            severity: Factor of every figure, at least 0.
            each: Further factors of single figures, by name. A grid of storable weights is
                there or, at severity 0, not.

        Raises:
            ValueError: For an unknown figure, one that has no severity, or a severity out of range.
        """
        known = figures(self)
        adjusted = override(self, {name: scaled(known, name, severity, each) for name in known})
        if severity == 0 and self.programming.weight_grid:
            return replace(adjusted, programming=replace(adjusted.programming, weight_grid=()))
        return adjusted
