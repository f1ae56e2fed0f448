"""Exchanges with a board: one request, one answer, whatever the line does to them.

Timeouts come from measured round trips: RFC 6298 (Paxson, Allman, Chu & Sargent 2011, "Computing
TCP's Retransmission Timer") with Karn's rule: what was sent more than once is not measured, since
nobody knows which time was answered. Requests differ in size, so what is smoothed is the measured
time as a share of the time that the line and the board are said to need.
"""

from __future__ import annotations

import getpass
import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TypeGuard

from drivers.board.frames import (
    ANSWER,
    VERSION,
    Frame,
    FrameDamaged,
    FrameSplitter,
    RequestType,
    Status,
    max_line_bytes,
)
from drivers.board.hello import (
    ASKED,
    GIVE_BACK,
    HELLO_BYTES,
    NAME_BYTES,
    Hello,
    LeaseRecord,
)
from drivers.board.transport import BITS, Transport
from drivers.errors import (
    CapacityError,
    DeviceNotFound,
    DeviceRestarted,
    LinkError,
    ProtocolMismatch,
)

RETRIES = 5
PATIENCE = 1.0  # seconds beyond what line and board need that one try waits at most
QUIET = 0.02  # seconds after damage to wait before the second try; doubled for each further one
LONGEST = max_line_bytes(65535)  # no board can say that it sends longer ones
OLDER = "flash the firmware that comes with this host, which hil board firmware makes"
NEWER = "update this host, or flash the firmware that comes with it: hil board firmware makes it"
LINK_STATUSES = (Status.CRC, Status.COBS, Status.LENGTH)
ALPHA, BETA, K = 1 / 8, 1 / 4, 4.0  # of RFC 6298, section 2
FLOOR = 0.005  # seconds: what an operating system may let a process wait
FIRST = 0.1  # seconds beyond what the line needs, before anything was measured
# Seconds without a frame of its owner after which another host takes a board over, and between two
# looks at it.
SILENCE, LOOK = 6.0, 0.5
LATENCY = 0.002  # seconds of every exchange, however short: of a USB adapter, for instance


class RoundTrip:
    """The timeout of one type of request.

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
        """Compute how long to wait for an answer, in seconds.

        The first time, what the board is said to need is no more than a guess: it is left to the
        backoff, since a request that is sent too early again is not executed again.

        Args:
            line: Seconds that the line is said to need.
            work: Seconds that the board is said to need.
        """
        if self.smoothed is None:
            return (line + FIRST) * self.backoff
        share = self.smoothed + K * self.variation
        return max(FLOOR, share * (line + work + LATENCY)) * self.backoff

    def record_answer(self, seconds: float, line: float, work: float) -> None:
        """Take in a round trip of a request that was sent once.

        Args:
            seconds: That it took.
            line: Seconds that the line was said to need.
            work: Seconds that the board was said to need.
        """
        share = seconds / (line + work + LATENCY)
        if self.smoothed is None:
            self.smoothed, self.variation = share, share / 2
        else:
            deviation = abs(self.smoothed - share)
            self.variation += BETA * (deviation - self.variation)
            self.smoothed += ALPHA * (share - self.smoothed)
        self.backoff = 1.0

    def record_loss(self) -> None:
        """Wait twice as long from now on, until a round trip is measured."""
        self.backoff *= 2.0


@dataclass
class ReceivedInstead:
    """Counts of what was received instead of an answer.

    Attributes:
        bytes: In all.
        damaged: Frames with errors.
        complaints: Frames of the board that say that what it received was damaged.
        echoes: Requests that came back.
        late: Answers to earlier requests.
    """

    bytes: int = 0
    damaged: int = 0
    complaints: int = 0
    echoes: int = 0
    late: int = 0

    def add(self, other: ReceivedInstead) -> None:
        """Count what another one has counted, too."""
        for field in fields(self):
            total = getattr(self, field.name) + getattr(other, field.name)
            setattr(self, field.name, total)

    def explain(self) -> str:
        """Name the likely cause, and what to do about it."""
        if self.echoes:
            return "what was sent came back: the line echoes, so check that RX and TX reach a board"
        if self.complaints:
            return "requests arrive damaged: lower the baud rate or check the cable"
        if self.damaged:
            return (
                "answers arrive damaged: check the baud rate and the cable, and that it is a board "
                "of this protocol"
            )
        if self.bytes:
            return (
                f"{self.bytes} bytes came that are no whole frame: check the baud rate, and that "
                "it is a board of this protocol"
            )
        return (
            "nothing came back: check that it is the right port and baud rate, that no other host "
            "has it, that the board has power and that its firmware runs"
        )


class Link:
    """Stop-and-wait exchanges: each request is sent until it is answered, and executed once.

    Attributes:
        board: What the board said at its last HELLO.
        line_seconds: Time spent sending, receiving and on what got lost.
        line_bytes: Bytes sent and received, repetitions too.
        board_seconds: Time that the board took for its last answer.
        received: What came instead of answers, in all exchanges.
        sent: Requests sent, repetitions too.
        repeated: Repetitions among them.
    """

    def __init__(self, transport: Transport, name: str, baud: int, retries: int = RETRIES) -> None:
        """Say HELLO.

        Args:
            transport: To the board; closed when HELLO fails.
            name: Of the port, for messages.
            baud: Rate of the line, for timeouts.
            retries: How often at least to send again what is not answered.

        Raises:
            LinkError: When nothing answers.
            ProtocolMismatch: When what answers speaks something else.
        """
        self._transport, self._name, self._retries = transport, name, retries
        self._byte_seconds = BITS / baud
        self._sequence = 0
        self._splitter = FrameSplitter(LONGEST)
        self._round_trips = {kind: RoundTrip() for kind in RequestType}
        self.line_seconds = self.board_seconds = 0.0
        self.line_bytes = self.sent = self.repeated = self._unanswered = 0
        self.received = ReceivedInstead()
        self._token, self._lease = 0, 0  # 0: it only looks
        try:
            self.board = self.ask_hello()
        except BaseException:
            transport.close()
            raise

    @property
    def lost(self) -> int:
        """Requests that no answer came to, not even a late one: either of them was lost."""
        return max(0, self._unanswered - self.received.late)

    def close(self) -> None:
        """Give the board back, and release the port."""
        if self._lease:
            asked = ASKED.pack(self._token, 0, GIVE_BACK, 0, 0)
            with suppress(LinkError):  # it is given back by silence then
                self._transport.write(self._encode(RequestType.HELLO, asked))
        self._transport.close()

    def take_lease(self) -> None:
        """Become the one host that a board serves, where it gives leases.

        The board is taken from an owner from whom nothing came for a while.

        Raises:
            DeviceNotFound: When another host has it.
        """
        if self.board.lease is None:
            return
        self._token = int.from_bytes(os.urandom(4), "little") or 1
        seen, began = self._ask_lease().lease, time.monotonic()
        while not self._lease:
            silent = time.monotonic() - began
            time.sleep(LOOK)
            now = self._ask_lease(seen if silent >= SILENCE else None).lease
            if not self._lease and (now != seen or silent >= SILENCE):
                raise DeviceNotFound(
                    f"{self._name} is in use by {_name_of(now)}: wait until it is done, or stop it"
                )

    def ask_hello(self) -> Hello:
        """Ask the board what it is, as its owner where it is to be that.

        Raises:
            LinkError: When another host has it by now.
        """
        hello = self._ask_lease()
        if self._token and not self._owns(hello.lease):
            raise LinkError(
                f"{self._name} was taken over by {_name_of(hello.lease)}, since nothing had come "
                f"from here for {SILENCE:g} s: wait until it is done"
            )
        return hello

    def check_boot(self) -> None:
        """Ask the board whether it has restarted, or was another's, since its last HELLO.

        Raises:
            DeviceRestarted: When it has.
        """
        before, now = self._lease, self.ask_hello()
        if now.boot_id != self.board.boot_id or self._lease != before:
            raise self._accept_restart(now)

    def _ask_lease(self, replaced: LeaseRecord | None = None) -> Hello:
        """Say HELLO, and ask for the lease where one is wanted.

        Args:
            replaced: That of a silent owner, which this one is to replace.
        """
        asked = b""
        if self._token:
            number, used = (replaced.number, replaced.used) if replaced else (0, 0)
            name = f"{getpass.getuser()}@{platform.node()}, process {os.getpid()}"
            asked = ASKED.pack(self._token, number, 0, 0, used)
            asked += name.encode("ascii", "replace")[:NAME_BYTES]
        answer = self.exchange(RequestType.HELLO, asked, answer=HELLO_BYTES)
        try:
            hello = Hello.decode(answer)
        except ValueError as error:
            raise ProtocolMismatch(f"{self._name}: {error}") from None
        if self._owns(hello.lease):
            self._lease = hello.lease.number
        # Else it keeps the number of what it had, under which nothing is served any more.
        return hello

    def _owns(self, held: LeaseRecord | None) -> TypeGuard[LeaseRecord]:
        return held is not None and self._token != 0 and held.token == self._token

    def _encode(self, kind: RequestType, payload: bytes) -> bytes:
        # The zero byte ends what noise, or a host that stopped halfway, began.
        return b"\0" + Frame(kind, self._sequence, payload, self._lease).encode()

    def exchange(
        self, kind: RequestType, payload: bytes = b"", *, answer: int = 0, work: float = 0.0
    ) -> bytes:
        """Send a request until it is answered.

        Args:
            kind: What is asked for.
            payload: Of the request.
            answer: Bytes of payload that the answer will have at most.
            work: Seconds that the board may need.

        Returns:
            The payload of the answer.

        Raises:
            LinkError: When no answer comes.
            DeviceRestarted: When the board has lost its network.
            CapacityError: When it has no room for what was asked.
            ProtocolMismatch: When it speaks another version, or refuses the request otherwise.
        """
        request = self._encode(kind, payload)
        line = (len(request) + max_line_bytes(answer)) * self._byte_seconds
        longest = line + work + PATIENCE
        patience = longest + self._retries * PATIENCE  # enough for a board that starts anew
        trip, received, began = self._round_trips[kind], ReceivedInstead(), time.monotonic()
        frame, self.board_seconds, tries, waited = None, 0.0, 0, 0.0
        while frame is None and (tries <= self._retries or waited < patience):
            wait = min(trip.timeout(line, work), longest)
            sent = time.monotonic()
            self._transport.write(request)
            self.line_bytes += len(request)
            quiet = min(QUIET * 2**tries, wait)
            frame = self._await_answer(kind, sent + wait, quiet, longest, received)
            tries, waited = tries + 1, waited + wait
            if frame is None:
                trip.record_loss()
            elif tries == 1:
                trip.record_answer(time.monotonic() - sent, line, work)
        self._sequence = (self._sequence + 1) % 256
        self.line_seconds += time.monotonic() - began - self.board_seconds
        self.received.add(received)
        self._unanswered += tries - (frame is not None)
        self.sent += tries
        self.repeated += tries - 1
        if frame is None:
            raise LinkError(
                f"{self._name}: no answer to {kind.name} in {tries} tries: {received.explain()}"
            )
        return self._accept(kind, frame)

    def _await_answer(
        self,
        kind: RequestType,
        until: float,
        quiet: float,
        longest: float,
        received: ReceivedInstead,
    ) -> Frame | None:
        """Wait for the answer to a request that has just been sent.

        Args:
            kind: Of the request.
            until: When to stop waiting.
            quiet: Seconds to wait after damage.
            longest: Seconds to wait at most, while a frame is still coming.
            received: Takes in what comes instead.
        """
        sent = time.monotonic()
        deadline, end, worked = max(until, sent + FLOOR), sent + longest, 0.0
        while (left := deadline - time.monotonic()) > 0:
            data = self._transport.read(left)
            if not data:
                return None
            worked = worked or time.monotonic() - sent
            if not data.endswith(b"\0"):  # the rest of a frame is on its way
                deadline = max(deadline, min(time.monotonic() + QUIET, end))
            received.bytes += len(data)
            self.line_bytes += len(data)
            answer = None
            for piece in self._splitter.feed(data):
                frame = _decode_or_none(piece)
                if frame is None or frame.status in LINK_STATUSES:
                    received.damaged += frame is None
                    received.complaints += frame is not None
                    # No answer follows, but for one that was on its way.
                    deadline = min(deadline, time.monotonic() + quiet)
                elif answer is None and (frame.sequence, frame.type) == (
                    self._sequence,
                    kind | ANSWER,
                ):
                    self.board_seconds, answer = worked, frame
                elif frame.sequence == self._sequence and frame.type == kind:
                    received.echoes += 1
                else:
                    received.late += 1
            if answer is not None:
                return answer
        return None

    def _accept(self, kind: RequestType, answer: Frame) -> bytes:
        """Return the payload of an answer that is no refusal."""
        if answer.version != VERSION or answer.status == Status.VERSION:
            raise ProtocolMismatch(
                f"{self._name} speaks version {answer.version} of the protocol, this host version "
                f"{VERSION}: {OLDER if answer.version < VERSION else NEWER}"
            )
        if answer.status == Status.OK:
            return answer.payload
        if kind != RequestType.HELLO:
            if answer.status in (Status.NOT_CONFIGURED, Status.OWNED):
                raise self._accept_restart(self.ask_hello())
            if answer.status == Status.ROOM:
                raise CapacityError(f"{self._name} has no room for this: ask for a smaller network")
            if answer.status == Status.UNSUPPORTED:
                raise CapacityError(
                    f"{self._name} has not what {kind.name} asked for: ask for what its HELLO "
                    "offers"
                )
        raise ProtocolMismatch(
            f"{self._name} refuses {kind.name} with status {answer.status:#04x}: its firmware and "
            "this host disagree, flash the firmware that comes with it"
        )

    def _accept_restart(self, now: Hello) -> DeviceRestarted:
        """Accept the new HELLO as the board's, and make the error that reports the restart."""
        before, self.board = self.board, now
        what = f"has restarted (boot {before.boot_id:#x}, now {now.boot_id:#x})"
        if before.boot_id == now.boot_id:
            what = "was in use by another host meanwhile"
        return DeviceRestarted(f"{self._name} {what}: configure it and write its weights again")


def _name_of(held: LeaseRecord | None) -> str:
    return held.name if held and held.name else "another host"


def _decode_or_none(piece: bytes | None) -> Frame | None:
    """Decode a frame; None when it is damaged."""
    try:
        return None if piece is None else Frame.decode(piece)
    except FrameDamaged:
        return None
