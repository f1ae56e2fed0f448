"""A device whose session is recorded to a file, and one that answers from such a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers.contract.device import Composite, Device
from drivers.contract.faults import Fault
from drivers.contract.info import DeviceInfo
from drivers.contract.messages import Probe, Readout, Stimulus, build_readout, readout_arrays
from drivers.contract.network import Network
from drivers.errors import (
    DeviceError,
    DeviceNotFound,
    Diverged,
    FileFormatError,
    SettingError,
    make_error,
)
from drivers.session.file import (
    Exchange,
    ExchangeKind,
    Fields,
    SessionReader,
    SessionWriter,
    fault_fields,
    first_difference,
    info_fields,
    network_fields,
    read_info,
    run_fields,
    write_fields,
)

Answer = TypeVar("Answer")
POSITION = "exchange"


class Recorded(Composite):
    """Any device, with each exchange appended to a file as soon as it is over.

    What `Device` refuses before it reaches the driver is not recorded; what the driver refuses
    is. Reading its state changes nothing, and is not recorded either.
    """

    def __init__(self, device: Device, path: str | Path) -> None:
        """Begin a session.

        Args:
            device: The device, just opened; closed with this one.
            path: File to record to; it must not exist.

        Raises:
            ValueError: When the file exists, or its folder does not.
            OSError: When it cannot be written.
        """
        opening = Exchange("open", given={"info": info_fields(device.info)})
        super().__init__(device)
        self._device = device
        self._file = SessionWriter(path)
        self._began = time.perf_counter()
        self._file.append(opening.to_record())

    def _configure(self, network: Network) -> None:
        self._record("configure", network_fields(network), lambda: self._device.configure(network))

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._record(
            "write",
            write_fields(projection, weights),
            lambda: self._device.write_weights(projection, weights),
            lambda stored: {"stored": stored},
        )

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        return self._record(
            "run",
            run_fields(stimulus, probes, trial, carry),
            lambda: self._device.run(stimulus, probes, trial=trial, carry=carry),
            readout_arrays,
        )

    def _set_faults(self, faults: Sequence[Fault]) -> None:
        self._record("faults", fault_fields(faults), lambda: self._device.set_faults(faults))

    def _reset(self) -> None:
        self._record("reset", {}, super()._reset)

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return the device to what `state` gave, where it is resumable."""
        self._record("restore", dict(state), lambda: super(Recorded, self).restore(state))

    def _close(self) -> None:
        try:
            self._record("close", {}, super()._close)
        finally:
            self._file.close()

    def _record(
        self,
        kind: ExchangeKind,
        asked: Fields,
        act: Callable[[], Answer],
        describe: Callable[[Answer], Fields] = lambda _: {},
    ) -> Answer:
        began, line = time.perf_counter(), self._device.transfer_seconds

        def append(given: Fields) -> None:
            seconds, transfer = time.perf_counter() - began, self._device.transfer_seconds - line
            exchange = Exchange(kind, asked, given, began - self._began, seconds, transfer)
            self._file.append(exchange.to_record())

        try:
            answer = act()
        except DeviceError as error:
            append({"error": type(error).__name__, "message": str(error)})
            raise
        append(describe(answer))
        return answer


class Replay(Device):
    """`replay:FILE`: gives each recorded answer to exactly the request that was recorded.

    `info` is that of the recorded device, except that a replay is always resumable: its state is
    the number of the next exchange.
    """

    def __init__(self, file: SessionReader) -> None:
        """Start a recorded session from its beginning.

        Raises:
            FileFormatError: When its first record is missing or damaged.
        """
        self._file, self._next = file, 1
        if len(file) == 0:
            raise FileFormatError(f"{file.path}: cut before its first exchange: record it anew")
        self._info = self._read_info()

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Replay:
        """Open a recorded session."""
        if options:
            raise SettingError(f"replay: takes no options, was given {', '.join(options)}")
        if not target:
            raise DeviceNotFound("replay: names no file: write replay:FILE")
        file = SessionReader(target)
        try:
            return cls(file)
        except BaseException:
            file.close()
            raise

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """List the one kind of address there is."""
        return [("replay:FILE", "a recorded session, without its device")]

    @property
    def info(self) -> DeviceInfo:
        """Statement of the recorded device."""
        return self._info

    def _configure(self, network: Network) -> None:
        self._answer("configure", network_fields(network))

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        answer = self._answer("write", write_fields(projection, weights))
        stored = answer.get("stored")
        if not isinstance(stored, np.ndarray) or stored.dtype != np.float32:
            raise self._damage_error("given.stored is missing, or no float32 array")
        return stored

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        answer = self._answer("run", run_fields(stimulus, probes, trial, carry))
        try:
            return build_readout(answer)
        except KeyError as error:
            raise self._damage_error(f"given.{error.args[0]} is missing") from None
        except ValueError as error:
            raise self._damage_error(f"given.{error}") from None

    def _damage_error(self, why: str) -> FileFormatError:
        """Make the error of the answer that was just given."""
        return FileFormatError(f"{self._file.path}: exchange {self._next - 1}: {why}")

    def _set_faults(self, faults: Sequence[Fault]) -> None:
        self._answer("faults", fault_fields(faults))

    def _reset(self) -> None:
        self._answer("reset", {})

    def _close(self) -> None:
        self._file.close()

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return how far the replay got."""
        return {POSITION: np.asarray(self._next)}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue where a replay was, or replay that the recorded device was given a state."""
        here = np.asarray(state.get(POSITION, ""))
        if set(state) != {POSITION} or here.shape or here.dtype.kind not in "iu":
            self._answer("restore", dict(state))
            return
        position = int(here)
        if not 1 <= position <= len(self._file):
            raise Diverged(
                f"{self._file.path}: has {len(self._file) - 1} exchanges, asked was to go on after "
                f"{position - 1}: give the whole recording"
            )
        self._next = position

    def _answer(self, kind: ExchangeKind, asked: Fields) -> Fields:
        """Give the recorded answer to the next exchange, when that is the one asked for."""
        path, number = self._file.path, self._next
        if number == len(self._file):
            how = "is cut there" if self._file.cut else "was not closed there"
            raise Diverged(f"{path}: {how} after {number - 1} exchanges, asked was another: {kind}")
        recorded = self._read_exchange(number)
        if recorded.kind != kind:
            raise Diverged(f"{path}: exchange {number}: recorded was {recorded.kind}, asked {kind}")
        where = first_difference(recorded.asked, asked)
        if where:
            raise Diverged(f"{path}: exchange {number}, {kind}: {where}")
        self._next += 1
        if "error" in recorded.given:
            raise make_error(str(recorded.given["error"]), str(recorded.given["message"]))
        return recorded.given

    def _read_exchange(self, number: int) -> Exchange:
        try:
            return Exchange.from_record(self._file[number])
        except FileFormatError:
            raise
        except ValueError as error:
            raise FileFormatError(
                f"{self._file.path}: record {number} is no exchange: {error}"
            ) from None

    def _read_info(self) -> DeviceInfo:
        opening = self._read_exchange(0)
        try:
            info = read_info(opening.given.get("info"))
        except ValueError as error:
            raise FileFormatError(
                f"{self._file.path}: does not begin with what the device was: given.info: {error}"
            ) from None
        return replace(info, abilities=replace(info.abilities, resumable=True))
