"""Two hosts on one board: the second is told who has it, and gets it when the first is no more."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from struct import pack

import numpy as np
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers import DeviceNotFound, DeviceRestarted, LinkError, Network, Stimulus, firmware
from drivers.board import link as link_module
from drivers.board.frames import Frame, RequestType, Status
from drivers.board.hello import ASKED, Hello
from drivers.board.simulated_board import SimulatedBoard
from support.firmware_ports import Host, connected, ports

NETWORK = Network.feed_forward((4, 6, 3))
OWNER = """
import sys, time
import drivers
from drivers import Network
with drivers.open(sys.argv[1]) as device:
    device.configure(Network.feed_forward((4, 6, 3)))
    print("has it", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def relay(target: str) -> Iterator[str]:
    """A network port on which any number of hosts reach one board, each of which hears all."""
    line, hosts, stop = serial.serial_for_url(target, timeout=0.01), list[socket.socket](), False

    def listen() -> None:
        while not stop:
            data = line.read(line.in_waiting or 1)
            for host in list(hosts):
                with suppress(OSError):
                    host.sendall(data)

    def serve(host: socket.socket) -> None:
        with suppress(OSError):
            while data := host.recv(65536):
                line.write(data)
        hosts.remove(host)
        host.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                host, _ = server.accept()
                host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                hosts.append(host)
                threading.Thread(target=serve, args=(host,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threads = [threading.Thread(target=each, daemon=True) for each in (listen, accept)]
        for thread in threads:
            thread.start()
        try:
            yield f"board:socket://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop = True
            server.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            line.close()


@pytest.fixture(scope="module", params=ports("native", "mps2"))
def shared(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a board that several hosts reach at a time."""
    with connected(request.param) as (running, host):
        host.port.close()
        with relay(running.url) as url:
            yield url


def owned(url: str) -> subprocess.Popen[str]:
    """A process that has the board."""
    words = [sys.executable, "-c", OWNER, url]
    process = subprocess.Popen(words, stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    return process


def test_the_second_is_told_who_has_it(shared: str) -> None:
    with drivers.open(shared) as first:
        first.configure(NETWORK)
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.1):
                first.run(Stimulus.current(np.ones((2, 4)), steps=5))

        busy = threading.Thread(target=work)
        busy.start()
        try:
            with pytest.raises(DeviceNotFound, match=rf"in use by .*process {os.getpid()}"):
                drivers.open(shared)
        finally:
            stop.set()
            busy.join()


def test_after_kill_9_of_the_first_the_second_gets_in_within_10_s(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 10 - link_module.SILENCE - 2 * link_module.LOOK
    monkeypatch.setattr(link_module, "SILENCE", 1.0)  # the rest of it takes as long as ever
    with owned(shared) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
    began = time.monotonic()
    with drivers.open(shared) as device:
        assert 1.0 < time.monotonic() - began < 1.0 + 2 * link_module.LOOK + left
        device.configure(NETWORK)


def test_a_board_that_was_given_back_is_free_at_once(shared: str) -> None:
    for _ in range(3):
        began = time.monotonic()
        with drivers.open(shared) as device:
            device.configure(NETWORK)
        assert time.monotonic() - began < link_module.SILENCE


def test_a_host_that_was_silent_is_told_and_writes_anew(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never does one run on weights of the other."""
    monkeypatch.setattr(link_module, "SILENCE", 0.2)
    monkeypatch.setattr(link_module, "LOOK", 0.05)
    weights = np.full((4, 6), 0.5, np.float32)
    with drivers.open(shared) as first:
        first.configure(NETWORK)
        with drivers.open(shared) as second:
            second.configure(NETWORK)
            with pytest.raises(LinkError, match=r"was taken over by .*process"):
                first.write_weights(0, weights)
            second.write_weights(0, weights)
        with pytest.raises(DeviceRestarted, match="in use by another host meanwhile"):
            first.write_weights(0, weights)
        first.configure(NETWORK)
        first.write_weights(0, weights)


@pytest.fixture(scope="module", params=ports("native", "sanitized", "mps2", "stm32f405", "pico"))
def host(request: pytest.FixtureRequest) -> Iterator[tuple[firmware.Running, Host]]:
    with connected(request.param, seed=7) as pair:
        yield pair


ASKING = st.tuples(
    st.sampled_from([0, 1, 2]),  # token
    st.sampled_from([0, 1, 2, 3, 255]),  # lease that is replaced, from the boot's on
    st.sampled_from([0, 0, 0, 1, 2]),  # flags
    st.sampled_from([0, 0, 0, 1]),
    st.integers(0, 4),  # used
    st.binary(max_size=34),
)
REQUESTS = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 3]), st.none() | ASKING), min_size=8, max_size=30
)


@settings(max_examples=12, deadline=None)
@given(asked=REQUESTS)
def test_leases_of_every_port_are_those_of_the_simulated_board(
    host: tuple[firmware.Running, Host], asked: list[tuple[int, tuple[object, ...] | None]]
) -> None:
    running, line = host
    running.reboot()
    first = Frame(RequestType.HELLO, 0).encode()
    answer = line.say(first)
    told = Hello.decode(Frame.decode(answer[:-1]).payload)
    simulated = SimulatedBoard(told.chip, told.boot_id, told)
    assert simulated.feed(first) == answer

    def number(offset: int) -> int:
        """Of the lease that is the n-th since the boot."""
        return (told.boot_id % 256 + offset - 1) % 255 + 1 if 0 < offset < 255 else offset

    for sequence, (lease, asking) in enumerate(asked, start=1):
        kind, payload = RequestType.ECHO, b"x"
        if asking is not None:
            token, replaced, *rest, name = asking
            payload = ASKED.pack(token, number(int(str(replaced))), *rest) + bytes(name)  # type: ignore[call-overload]
            kind = RequestType.HELLO
        request = Frame(kind, sequence, payload, number(lease)).encode()
        assert line.say(request) == simulated.feed(request)


def test_whatever_asks_for_a_lease_wrongly_is_refused() -> None:
    board = SimulatedBoard()
    for payload, status in (
        (b"x", Status.SIZE),
        (ASKED.pack(1, 0, 0, 0, 0) + bytes(33), Status.SIZE),
        (ASKED.pack(0, 0, 0, 0, 0), Status.VALUE),
        (ASKED.pack(1, 0, 2, 0, 0), Status.VALUE),
        (pack("<IBBHI", 1, 0, 0, 1, 0), Status.VALUE),
    ):
        answer = Frame.decode(board.feed(Frame(RequestType.HELLO, 1, payload).encode())[:-1])
        assert answer.status == status
