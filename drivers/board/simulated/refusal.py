"""How a board refuses a request."""

from __future__ import annotations

from drivers.board.link.frames import Status


class Refused(Exception):
    """A request that is answered with a status and no payload, inside the simulated board."""

    def __init__(self, status: Status) -> None:
        """Refuse with `status`."""
        super().__init__(status.name)
        self.status = status


def need(condition: bool, status: Status) -> None:
    """Refuse with `status` unless the condition holds."""
    if not condition:
        raise Refused(status)
