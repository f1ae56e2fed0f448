"""Statements of devices with some of them changed, and what devices that are stated so share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from drivers import Device, DeviceInfo, Network


def restated(info: DeviceInfo, **facts: Any) -> DeviceInfo:
    """The same with some facts changed, each named without its group: `batch=7`, `reset="hard"`."""
    for name, value in facts.items():
        places = [field.name for field in fields(info)]
        if name in places:
            info = replace(info, **{name: value})
            continue
        groups = {place: getattr(info, place) for place in places}
        (place,) = (
            place
            for place, group in groups.items()
            if is_dataclass(group) and name in (field.name for field in fields(group))
        )
        info = replace(info, **{place: replace(groups[place], **{name: value})})
    return info


class StatedDevice(Device):
    """A device that states `stated` but for `facts`, and stores weights as that says."""

    stated: ClassVar[DeviceInfo]
    facts: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Self:
        return cls()

    @property
    def info(self) -> DeviceInfo:
        return restated(self.stated, **self.facts)

    def _configure(self, network: Network) -> None:
        self._full_scale = network.full_scale
        self._cells = [np.zeros(shape, np.float32) for shape in network.shapes]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        form = self.info.weight_format(projection)
        self._cells[projection] = form.quantise(weights, self._full_scale[projection])
        return self._cells[projection].copy()
