"""A board as a device: networks, weights and runs in the commands of its firmware."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board import address, deltas, run_codec
from drivers.board.link.frames import VERSION, Type
from drivers.board.link.link import Link
from drivers.board.run_codec import ProbeRequest
from drivers.contract.device import Device
from drivers.contract.errors import CapacityError, LinkError, ReadoutError, UnsupportedProbe
from drivers.contract.info import (
    Abilities,
    Capacity,
    DeviceInfo,
    Identity,
    Offers,
    ProbeOffer,
    StimulusKind,
    Timing,
    WeightFormat,
)
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.contract.neuron import Membrane, Neuron, Setting

LARGEST = 127  # weight, in steps
UNIT = 65536  # one threshold unit, and a leak of everything
DT = 1e-3  # seconds that a step stands for
TAU = 10e-3
MAX_BATCH = 1024
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

    PORT is a serial port or any other address that pySerial knows, or `simulated://?seed=CHIP`, a
    board simulated by this process.
    """

    def __init__(self, link: Link) -> None:
        """Put the board at the other end of a link behind the contract."""
        self._link = link
        self._info = _info(link)
        self._cells: list[NDArray[np.int8]] = []
        self._speed = 0.0

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Board:
        """Open a port and say HELLO."""
        return cls(address.open_link(target, options))

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
        return Stats(*struct.unpack("<6I", self._link.exchange(Type.STATS, answer=24)))

    def check_run(
        self, kind: StimulusKind, batch: int, steps: int, probes: Sequence[Probe] = ()
    ) -> None:
        """Refuse, as `run` would, what the device cannot serve; runs nothing."""
        super().check_run(kind, batch, steps, probes)
        size = run_codec.input_size(kind, self.network.layers[0], steps)
        self._requests(size, steps, [ProbeRequest.by(probe) for probe in probes])

    def _configure(self, network: Network) -> None:
        sizes = network.layers
        cells = sum(pre * post for pre, post in pairwise(sizes))
        if cells > (room := self._link.board.limits.weights):
            raise CapacityError(
                f"network {'-'.join(map(str, sizes))} has {cells} weights: this board has room for "
                f"{room}, ask for smaller layers"
            )
        leak = round(UNIT * -math.expm1(-DT / network.settings["tau_membrane"]))
        threshold = round(UNIT * network.settings["threshold"])
        multipliers = [round(UNIT * scale / LARGEST) for scale in network.full_scale]
        form = f"<BBHI{len(sizes)}H{network.depth}I"
        payload = struct.pack(form, network.depth, 0, leak, threshold, *sizes, *multipliers)
        # A board that has restarted since it was last spoken to is as good as any.
        self._link.board = self._link.hello()
        self._link.exchange(Type.CONFIGURE, payload, work=cells * GUESS)
        self._full_scale = network.full_scale
        self._cells = [np.zeros(pre * post, np.int8) for pre, post in pairwise(sizes)]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scale = self._full_scale[projection]
        stored = self._info.weight_format(projection).quantise(weights, scale)
        wanted = np.rint(stored.reshape(-1) * (LARGEST / scale)).astype(np.int8)
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
        room = self._link.board.limits.payload
        for payload, cells in deltas.payloads(projection, held, wanted, room):
            self._link.exchange(Type.WRITE, payload, answer=4, work=cells * GUESS)

    def _holds(self, projection: int, wanted: NDArray[np.int8]) -> bool:
        work = wanted.size * GUESS
        answer = self._link.exchange(Type.CRC, bytes([projection]), answer=4, work=work)
        return answer == struct.pack("<I", zlib.crc32(wanted.tobytes()))

    def _run(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None) -> Readout:
        kind, rows = run_codec.encode_inputs(stimulus)
        wanted = {probe: ProbeRequest.by(probe) for probe in probes}
        counts, found = np.empty(0, np.int32), dict[ProbeRequest, NDArray[np.generic]]()
        # Probes that differ only in neurons share one recording.
        distinct = list(dict.fromkeys(wanted.values()))
        for asked, batch in self._requests(rows.shape[1], stimulus.steps, distinct):
            parts = [
                self._run_part(kind, asked, stimulus.steps, rows[start : start + batch])
                for start in range(0, len(rows), batch)
            ]
            counts = np.concatenate([each for each, _ in parts])
            for n, each in enumerate(asked):
                axis = 1 if each.reduce == 0 else 0
                found[each] = np.concatenate([samples[n] for _, samples in parts], axis)
        samples = {probe: _chosen(found[each], probe) for probe, each in wanted.items()}
        return Readout(counts, stimulus.steps, samples, "before_reset")

    def _run_part(
        self, kind: int, asked: Sequence[ProbeRequest], steps: int, rows: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
        """Run as many samples as one request holds."""
        sizes = self.network.layers
        payload = run_codec.encode(kind, asked, steps, rows)
        size = len(rows) * run_codec.answer_size(asked, sizes, steps)
        operations = len(rows) * steps * sum(cells.size for cells in self._cells)
        work = operations * (SLACK * self._speed if self._speed else GUESS)
        answer = self._link.exchange(Type.RUN, payload, answer=size, work=work)
        self._speed = max(self._speed, self._link.board_seconds / operations)
        if len(answer) != size:
            raise ReadoutError(f"the board answered a run with {len(answer)} bytes, not {size}")
        return run_codec.decode(answer, asked, sizes, steps)

    def _requests(
        self, size: int, steps: int, asked: Sequence[ProbeRequest]
    ) -> list[tuple[list[ProbeRequest], int]]:
        """How to ask for what does not fit one request.

        What a board computes depends on nothing but the stimulus, so that probes that do not fit
        one run are served by several of the same.

        Args:
            size: Bytes of one sample of the stimulus.
            steps: T.
            asked: All probes.

        Returns:
            Which probes go together, and how many samples at once.
        """
        room, sizes = self._link.board.limits.payload, self.network.layers
        groups: list[list[ProbeRequest]] = [[]]
        for each in asked:
            if each.every > run_codec.EVERY:
                raise UnsupportedProbe(
                    f"probe every {each.every} steps: a board samples at least every "
                    f"{run_codec.EVERY}"
                )
            answered = run_codec.answer_size([each], sizes, steps)
            if answered > room:
                raise UnsupportedProbe(
                    f"a probe of layer {each.layer} over {steps} steps takes {answered} bytes a "
                    f"sample: this board sends at most {room}; sample less often "
                    "(activity.every), take means (activity.estimator=rectified) or fewer steps"
                )
            together = [*groups[-1], each]
            full = len(together) > run_codec.PROBES
            if full or run_codec.answer_size(together, sizes, steps) > room:
                groups.append([each])
            else:
                groups[-1] = together
        found = []
        for group in groups:
            left = room - len(run_codec.encode(0, group, steps, np.empty((0, 0), np.uint8)))
            if size > left:
                raise CapacityError(
                    f"a sample of this stimulus takes {size} bytes: this board receives at most "
                    f"{left}, ask for fewer steps or inputs, or constant currents"
                )
            answered = run_codec.answer_size(group, sizes, steps)
            found.append((group, min(left // size, room // answered)))
        return found

    def _close(self) -> None:
        self._link.close()


def _chosen(samples: NDArray[np.generic], probe: Probe) -> NDArray[np.generic]:
    return samples if probe.neurons is None else samples[..., list(probe.neurons)]


def _info(link: Link) -> DeviceInfo:
    board, limits = link.board, link.board.limits
    tau = Setting(
        "tau_membrane", "s", 1e-4, 1.0, TAU, "Membrane time constant.", role="time_constant"
    )
    threshold = Setting(
        "threshold", "", 0.1, 10.0, 1.0, "Firing threshold above rest.", role="threshold"
    )
    return DeviceInfo(
        contract=2,
        identity=Identity(
            f"board:{limits.name}",
            serial=f"chip-{board.chip}",
            firmware=".".join(map(str, board.firmware)),
            protocol=str(VERSION),
        ),
        capacity=Capacity(
            layers=limits.layers,
            inputs=limits.inputs,
            neurons=limits.neurons,
            batch=MAX_BATCH,
            steps=limits.steps,
        ),
        timing=Timing(dt=DT, input="end_of_step", layer="end_of_step"),
        neuron=Neuron(
            membrane=Membrane(unit="", rest=0.0, threshold=1.0),
            settings=(tau, threshold),
            reset="soft",
            decay=math.exp(-DT / TAU),
        ),
        # Below, whole multiples of 2^-16 are too coarse a step.
        weights=(WeightFormat(0.1, 100.0, 2 * LARGEST + 1),),
        offers=Offers(
            stimuli=("current", "current_trace", "spikes"),
            probes=(ProbeOffer("spikes"), ProbeOffer("membrane")),
        ),
        abilities=Abilities(deterministic=True),
    )
