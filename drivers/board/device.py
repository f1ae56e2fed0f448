"""A board as a device: networks, weights and runs in the commands of its firmware."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board import address, deltas, network_codec, run_codec
from drivers.board.link.frames import Type
from drivers.board.link.link import Link
from drivers.board.run_codec import KEEP, RESUME, ProbeRequest, Shown
from drivers.board.statement import KEEPS_WEIGHTS, device_info
from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo, Sampled, StimulusKind
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import CapacityError, LinkError, ReadoutError, UnsupportedProbe

MOST_SAMPLES = 65535  # of one request
# Seconds per weight, sample and step that a board is given until it has shown how fast it is, and
# how much longer than it has shown it may take.
GUESS, SLACK = 1e-6, 3.0


class Stats(NamedTuple):
    """What a board has counted since it booted.

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
        self._info = device_info(link.board)
        self._cells: list[NDArray[np.int8]] = []
        self._speed = 0.0

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Board:
        """Open a port and say HELLO."""
        link = address.open_link(target, options)
        try:
            return cls(link)
        except BaseException:
            link.close()
            raise

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """The kinds of address; `hil devices --scan` finds ports."""
        return [
            ("board:PORT", "a board on a serial port, e.g. board:/dev/ttyACM0?baud=115200"),
            ("board:socket://HOST:PORT", "a board behind a network port"),
            ("board:simulated://?seed=1", "a board simulated by this process, bit for bit"),
        ]

    @property
    def info(self) -> DeviceInfo:
        """What the board says of itself."""
        return self._info

    @property
    def transfer_seconds(self) -> float:
        """Time spent on the line since it was opened, in seconds."""
        return self._link.line_seconds

    @property
    def transfer_bytes(self) -> int:
        """Bytes on the line, both ways, since it was opened."""
        return self._link.line_bytes

    def stats(self) -> Stats:
        """What the board has counted since it booted."""
        answer = self._link.exchange(Type.STATS, answer=24)
        if len(answer) < 24:
            raise ReadoutError(f"the board answered STATS with {len(answer)} bytes, not 24")
        return Stats(*struct.unpack_from("<6I", answer))

    def check_run(
        self, kind: StimulusKind, batch: int, steps: int, probes: Sequence[Probe] = ()
    ) -> None:
        """Refuse, as `run` would, what the device cannot serve; runs nothing."""
        super().check_run(kind, batch, steps, probes)
        board = self._link.board
        size = run_codec.input_size(board, kind, self.network.layers[0], steps)
        self._requests(size, steps, [ProbeRequest.by(probe, board) for probe in probes])

    def _configure(self, network: Network) -> None:
        # A board that has restarted since it was last spoken to is as good as any.
        self._link.board = self._link.hello()
        cells = [pre * post for pre, post in network.shapes]
        for kind, payload in network_codec.encode(self._link.board, network, self._info):
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
            self._send(projection, self._cells[projection], wanted)
            if not self._holds(projection, wanted):
                # Something else has written there: leave no cell to chance.
                self._send(projection, ~wanted, wanted)
                if not self._holds(projection, wanted):
                    raise LinkError(
                        f"weights of projection {projection} do not read back as they were "
                        "written: the memory of the board is at fault"
                    )
            self._cells[projection] = wanted
        return stored

    def _send(self, projection: int, held: NDArray[np.int8], wanted: NDArray[np.int8]) -> None:
        room = self._link.board.payload
        for payload, cells in deltas.payloads(projection, held, wanted, room):
            self._link.exchange(Type.WRITE, payload, answer=4, work=cells * GUESS)

    def _holds(self, projection: int, wanted: NDArray[np.int8]) -> bool:
        work = wanted.size * GUESS
        asked = struct.pack("<HBB", projection, 0, 0)
        answer = self._link.exchange(Type.CRC, asked, answer=4, work=work)
        return answer == struct.pack("<I", zlib.crc32(wanted.tobytes()))

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        if not carry:
            return self._run_in_requests(
                stimulus, probes, KEEP if stimulus.batch <= self._slots else 0
            )
        if stimulus.batch > self._slots:
            raise CapacityError(
                f"run of {stimulus.batch} samples that carries on: this board keeps the membranes "
                f"of {self._slots} with this network, so run as many at a time"
            )
        readout = self._run_in_requests(stimulus, probes, RESUME | KEEP)
        if self._link.board.abilities.flags & KEEPS_WEIGHTS:
            # It would have run on from rest after a restart, and not have said so.
            self._link.check_boot()
        return readout

    @property
    def _slots(self) -> int:
        """Of how many samples the board keeps the membranes from run to run."""
        if not self._info.abilities.runs_on:
            return 0
        return network_codec.slots(self._link.board, self.network)

    def _run_in_requests(self, stimulus: Stimulus, probes: Sequence[Probe], flags: int) -> Readout:
        """Run in as many requests as are needed; sample b has slot b in all of them."""
        board = self._link.board
        shown = run_codec.encode_inputs(board, stimulus)
        wanted = {probe: ProbeRequest.by(probe, board) for probe in probes}
        counts, found = np.empty(0, np.int32), dict[ProbeRequest, NDArray[np.generic]]()
        distinct = list(dict.fromkeys(wanted.values()))
        requests = self._requests(shown.size, stimulus.steps, distinct)
        for number, (asked, batch) in enumerate(requests, start=1):
            # All begin with what the run before has kept, so that the last ones keep alone.
            now = flags if number == len(requests) else flags & RESUME
            parts = [
                self._run_part(asked, shown.part(start, batch), now, start if now else 0)
                for start in range(0, stimulus.batch, batch)
            ]
            counts = np.concatenate([each for each, _ in parts])
            for n, each in enumerate(asked):
                axis = 1 if each.reduce == 0 else 0
                found[each] = np.concatenate([samples[n] for _, samples in parts], axis)
        samples = {probe: found[each] for probe, each in wanted.items()}
        return Readout(counts, stimulus.steps, samples, self._sampled())

    def _sampled(self) -> Sampled:
        """When membranes are read, as the board states it."""
        offers = [each for each in self._info.offers.probes if each.quantity == "membrane"]
        return offers[0].sampled if offers else "before_reset"

    def _run_part(
        self, asked: Sequence[ProbeRequest], shown: Shown, flags: int, first: int
    ) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
        """Run as many samples as one request holds."""
        sizes, samples, steps = self.network.layers, len(shown.rows), shown.steps
        payload = run_codec.encode(asked, shown, flags, first)
        size = samples * run_codec.answer_size(asked, sizes, steps)
        operations = samples * steps * sum(cells.size for cells in self._cells)
        work = operations * (SLACK * self._speed if self._speed else GUESS)
        answer = self._link.exchange(Type.RUN, payload, answer=size, work=work)
        self._speed = max(self._speed, self._link.board_seconds / operations)
        if len(answer) != size:
            raise ReadoutError(f"the board answered a run with {len(answer)} bytes, not {size}")
        return run_codec.decode(self._link.board, answer, asked, sizes, steps, shown.lengths)

    def _requests(
        self, size: int, steps: int, asked: Sequence[ProbeRequest]
    ) -> list[tuple[list[ProbeRequest], int]]:
        """How to ask for what does not fit one request.

        What a board computes depends on nothing but the stimulus and the membranes that it begins
        with, so that probes that do not fit one run are served by several of the same.

        Args:
            size: Most bytes of one sample of the stimulus.
            steps: T.
            asked: All probes.

        Returns:
            Which probes go together, and how many samples at once.
        """
        board, sizes = self._link.board, self.network.layers
        room, most = board.payload, board.capacity.probes or 1
        groups: list[list[ProbeRequest]] = [[]]
        for each in asked:
            answered = run_codec.answer_size([each], sizes, steps)
            if answered > room:
                raise UnsupportedProbe(
                    f"a probe of layer {each.layer} over {steps} steps takes {answered} bytes a "
                    f"sample: this board sends at most {room}; sample less often "
                    "(activity.every), take means (activity.estimator=fused) or fewer steps"
                )
            together = [*groups[-1], each]
            full = len(together) > most
            if full or run_codec.answer_size(together, sizes, steps) > room:
                groups.append([each])
            else:
                groups[-1] = together
        found = []
        for group in groups:
            left = room - run_codec.header_size(group)
            if size > left:
                raise CapacityError(
                    f"a sample of this stimulus takes {size} bytes: this board receives at most "
                    f"{left}, ask for fewer steps or inputs, or constant currents"
                )
            answered = run_codec.answer_size(group, sizes, steps)
            samples = min(left // size, room // answered, board.capacity.batch or MOST_SAMPLES)
            found.append((group, samples))
        return found

    def _close(self) -> None:
        self._link.close()
