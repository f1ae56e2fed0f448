"""What a board says of itself is all that the host knows of it; other versions end in one line."""

from __future__ import annotations

import math
import re
import socket
import threading
from dataclasses import replace
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivers import Network, Probe, Stimulus
from drivers.board import hello, network_codec, run_codec
from drivers.board.device import Board
from drivers.board.frames import RequestType
from drivers.board.hello import Hello, make_hello
from drivers.board.link import Link
from drivers.board.run_codec import ProbeRequest
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from drivers.contract.info import ProbeOffer, WeightFormat
from drivers.contract.network import Population, Projection
from drivers.errors import ProtocolMismatch, ReadoutError
from hil.cli.app import app
from support.paths import tries

# What a firmware of version 1 answered to HELLO, and to anything else, when that was of another
# version: bytes as its page had them.
OLD_HELLO = bytes.fromhex(
    "020102810753504b4c0108024001020102010407b007010101021002040102100102040108766563746f7273"
    "010101010101010105c9f77ebb00"
)
OURS = replace(make_hello(), chip=3)
# A neuron that is as little like ours as the protocol can say.
OTHER = Hello(
    payload=2000,
    boot_id=9,
    chip=77,
    firmware=(3, 1, 4),
    protocol=2,
    name="other",
    capacity=hello.CapacityRecord(100_000, 70_000, 5000, 0, 40, 3, 500, 7, 12, 2, 1 | 2 | 4),
    timing=hello.TimingRecord(step=250_000, input=1, layer=3, clears=2, add=1),
    neuron=hello.NeuronRecord(reset=2, spikes=3, refractory=5, decay=3 << 29, rest=-100, unit=50),
    abilities=hello.AbilitiesRecord(0),
    weights=(
        hello.WeightsRecord(16, 200_000, 3_000_000),
        hello.WeightsRecord(3, 1_000_000, 1_000_000),
    ),
    inputs=(hello.InputRecord(3, 1, 9), hello.InputRecord(1, 64, 640), hello.InputRecord(4, 1, 1)),
    settings=(
        hello.SettingRecord(1, 1, 1, "", 500_000, 2_000_000, 1_500_000, "v_th"),
        hello.SettingRecord(3, 3, 0, "s", 0, 10_000, 1_000, "t_ref"),
        hello.SettingRecord(0, 1, 0, "nA", 0, 5_000_000, 1_000_000, "i_bias"),
    ),
    probes=(
        hello.ProbeRecord(0, 2, 2, 0),
        hello.ProbeRecord(1, 1, 1 | 4, 2, every=5, neurons=4),
        hello.ProbeRecord(9, 3, 7, 0),
    ),
)


def test_another_neuron_is_stated_as_its_hello_says() -> None:
    info = Hello.decode(OTHER.encode()).to_contract()
    assert (info.identity.name, info.identity.serial) == ("board:other", "chip-77")
    assert (info.identity.firmware, info.identity.protocol) == ("3.1.4", "2")
    room = info.capacity
    assert (room.inputs, room.neurons, room.layers, room.steps) == (100_000, 70_000, 3, 500)
    assert (room.synapses, room.fan_in, room.delay) == (5000, 40, 12)
    assert room.recurrence and room.skips and room.synapse_delays
    when = info.timing
    assert (when.dt, when.input, when.layer) == (0.25e-3, "same_step", "next_step")
    assert (when.hard_reset_clears_events, when.events_add) == (True, False)
    neuron = info.neuron
    assert (neuron.reset, neuron.spikes_per_step, neuron.refractory) == ("hard", 3, 4)
    assert (neuron.decay, neuron.membrane.threshold) == (0.75, 1.5)
    assert [(s.name, s.role, s.unit, s.per_neuron) for s in neuron.settings] == [
        ("v_th", "threshold", "", True),
        ("t_ref", "refractory", "s", False),
        ("i_bias", "", "nA", False),
    ]
    assert info.weights == (WeightFormat(0.2, 3.0, 16), WeightFormat(1.0, 1.0, 3))
    assert info.offers.stimuli == ("spikes", "current_trace")
    assert info.offers.probes == (
        ProbeOffer("spikes", "output", ("mean",)),
        ProbeOffer("membrane", "hidden", ("none", "last"), 5, 4, "after_reset"),
    )
    assert not info.abilities.deterministic


def test_what_a_hello_leaves_open_is_unknown() -> None:
    quiet = replace(OURS, timing=hello.TimingRecord(step=10**6), settings=(), probes=())
    info = replace(quiet, neuron=hello.NeuronRecord(reset=1)).to_contract()
    unknown = info.timing.input, info.timing.layer, info.timing.events_add, info.neuron.refractory
    assert unknown == (None, None, None, None) and info.neuron.decay is None
    assert info.timing.hard_reset_clears_events is None
    ours = OURS.to_contract()
    assert ours.neuron.decay == math.exp(-0.1) and ours.neuron.setting("threshold") is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"capacity": hello.CapacityRecord()}, "its room"),
        ({"timing": hello.TimingRecord()}, "length of a step"),
        ({"neuron": hello.NeuronRecord(unit=1)}, "its reset"),
        ({"neuron": hello.NeuronRecord(reset=1)}, "in what unit membranes"),
        ({"weights": ()}, "its weights"),
        ({"weights": (hello.WeightsRecord(257, 1, 2),)}, "257 levels, this host sends up to 256"),
        ({"inputs": (hello.InputRecord(4, 1, 1),)}, "its input"),
        ({"probes": (hello.ProbeRecord(1, 3, 7),)}, "when membranes are sampled"),
        ({"settings": (hello.SettingRecord(name="x"),)}, "how its settings are written"),
    ],
)
def test_what_a_host_has_to_know_is_asked_for_in_one_line(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProtocolMismatch, match=words) as caught:
        replace(OURS, **change).to_contract()
    assert "\n" not in str(caught.value)


def numbers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


@settings(max_examples=tries(30, 100))
@given(
    st.builds(hello.CapacityRecord, *[numbers(32)] * 5, *[numbers(16)] * 6),
    st.builds(hello.TimingRecord, numbers(32), *[numbers(8)] * 4),
    st.builds(
        hello.NeuronRecord,
        *[numbers(8)] * 2,
        numbers(16),
        numbers(32),
        st.integers(-(1 << 31), (1 << 31) - 1),
        numbers(32),
    ),
    st.lists(st.builds(hello.WeightsRecord, numbers(16), numbers(32), numbers(32)), max_size=3),
    st.lists(st.builds(hello.ProbeRecord, *[numbers(8)] * 4, *[numbers(16)] * 2), max_size=3),
    st.text("abcdefg_ 0123", max_size=16),
)
def test_a_hello_is_read_as_it_was_written(
    capacity: hello.CapacityRecord,
    timing: hello.TimingRecord,
    neuron: hello.NeuronRecord,
    weights: list[hello.WeightsRecord],
    probes: list[hello.ProbeRecord],
    name: str,
) -> None:
    parts: dict[str, Any] = {"capacity": capacity, "timing": timing, "neuron": neuron}
    told = replace(OTHER, **parts, weights=tuple(weights), probes=tuple(probes), name=name)
    assert Hello.decode(told.encode()) == told


def test_records_may_be_longer_shorter_and_unknown() -> None:
    plain = OTHER.encode()
    longer = plain[:20] + bytes([200, 3, 1, 2, 3]) + plain[20:] + bytes([201, 0])
    assert Hello.decode(longer) == OTHER
    timing = plain.index(bytes([3, 8]) + pack("<I", 250_000))
    grown = plain[:timing] + bytes([3, 12]) + plain[timing + 2 : timing + 10] + b"more"
    assert Hello.decode(grown + plain[timing + 10 :]) == OTHER
    cut = plain[:timing] + bytes([3, 5]) + plain[timing + 2 : timing + 7] + plain[timing + 10 :]
    assert Hello.decode(cut).timing == hello.TimingRecord(250_000, 1)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    for payload in (noise, b"SPKL" + noise, OTHER.encode()[:40] + noise):
        try:
            told = Hello.decode(payload)
        except ValueError as error:
            assert "\n" not in str(error)
            continue
        try:
            told.to_contract()
        except ProtocolMismatch as error:
            assert "\n" not in str(error)


# -- what is sent to such a board -------------------------------------------------------------


def test_a_graph_with_delays_and_trims_is_told_in_full() -> None:
    info, delays = OTHER.to_contract(), np.arange(6).reshape(2, 3)
    chosen = {"v_th": 1.25, "t_ref": 0.002, "i_bias": 2.5}
    trims = {"v_th": np.array([1.0, 1.5], np.float32)}
    net = Network(
        3,
        (Population(2, chosen, trims), Population(3, chosen)),
        (Projection(0, 1, 1.5), Projection(1, 2, 1.0, delays), Projection(2, 2, 1.0, 4)),
    )
    coded = pack("<3I", 81920, 8, 163840)
    assert list(network_codec.encode_network(OTHER, net, info)) == [
        (
            RequestType.CONFIGURE,
            pack("<HHIHH", 2, 3, 3, 3, 0)
            + pack("<II", 2, 0)
            + coded
            + pack("<II", 3, 0)
            + coded
            + pack("<4HI", 0, 1, 0, 0, round(65536 * 2 * 1.5 / 15))
            + pack("<4HI", 1, 2, 0, 1, 65536)
            + pack("<4HI", 2, 2, 4, 0, 65536),
        ),
        (RequestType.DELAYS, pack("<HIH6H", 1, 0, 6, *range(6))),
        (RequestType.TRIM, pack("<HHIH2I", 1, 0, 0, 2, 65536, 98304)),
    ]


def test_an_answer_is_read_in_the_units_of_the_board() -> None:
    sizes = (2, 2, 3)
    asked = [
        ProbeRequest.from_probe(Probe(2, "spikes"), OTHER),
        ProbeRequest.from_probe(Probe(1, every=2, reduce="mean"), OTHER),
        ProbeRequest.from_probe(Probe(1, neurons=(1,), reduce="last"), OTHER),
    ]
    payload = pack("<3H", 4, 0, 9) + bytes([3, 0, 1, 1, 0, 2, 0, 0, 3, 0, 0, 3])
    payload += pack("<2i", -200, -100) + pack("<h", 25)
    assert len(payload) == run_codec.answer_size(asked, sizes, 4)
    counts, (raster, mean, last) = run_codec.decode_answer(OTHER, payload, asked, sizes, 4)
    assert counts.tolist() == [[4, 0, 9]]
    assert raster[:, 0].tolist() == [[3, 0, 1], [1, 0, 2], [0, 0, 3], [0, 0, 3]]
    assert mean.tolist() == [[0.0, 1.0]] and last.tolist() == [[2.5]]
    shown = run_codec.encode_input(OTHER, Stimulus.spikes(np.eye(2), steps=1))
    assert (shown.kind, shown.rows.tolist()) == (3, [[1, 0], [0, 1]])
    shown = run_codec.encode_input(OTHER, Stimulus.current_trace([[[0.5, -1]]]))
    assert (shown.kind, shown.encode()) == (1, pack("<2h", 32, -64))


def test_weights_of_an_even_number_of_levels_are_cells_with_a_half() -> None:
    coarse = replace(OURS, weights=(hello.WeightsRecord(4, 10**5, 10**7),))
    simulated = SimulatedBoard(0, hello=coarse)
    device = Board(Link(SimulatedPort(simulated), "board:coarse", 115200))
    device.configure(Network.feed_forward((4, 1), (3.0,)))
    stored = device.write_weights(0, np.array([[-9.0], [-0.2], [0.2], [9.0]]))
    assert stored.ravel().tolist() == [-3.0, -1.0, 1.0, 3.0]
    assert simulated._network.projections[0].weights.ravel().tolist() == [-2, -1, 0, 1]


@pytest.mark.parametrize("size", [0, 23, 24, 30])
def test_statistics_may_be_longer_but_not_shorter(size: int) -> None:
    device = Board(Link(SimulatedPort(SimulatedBoard(0)), "board:simulated", 115200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device._link, "exchange", lambda *_, **__: bytes(size))
        if size < 24:
            with pytest.raises(ReadoutError, match=f"{size} bytes, not 24"):
                device.stats()
        else:
            assert device.stats() == (0, 0, 0, 0, 0, 0)


# -- other versions ---------------------------------------------------------------------------


def framed(body: bytes) -> bytes:
    from drivers.board import frames

    version, sequence, kind, status = body[:4]
    return frames.Frame(kind, sequence, body[4:], status, version).encode()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OLD_HELLO, "version 1 of the protocol, this host version 2: flash the firmware"),
        (
            framed(bytes([3, 0, 0x81, 0]) + b"SPKL\3\0" + bytes(range(60))),
            "version 3 of the protocol, this host version 2: update this host",
        ),
    ],
)
def test_a_board_of_another_version_is_one_line(answer: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = []

        def serve() -> None:
            line, _ = server.accept()
            with line:
                while data := line.recv(4096):
                    asked.append(data)
                    line.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"board:socket://127.0.0.1:{server.getsockname()[1]}"
        ended = CliRunner().invoke(app, ["train", "digits", "--device", url])
    assert ended.exit_code == 2 and ended.stderr.count("\n") == 1
    assert re.search(words, ended.stderr) and len(asked) == 1
