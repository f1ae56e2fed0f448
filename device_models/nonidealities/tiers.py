"""The four tiers of non-idealities of a chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from device_models.nonidealities.adc import MembraneADC
from device_models.nonidealities.fixed_pattern import FixedPattern
from device_models.nonidealities.nonideality import by_name, override, scaled
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
            severity: Factor of every non-ideality, at least 0.
            each: Further factors of single non-idealities, by name. A severity of 0 removes a grid
                of storable weights; no other acts on it.

        Raises:
            ValueError: For an unknown non-ideality, one that has no severity, or a severity out of
                range.
        """
        known = by_name(self)
        adjusted = override(self, {name: scaled(known, name, severity, each) for name in known})
        if severity == 0 and self.programming.weight_grid:
            return replace(adjusted, programming=replace(adjusted.programming, weight_grid=()))
        return adjusted
