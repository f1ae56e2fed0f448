"""Calibration: the settings that even out the neurons of one device, found and kept in a file."""

from hil.characterisation.calibration.calibration_file import (
    HEADER,
    Calibration,
    TargetSpread,
    read,
    read_for,
    record,
    rows,
    write,
)
from hil.characterisation.calibration.procedure import calibrate, stages

__all__ = [
    "HEADER",
    "Calibration",
    "TargetSpread",
    "calibrate",
    "read",
    "read_for",
    "record",
    "rows",
    "stages",
    "write",
]
