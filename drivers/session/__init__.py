"""Sessions with a device: recorded to a file, and replayed from it without the device."""

from drivers.session.file import SessionReader
from drivers.session.recording import Recorded, Replay

__all__ = ["Recorded", "Replay", "SessionReader"]
