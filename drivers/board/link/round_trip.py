"""How long an answer takes: timeouts from measured round trips.

RFC 6298 (Paxson, Allman, Chu & Sargent 2011, "Computing TCP's Retransmission Timer") with Karn's
rule: what was sent more than once is not measured, since nobody knows which time was answered.
Requests differ in size, so what is smoothed is the measured time as a share of the time that the
line and the board are told to need.
"""

from __future__ import annotations

ALPHA, BETA, K = 1 / 8, 1 / 4, 4.0  # of RFC 6298, section 2
FLOOR = 0.005  # seconds: what an operating system may let a process wait
FIRST = 0.1  # seconds beyond what the line needs, before anything was measured
LATENCY = 0.002  # seconds of every exchange, however short: of a USB adapter, for instance


class RoundTrip:
    """The timeout of one kind of request.

    Attributes:
        smoothed: Mean share of the stated time that round trips took; None before the first.
        variation: Mean deviation from it.
        backoff: How many times longer than that it is waited for, after what was not answered.
    """

    def __init__(self) -> None:
        """Begin without a measurement."""
        self.smoothed: float | None = None
        self.variation = 0.0
        self.backoff = 1.0

    def timeout(self, line: float, work: float) -> float:
        """How long to wait for an answer, in seconds.

        The first time, what the board is told to need is no more than a guess: it is left to the
        backoff, since a request that is sent too early again is not executed again.

        Args:
            line: Seconds that the line is told to need.
            work: Seconds that the board is told to need.
        """
        if self.smoothed is None:
            return (line + FIRST) * self.backoff
        share = self.smoothed + K * self.variation
        return max(FLOOR, share * (line + work + LATENCY)) * self.backoff

    def measured(self, seconds: float, line: float, work: float) -> None:
        """Take in a round trip of a request that was sent once.

        Args:
            seconds: That it took.
            line: Seconds that the line was told to need.
            work: Seconds that the board was told to need.
        """
        share = seconds / (line + work + LATENCY)
        if self.smoothed is None:
            self.smoothed, self.variation = share, share / 2
        else:
            deviation = abs(self.smoothed - share)
            self.variation += BETA * (deviation - self.variation)
            self.smoothed += ALPHA * (share - self.smoothed)
        self.backoff = 1.0

    def unanswered(self) -> None:
        """Wait twice as long from now on, until a round trip is measured."""
        self.backoff *= 2.0
