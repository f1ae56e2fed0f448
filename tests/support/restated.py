"""What a device states about itself, with some of it changed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from drivers import DeviceInfo


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
