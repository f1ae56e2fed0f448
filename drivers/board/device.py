"""A board as a device: networks, weights and runs in the commands of its firmware."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board import ports, run_codec
from drivers.board.frames import RequestType
from drivers.board.hello import KEEPS_WEIGHTS
from drivers.board.link import Link
from drivers.board.network_codec import count_slots, encode_network, encode_writes
from drivers.board.run_codec import KEEP, RESUME, EncodedInput, ProbeRequest
from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo, StimulusKind
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import CapacityError, LinkError, ReadoutError, UnsupportedProbe

MAX_SAMPLES = 65535  # of one request
# Seconds per weight, sample and step that a board is given until it has shown how fast it is, and
# how much longer than it has shown it may take.
GUESS, SLACK = 1e-6, 3.0


class BoardStatistics(NamedTuple):
    """Counts of a board since it booted.

    Attributes:
        whole: Frames received whole.
        damaged: Frames received damaged.
        requests: Requests executed or refused.
        again: Requests answered again and not executed again.
        runs: RUN requests executed.
        samples: Samples run.
    """

    whole: int
    damaged: int
    requests: int
    again: int
    runs: int
    samples: int


class Board(Device):
    """`board:PORT?baud=115200&pace=BAUD&fault=KIND:RATE,...&fault_seed=N`.

    PORT is a serial port, `socket://HOST:NUMBER`, `rfc2217://HOST:NUMBER`, or
    `simulated://?seed=CHIP`, a board simulated by this process.
    """

    def __init__(self, link: Link) -> None:
        """Put the board at the other end of a link behind the contract."""
        self._link = link
        self._info = link.board.to_contract()
        self._cells: list[NDArray[np.int8]] = []
        self._speed = 0.0

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Board:
        """Open a port and say HELLO."""
        link = ports.open_link(target, options)
        try:
            return cls(link)
        except BaseException:
            link.close()
            raise

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """List the kinds of address; `hil devices --scan` finds ports."""
        return [
            ("board:PORT", "a board on a serial port, e.g. board:/dev/ttyACM0?baud=115200"),
            ("board:socket://HOST:PORT", "a board behind a network port"),
            ("board:simulated://?seed=1", "a board simulated by this process, bit for bit"),
        ]

    @property
    def info(self) -> DeviceInfo:
        """Statement of the board about itself."""
        return self._info

    @property
    def transfer_seconds(self) -> float:
        """Time spent on the line since it was opened, in seconds."""
        return self._link.line_seconds

    @property
    def transfer_bytes(self) -> int:
        """Bytes on the line, both ways, since it was opened."""
        return self._link.line_bytes

    @property
    def condition(self) -> Mapping[str, float]:
        """Frames since it was opened: lost, damaged, and sent again."""
        line = self._link
        damaged = line.received.damaged + line.received.complaints
        return {
            "lost_frames": line.lost,
            "damaged_frames": damaged,
            "repeated_frames": line.repeated,
        }

    def stats(self) -> BoardStatistics:
        """Ask the board what it has counted since it booted."""
        answer = self._link.exchange(RequestType.STATS, answer=24)
        if len(answer) < 24:
            raise ReadoutError(f"the board answered STATS with {len(answer)} bytes, not 24")
        return BoardStatistics(*struct.unpack_from("<6I", answer))

    def check_run(
        self, kind: StimulusKind, batch: int, steps: int, probes: Sequence[Probe] = ()
    ) -> None:
        """Refuse, as `run` would, what the device cannot serve; runs nothing."""
        super().check_run(kind, batch, steps, probes)
        board = self._link.board
        size = run_codec.input_size(board, kind, self.network.layers[0], steps)
        self._plan_requests(
            size, steps, [ProbeRequest.from_probe(probe, board) for probe in probes]
        )

    def _configure(self, network: Network) -> None:
        # A board that has restarted since it was last spoken to is as good as any.
        self._link.board = self._link.ask_hello()
        cells = [pre * post for pre, post in network.ends]
        for kind, payload in encode_network(self._link.board, network, self._info):
            self._link.exchange(kind, payload, answer=4, work=sum(cells) * GUESS)
        self._full_scale = network.full_scale
        self._cells = [np.zeros(count, np.int8) for count in cells]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scale, form = self._full_scale[projection], self._info.weight_format(projection)
        stored = form.quantise(weights, scale)
        largest = ((form.levels or 2) - 1) / 2
        # An even number of levels has none at zero: cell w stands for w and a half.
        half = 0.0 if largest.is_integer() else 0.5
        wanted = np.rint(stored.reshape(-1) * (largest / scale) - half).astype(np.int8)
        if not np.array_equal(wanted, self._cells[projection]):
            self._send_weights(projection, self._cells[projection], wanted)
            if not self._is_stored(projection, wanted):
                # Something else has written there: leave no cell to chance.
                self._send_weights(projection, ~wanted, wanted)
                if not self._is_stored(projection, wanted):
                    raise LinkError(
                        f"weights of projection {projection} do not read back as they were "
                        "written: the memory of the board is at fault"
                    )
            self._cells[projection] = wanted
        return stored

    def _send_weights(
        self, projection: int, stored: NDArray[np.int8], wanted: NDArray[np.int8]
    ) -> None:
        room = self._link.board.payload
        for payload, cells in encode_writes(projection, stored, wanted, room):
            self._link.exchange(RequestType.WRITE, payload, answer=4, work=cells * GUESS)

    def _is_stored(self, projection: int, wanted: NDArray[np.int8]) -> bool:
        work = wanted.size * GUESS
        asked = struct.pack("<HBB", projection, 0, 0)
        answer = self._link.exchange(RequestType.CRC, asked, answer=4, work=work)
        return answer == struct.pack("<I", zlib.crc32(wanted.tobytes()))

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        board, slots = self._link.board, 0
        if self._info.abilities.runs_on:
            slots = count_slots(board, self.network)
        if not carry:
            return self._run_in_requests(stimulus, probes, KEEP if stimulus.batch <= slots else 0)
        if stimulus.batch > slots:
            raise CapacityError(
                f"run of {stimulus.batch} samples that carries on: this board keeps the membranes "
                f"of {slots} with this network, so run as many at a time"
            )
        readout = self._run_in_requests(stimulus, probes, RESUME | KEEP)
        if board.abilities.flags & KEEPS_WEIGHTS:
            # It would have run on from rest after a restart, and not have said so.
            self._link.check_boot()
        return readout

    def _run_in_requests(self, stimulus: Stimulus, probes: Sequence[Probe], flags: int) -> Readout:
        """Run in as many requests as are needed; sample b has slot b in all of them."""
        board = self._link.board
        shown = run_codec.encode_input(board, stimulus)
        wanted = {probe: ProbeRequest.from_probe(probe, board) for probe in probes}
        counts, answers = np.empty(0, np.int32), dict[ProbeRequest, NDArray[np.generic]]()
        distinct = list(dict.fromkeys(wanted.values()))
        requests = self._plan_requests(shown.size, stimulus.steps, distinct)
        for number, (group, batch) in enumerate(requests, start=1):
            # All begin with what the run before has kept, so that the last ones keep alone.
            now = flags if number == len(requests) else flags & RESUME
            parts = [
                self._run_part(group, shown.part(start, batch), now, start if now else 0)
                for start in range(0, stimulus.batch, batch)
            ]
            counts = np.concatenate([each for each, _ in parts])
            for n, request in enumerate(group):
                axis = 1 if request.reduce == 0 else 0
                answers[request] = np.concatenate([samples[n] for _, samples in parts], axis)
        samples = {probe: answers[request] for probe, request in wanted.items()}
        offers = [each for each in self._info.offers.probes if each.quantity == "membrane"]
        sampled = offers[0].sampled if offers else "before_reset"
        return Readout(counts, stimulus.steps, samples, sampled)

    def _run_part(
        self, probes: Sequence[ProbeRequest], shown: EncodedInput, flags: int, first: int
    ) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
        """Run as many samples as one request holds."""
        sizes, samples, steps = self.network.layers, len(shown.rows), shown.steps
        payload = run_codec.encode_run(probes, shown, flags, first)
        size = samples * run_codec.answer_size(probes, sizes, steps)
        operations = samples * steps * sum(cells.size for cells in self._cells)
        work = operations * (SLACK * self._speed if self._speed else GUESS)
        answer = self._link.exchange(RequestType.RUN, payload, answer=size, work=work)
        self._speed = max(self._speed, self._link.board_seconds / operations)
        if len(answer) != size:
            raise ReadoutError(f"the board answered a run with {len(answer)} bytes, not {size}")
        board = self._link.board
        return run_codec.decode_answer(board, answer, probes, sizes, steps, shown.lengths)

    def _plan_requests(
        self, size: int, steps: int, probes: Sequence[ProbeRequest]
    ) -> list[tuple[list[ProbeRequest], int]]:
        """Plan how to ask for what does not fit one request.

        Args:
            size: Most bytes of one sample of the stimulus.
            steps: T.
            probes: All of them.

        Returns:
            Which probes go together, and how many samples at once.
        """
        board, sizes = self._link.board, self.network.layers
        plan = []
        for group in self._group_probes(steps, probes):
            left = board.payload - run_codec.header_size(group)
            if size > left:
                raise CapacityError(
                    f"a sample of this stimulus takes {size} bytes: this board receives at most "
                    f"{left}, ask for fewer steps or inputs, or constant currents"
                )
            answers = board.payload // run_codec.answer_size(group, sizes, steps)
            plan.append((group, min(left // size, answers, board.capacity.batch or MAX_SAMPLES)))
        return plan

    def _group_probes(self, steps: int, probes: Sequence[ProbeRequest]) -> list[list[ProbeRequest]]:
        """Group the probes whose answers fit one request together.

        What a board computes depends on nothing but the stimulus and the membranes that it begins
        with, so that probes that do not fit one run are served by several of the same.
        """
        board, sizes = self._link.board, self.network.layers
        groups: list[list[ProbeRequest]] = [[]]
        for each in probes:
            size = run_codec.answer_size([each], sizes, steps)
            if size > board.payload:
                raise UnsupportedProbe(
                    f"a probe of layer {each.layer} over {steps} steps takes {size} bytes a "
                    f"sample: this board sends at most {board.payload}; sample less often "
                    "(activity.every), take means (activity.estimator=fused) or fewer steps"
                )
            together = [*groups[-1], each]
            is_full = len(together) > (board.capacity.probes or 1)
            if is_full or run_codec.answer_size(together, sizes, steps) > board.payload:
                groups.append([each])
            else:
                groups[-1] = together
        return groups

    def _close(self) -> None:
        self._link.close()
