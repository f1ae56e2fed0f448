"""Sessions with a device: recorded to a file, and replayed from it without the device."""

from drivers.session.file import Reader
from drivers.session.recorded import Recorded
from drivers.session.replay import Replay

__all__ = ["Reader", "Recorded", "Replay"]
