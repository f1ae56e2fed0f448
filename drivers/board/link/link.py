"""Exchanges with a board: one request, one answer, whatever the line does to them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from drivers.board.hello import HELLO_BYTES, Hello
from drivers.board.link import frames
from drivers.board.link.frames import ANSWER, VERSION, Damaged, Frame, Splitter, Status, Type
from drivers.board.link.pace import BITS
from drivers.board.link.round_trip import FLOOR, RoundTrip
from drivers.board.link.transport import Transport
from drivers.errors import CapacityError, DeviceRestarted, LinkError, ProtocolMismatch

RETRIES = 5
PATIENCE = 1.0  # seconds beyond what line and board need that one try waits at most
QUIET = 0.02  # seconds after damage to wait before the second try; doubled for each further one
LONGEST = frames.line_bytes(65535)  # no board can say that it sends longer ones
OLDER = "flash the firmware that comes with this host, which hil board firmware makes"
NEWER = "update this host, or flash the firmware that comes with it: hil board firmware makes it"
LINK_STATUSES = (Status.CRC, Status.COBS, Status.LENGTH)


@dataclass
class ReceivedInstead:
    """What was received instead of an answer, for the error message.

    Attributes:
        bytes: In all.
        damaged: Frames with errors.
        complaints: Frames of the board that say that what it received was damaged.
        echoes: Requests that came back.
    """

    bytes: int = 0
    damaged: int = 0
    complaints: int = 0
    echoes: int = 0

    def explanation(self) -> str:
        """The likely cause, and what to do about it."""
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
            "nothing came back: check that it is the right port and baud rate, that the board has "
            "power and that its firmware runs"
        )


class Link:
    """Stop-and-wait exchanges: each request is sent until it is answered, and executed once.

    Attributes:
        board: What the board said at its last HELLO.
        line_seconds: Time spent sending, receiving and on what got lost.
        line_bytes: Bytes sent and received, repetitions too.
        board_seconds: Time that the board took for its last answer.
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
        self._byte = BITS / baud
        self._sequence = 0
        self._splitter = Splitter(LONGEST)
        self._round_trips = {kind: RoundTrip() for kind in Type}
        self.line_seconds = self.board_seconds = 0.0
        self.line_bytes = 0
        try:
            self.board = self.hello()
        except BaseException:
            transport.close()
            raise

    def close(self) -> None:
        """Release the port."""
        self._transport.close()

    def hello(self) -> Hello:
        """Ask the board what it is."""
        answer = self.exchange(Type.HELLO, answer=HELLO_BYTES)
        try:
            return Hello.decode(answer)
        except ValueError as error:
            raise ProtocolMismatch(f"{self._name}: {error}") from None

    def check_boot(self) -> None:
        """Refuse a board that has restarted since its last HELLO.

        Raises:
            DeviceRestarted: When it has.
        """
        now = self.hello()
        if now.boot_id != self.board.boot_id:
            raise self._restarted(now)

    def exchange(
        self, kind: Type, payload: bytes = b"", *, answer: int = 0, work: float = 0.0
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
        # The zero byte ends what noise, or a host that stopped halfway, began.
        request = b"\0" + frames.encode(Frame(kind, self._sequence, payload))
        line = (len(request) + frames.line_bytes(answer)) * self._byte
        longest = line + work + PATIENCE
        patience = longest + self._retries * PATIENCE  # enough for a board that starts anew
        trip, received, began = self._round_trips[kind], ReceivedInstead(), time.monotonic()
        found, self.board_seconds, tries, waited = None, 0.0, 0, 0.0
        while found is None and (tries <= self._retries or waited < patience):
            wait = min(trip.timeout(line, work), longest)
            sent = time.monotonic()
            self._transport.write(request)
            self.line_bytes += len(request)
            quiet = min(QUIET * 2**tries, wait)
            found = self._answer(kind, sent, wait, quiet, longest, received)
            tries, waited = tries + 1, waited + wait
            if found is None:
                trip.unanswered()
            elif tries == 1:
                trip.measured(time.monotonic() - sent, line, work)
        self._sequence = (self._sequence + 1) % 256
        self.line_seconds += time.monotonic() - began - self.board_seconds
        if found is None:
            raise LinkError(
                f"{self._name}: no answer to {kind.name} in {tries} tries: {received.explanation()}"
            )
        return self._granted(kind, found)

    def _answer(
        self,
        kind: Type,
        began: float,
        wait: float,
        quiet: float,
        longest: float,
        received: ReceivedInstead,
    ) -> Frame | None:
        """The answer, when it comes in time.

        Args:
            kind: Of the request.
            began: When it began to be sent.
            wait: Seconds from then on to wait for the answer.
            quiet: Seconds to wait after damage.
            longest: Seconds to wait at most, while a frame is still coming.
            received: Takes in what comes instead.
        """
        sent = time.monotonic()
        deadline, end, worked = max(began + wait, sent + FLOOR), sent + longest, 0.0
        while (left := deadline - time.monotonic()) > 0:
            data = self._transport.read(left)
            if not data:
                return None
            worked = worked or time.monotonic() - sent
            if not data.endswith(b"\0"):  # the rest of a frame is on its way
                deadline = max(deadline, min(time.monotonic() + QUIET, end))
            received.bytes += len(data)
            self.line_bytes += len(data)
            for piece in list(self._splitter.feed(data)):
                frame = _decoded(piece)
                if frame is None or frame.status in LINK_STATUSES:
                    received.damaged += frame is None
                    received.complaints += frame is not None
                    # No answer follows, but for one that was on its way.
                    deadline = min(deadline, time.monotonic() + quiet)
                elif frame.sequence == self._sequence and frame.type == kind | ANSWER:
                    self.board_seconds = worked
                    return frame
                elif frame.sequence == self._sequence and frame.type == kind:
                    received.echoes += 1
        return None

    def _granted(self, kind: Type, answer: Frame) -> bytes:
        """The payload of an answer that is no refusal."""
        if answer.version != VERSION or answer.status == Status.VERSION:
            raise ProtocolMismatch(
                f"{self._name} speaks version {answer.version} of the protocol, this host version "
                f"{VERSION}: {OLDER if answer.version < VERSION else NEWER}"
            )
        if answer.status == Status.OK:
            return answer.payload
        greeting = kind == Type.HELLO
        if answer.status == Status.NOT_CONFIGURED and not greeting:
            raise self._restarted(self.hello())
        if answer.status == Status.ROOM and not greeting:
            raise CapacityError(f"{self._name} has no room for this: ask for a smaller network")
        if answer.status == Status.UNSUPPORTED and not greeting:
            raise CapacityError(
                f"{self._name} has not what {kind.name} asked for: ask for what its HELLO offers"
            )
        raise ProtocolMismatch(
            f"{self._name} refuses {kind.name} with status {answer.status:#04x}: its firmware and "
            "this host disagree, flash the firmware that comes with it"
        )

    def _restarted(self, now: Hello) -> DeviceRestarted:
        """What to raise for a board that says HELLO anew, which is known from now on."""
        before, self.board = self.board, now
        return DeviceRestarted(
            f"{self._name} has restarted (boot {before.boot_id:#x}, now {now.boot_id:#x}): "
            "configure it and write its weights again"
        )


def _decoded(piece: bytes | None) -> Frame | None:
    """The frame, or None when it is damaged."""
    try:
        return None if piece is None else frames.decode(piece)
    except Damaged:
        return None
