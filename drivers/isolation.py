"""A driver in a process of its own, which the host survives: `isolated=1` in any address.

Where that process dies, hangs or takes too much memory, another one takes its place, which opens
the device anew: to the host it is a device that has restarted.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from pickle import PickleError
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.device import Device
from drivers.contract.faults import Fault
from drivers.contract.info import DeviceInfo, StimulusKind
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import DeviceError, DeviceNotFound, DeviceRestarted, DriverError, make_error

# In the order in which Python takes them: nothing of the working folder comes before.
PROGRAM = (
    "import json, sys; number, path = sys.argv[1:]; sys.path[:] = json.loads(path); "
    "from drivers import isolation, registry; isolation.serve(int(number), registry)"
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
OUT_OF_MEMORY = 75  # exit code
OPENING, CLOSING = 60.0, 5.0  # seconds, that of opening beside the limit of a call
Line = tuple[float, int, tuple[str, ...], Mapping[str, float]]
"""Seconds and bytes on the line to the device, and what of it has failed."""
LOST = (EOFError, OSError, PickleError, ValueError, AttributeError, ImportError, IndexError)


class ProcessLost(Exception):
    """The process of a driver is no more."""


def half_of_memory() -> int:
    """Compute half of the memory of this machine, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


class Isolated(Device):
    """The device at an address, whose driver runs in a process of its own."""

    call_limit = math.inf  # a hanging process is ended, not this one

    def __init__(self, url: str, places: Mapping[str, str], limit: float) -> None:
        """Open it.

        Args:
            url: Its address, without `isolated` and `call_limit`.
            places: `module:class` of each scheme that is built in.
            limit: How long a call may last, in seconds.
        """
        self._url, self._limit = url, limit
        self._start = (url, dict(places), half_of_memory())
        self._line: Line = (0.0, 0, (), {})
        self._before = (0.0, 0)  # of the processes before
        self._info = self._open()

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Isolated:
        """Refuse: it is the option of an address that makes it isolated."""
        raise DeviceNotFound("isolated is an option: write isolated=1 behind any address")

    @property
    def info(self) -> DeviceInfo:
        """Statement of the device."""
        return self._info

    @property
    def transfer_seconds(self) -> float:
        """Time spent on the line to the device, in seconds."""
        return self._before[0] + self._line[0]

    @property
    def transfer_bytes(self) -> int:
        """Bytes on the line to the device, both ways."""
        return self._before[1] + self._line[1]

    @property
    def failures(self) -> tuple[str, ...]:
        """Parts of the device that are done without."""
        return self._line[2]

    @property
    def condition(self) -> Mapping[str, float]:
        """Figures that the device tells of its state."""
        return self._line[3]

    def check_run(
        self, kind: StimulusKind, batch: int, steps: int, probes: Sequence[Probe] = ()
    ) -> None:
        """Refuse, as `run` would, what the device cannot serve; runs nothing."""
        super().check_run(kind, batch, steps, probes)
        self._ask("check_run", kind, batch, steps, tuple(probes))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Give all that the device remembers."""
        given: dict[str, NDArray[np.generic]] = self._ask("state")
        return given

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return the device to what `state` gave."""
        self._ask("restore", dict(state))

    def _configure(self, network: Network) -> None:
        self._ask("configure", network)

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        stored: NDArray[np.float32] = self._ask("write_weights", projection, weights)
        return stored

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        readout: Readout = self._ask("run", stimulus, probes, trial=trial, carry=carry)
        return readout

    def _set_faults(self, faults: Sequence[Fault]) -> None:
        self._ask("set_faults", faults)

    def _reset(self) -> None:
        self._ask("reset")

    def _close(self) -> None:
        try:
            with suppress(ProcessLost):
                self._exchange("close", ("close", (), {}), CLOSING)
        finally:
            self._end()

    # -- the process --------------------------------------------------------------------------

    def _open(self) -> DeviceInfo:
        here, there = Pipe()
        with there:
            self._connection: Connection[Any, Any] = here
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(there.fileno()), json.dumps(sys.path)],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ONE_THREAD},
            )
        try:
            info: DeviceInfo = self._exchange("opening it", self._start, self._limit + OPENING)
        except DeviceError:
            self._end()
            raise
        except ProcessLost as lost:
            raise DriverError(f"{self._url}: {lost}") from None
        return info

    def _ask(self, method: str, *given: Any, **options: Any) -> Any:
        """Ask the device in the process; one that is lost is started anew."""
        try:
            return self._exchange(method, (method, given, options), self._limit)
        except ProcessLost as error:
            lost = str(error)
        self._before, self._line = (self.transfer_seconds, self.transfer_bytes), (0.0, 0, (), {})
        if self._open() != self._info:
            raise DriverError(f"{self._url}: {lost}; it is another device since")
        raise DeviceRestarted(f"{self._url}: {lost}, and was started anew")

    def _exchange(self, what: str, request: object, limit: float) -> Any:
        """Send a request, and return what is answered.

        Raises:
            ProcessLost: When the process ends or is ended, which says `what` it was asked.
            DeviceError: When the device raised it.
        """
        try:
            self._connection.send(request)
            if not self._connection.poll(limit):
                raise TimeoutError
            answer, kind, self._line = self._connection.recv()
        except LOST as error:
            raise ProcessLost(self._explain(error, what)) from None
        except BaseException:  # an answer is on its way, which nobody will read
            self._end()
            raise
        if kind:
            raise make_error(kind, answer)
        return answer

    def _explain(self, error: BaseException, what: str) -> str:
        """End the process, and say what became of it."""
        if isinstance(error, TimeoutError):
            self._end()
            return f"the driver's process did not return from {what} within {self._limit:g} s"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSING)
        self._end()
        code = self._process.returncode
        if code == OUT_OF_MEMORY:
            return f"the driver's process ran out of memory in {what}"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the driver's process ended in {what} ({how})"

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._connection.close()


def serve(number: int, registry: ModuleType) -> None:
    """Open a device and answer what is asked of it, until the other end is gone.

    Args:
        number: File descriptor of the connection.
        registry: Opens it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the host's to end
    os.dup2(2, 1)  # what is printed past Python is no result
    threading.Thread(target=_outlive_nobody, args=(os.getppid(),), daemon=True).start()
    connection: Connection[Any, Any] = Connection(number)
    url, places, memory = connection.recv()
    _bound_memory(memory)
    registry.BUILTIN.update(places)
    device: Device | None = None

    def open_device() -> DeviceInfo:
        nonlocal device
        device = registry.open(url)
        device.call_limit = math.inf
        return device.info

    _answer(connection, open_device, lambda: device)
    while device is not None:
        try:
            method, given, options = connection.recv()
        except (EOFError, OSError):
            return
        act = getattr(device, method)
        _answer(connection, lambda: act(*given, **options), lambda: device)  # noqa: B023
        if method == "close":
            return


def _answer(
    connection: Connection[Any, Any], act: Callable[[], object], find: Callable[[], Device | None]
) -> None:
    answer: object
    try:
        answer, kind = act(), ""
    except DeviceError as error:
        kinds = (each for each in type(error).__mro__ if each.__module__ == DeviceError.__module__)
        answer, kind = str(error), next(kinds).__name__
    except (MemoryError, KeyboardInterrupt) as error:
        os._exit(OUT_OF_MEMORY if isinstance(error, MemoryError) else 130)
    device = find()
    line: Line = (0.0, 0, (), {})
    if device is not None:
        line = (
            device.transfer_seconds,
            device.transfer_bytes,
            device.failures,
            device.condition,
        )
    connection.send((answer, kind, line))


def _bound_memory(most: int) -> None:
    """Let allocations fail beyond a limit, and the system end this process before others."""
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _outlive_nobody(parent: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
