"""The firmware: the same bytes as the simulated board, on every port, and no way to break it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from struct import pack, unpack

import numpy as np
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import firmware
from drivers.board import frames
from drivers.board.frames import Frame, RequestType, Status
from drivers.board.hello import Hello
from drivers.board.simulated_board import SimulatedBoard
from drivers.firmware import vectors
from drivers.firmware.building import SOURCES
from support.board_scripts import (
    EDGES,
    KEEP,
    REFUSED,
    configuration,
    run_head,
    script,
    some_weights,
    stimulus,
)
from support.firmware_ports import Host, connected, need, ports
from support.paths import tries
from support.plain_board import CHIP_AT_ZERO

SEEDS = st.integers(0, 2**32 - 1)


BOARDS = ports("native", "sanitized", "mps2", "stm32f405", "pico", "pico over USB")


@pytest.fixture(scope="module", params=BOARDS)
def board(request: pytest.FixtureRequest) -> Iterator[tuple[firmware.Running, Host]]:
    with connected(request.param, seed=7) as pair:
        yield pair


def answered(line: bytes) -> bool:
    """Whether a device answers one frame: not when it is empty, or an answer itself."""
    try:
        return not Frame.decode(line[:-1]).type & frames.ANSWER
    except frames.FrameDamaged:
        return len(line) > 1


def agree(host: Host, simulated: SimulatedBoard, lines: list[bytes]) -> None:
    for line in lines:
        for part in line.split(b"\0")[:-1]:
            if answered(part + b"\0"):
                assert host.say(part + b"\0") == simulated.feed(part + b"\0"), part.hex()
            else:
                host.port.write(part + b"\0")
                simulated.feed(part + b"\0")


def fresh(pair: tuple[firmware.Running, Host]) -> tuple[Host, SimulatedBoard, Hello]:
    """A board that has just booted, and the same board, simulated."""
    running, host = pair
    running.reboot()
    first = Frame(RequestType.HELLO, 0).encode()
    answer = host.say(first)
    told = Hello.decode(Frame.decode(answer[:-1]).payload)
    simulated = SimulatedBoard(told.chip, told.boot_id, told)
    assert simulated.feed(first) == answer
    return host, simulated, told


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_every_port_answers_as_the_simulated_board_does(
    board: tuple[firmware.Running, Host], seed: int
) -> None:
    host, simulated, limits = fresh(board)
    agree(host, simulated, script(np.random.default_rng(seed), limits, 24))


@settings(max_examples=tries(8, 30), deadline=None)
@given(chip=st.sampled_from([0, CHIP_AT_ZERO]) | SEEDS, seed=SEEDS)
def test_every_chip_is_the_simulated_one_of_its_seed(chip: int, seed: int) -> None:
    with connected("native", chip) as pair:
        host, simulated, limits = fresh(pair)
        agree(host, simulated, script(np.random.default_rng(seed), limits, 12))


@pytest.mark.parametrize("port", ports("sanitized", "mps2", "stm32f405", "pico"))
def test_edges_and_refusals_are_those_of_the_simulated_board(port: str) -> None:
    # The ideal chip has round numbers, which reach the edges exactly.
    with connected(port, 0) as pair:
        host, simulated, _ = fresh(pair)
        small = (RequestType.CONFIGURE, configuration([4, 3]))
        refused = [each for kind, payload, _ in REFUSED for each in (small, (kind, payload))]
        lines = [
            Frame(kind, number % 256, payload).encode()
            for number, (kind, payload) in enumerate([*EDGES, *refused], start=1)
        ]
        agree(host, simulated, lines)


def test_the_vectors_hold_on_every_port(board: tuple[firmware.Running, Host]) -> None:
    running, host = board
    running.reboot()
    for each in vectors.load_vectors()["exchanges"]["in_order"]:
        answer = host.say(bytes.fromhex(each["request"]))
        if each["title"] == "HELLO":
            # A board has limits and a boot of its own.
            theirs, ours = (
                Hello.decode(Frame.decode(line[:-1]).payload)
                for line in (bytes.fromhex(each["answer"]), answer)
            )
            assert (ours.protocol, ours.chip) == (theirs.protocol, theirs.chip)
        else:
            assert answer.hex() == each["answer"], each["title"]


@pytest.mark.parametrize("port", ports("native", "stm32f405"))
def test_the_runs_hold_on_every_chip(port: str) -> None:
    runs = vectors.load_vectors()["runs"]
    for chip in {run["chip"] for run in runs}:
        with connected(port, chip) as (_, host):
            for run in (run for run in runs if run["chip"] == chip):
                asked = [(RequestType.CONFIGURE, run["configure"])]
                asked += [(RequestType.WRITE, payload) for payload in run["writes"]]
                asked += [(RequestType.DELAYS, payload) for payload in run["delays"]]
                for sequence, (kind, payload) in enumerate(asked):
                    assert host.ask(kind, bytes.fromhex(payload), sequence).status == Status.OK
                answer = host.ask(RequestType.RUN, bytes.fromhex(run["run"]), len(asked))
                assert answer.payload.hex() == run["answer"]


def test_the_vectors_are_what_the_simulated_board_says_now() -> None:
    assert vectors.answer_vectors(vectors.load_vectors()) == vectors.load_vectors()


def test_a_boot_is_another_and_knows_nothing(board: tuple[firmware.Running, Host]) -> None:
    running, host = board
    seen = set()
    for number in range(5):
        running.reboot()
        seen.add(host.hello().boot_id)
        assert host.ask(RequestType.CRC, bytes(4), sequence=1).status == Status.NOT_CONFIGURED
        network = configuration([2, 1])
        assert host.ask(RequestType.CONFIGURE, network, sequence=2 + number).status == Status.OK
        assert host.ask(RequestType.CRC, bytes(4), sequence=1).status == Status.OK
    assert len(seen) == 5


@pytest.mark.parametrize("port", ports("native", "mps2", "stm32f405", "pico"))
def test_a_board_that_was_off_has_another_boot_id(port: str) -> None:
    seen = set()
    for _ in range(2):
        with connected(port) as (_, host):
            seen.add(host.hello().boot_id)
    assert len(seen) == 2


def test_what_comes_while_the_board_works_is_not_lost(
    board: tuple[firmware.Running, Host],
) -> None:
    host, simulated, limits = fresh(board)
    network = configuration([100, 100, 100], leak=10, multiplier=1)
    run = run_head(0, 1000, 1) + b"\0\1" * 100
    lines = [
        Frame(kind, sequence, payload).encode()
        for sequence, (kind, payload) in enumerate(
            [
                (RequestType.CONFIGURE, network),
                (RequestType.RUN, run),
                (RequestType.ECHO, bytes(limits.payload - 4000)),
                (RequestType.STATS, b""),
            ],
            start=1,
        )
    ]
    expected = [simulated.feed(line) for line in lines]
    host.port.write(b"".join(lines))
    assert [host.port.read_until(b"\0") for _ in lines] == expected
    assert Frame.decode(expected[1][:-1]).status == Status.OK


def test_frames_at_the_limit_and_beyond(board: tuple[firmware.Running, Host]) -> None:
    host, simulated, limits = fresh(board)
    rng = np.random.default_rng(1)
    lines = []
    for size in (limits.payload - 1, limits.payload, limits.payload + 1, limits.payload + 300):
        # With many zeros and without any, which is the longest.
        for byte in (b"\0", b"\1"):
            lines.append(Frame(RequestType.ECHO, len(lines) + 1, byte * size).encode())
    noise = bytes(rng.integers(1, 256, 3 * limits.payload, np.uint8)) + b"\0"
    agree(host, simulated, [*lines, noise, Frame(RequestType.STATS, 99).encode()])


def test_the_largest_networks_fit_and_no_larger(board: tuple[firmware.Running, Host]) -> None:
    host, simulated, limits = fresh(board)
    rng = np.random.default_rng(2)
    asked: list[tuple[int, bytes]] = []
    for sizes in (
        [limits.capacity.inputs, limits.capacity.synapses // limits.capacity.inputs],
        [limits.capacity.synapses // limits.capacity.neurons, limits.capacity.neurons],
        [3, *[limits.capacity.neurons // 8] * limits.capacity.layers],
    ):
        ends = ((0, 0), (len(sizes) - 2, sizes[-2] * sizes[-1] - 100))
        asked += [
            (RequestType.CONFIGURE, configuration(sizes, multiplier=1 << 16)),
            *(
                (RequestType.WRITE, pack("<HIH", projection, first, 100) + some_weights(rng, 100))
                for projection, first in ends
            ),
            *((RequestType.CRC, pack("<HBB", projection, 0, 0)) for projection, _ in ends),
            (RequestType.RUN, run_head(0, 5, 1) + stimulus(rng, 0, 5, 1, sizes[0])),
        ]
    lines = [Frame(kind, n % 256, p).encode() for n, (kind, p) in enumerate(asked, start=1)]
    agree(host, simulated, lines)
    runs = 4  # which number of STATS that is
    assert unpack("<6I", host.ask(RequestType.STATS, sequence=99).payload)[runs] == 3
    most = limits.capacity.kept // limits.capacity.neurons
    host.ask(RequestType.CONFIGURE, configuration([1, limits.capacity.neurons]))
    for number, first in enumerate((most - 1, most)):
        head = run_head(0, 1, 1, flags=KEEP, first=first)
        status = (Status.OK, Status.ROOM)[number]
        assert host.ask(RequestType.RUN, head + bytes(2), sequence=number + 2).status == status
    for sizes in (
        [limits.capacity.inputs, limits.capacity.synapses // limits.capacity.inputs + 1],
        [limits.capacity.inputs + 1, 1],
        [1, limits.capacity.neurons + 1],
        [1] * (limits.capacity.layers + 2),
    ):
        assert host.ask(RequestType.CONFIGURE, configuration(sizes)).status == Status.ROOM


def test_a_closed_board_is_gone() -> None:
    need("mps2")
    board = firmware.start("mps2")
    Host(board.url).port.close()
    board.close()
    board.close()
    with pytest.raises(serial.SerialException):
        Host(board.url)


def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    need("sanitized")
    count = tries(15_000, 300_000)
    command = ["make", "-C", str(SOURCES), f"BUILD={tmp_path}", "fuzz", f"COUNT={count}"]
    for seed in (1, 2):
        made = subprocess.run([*command, f"SEED={seed}"], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        assert f"{count} strings" in made.stdout
        assert "HELLO is answered" in made.stdout
