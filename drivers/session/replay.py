"""A device that answers from the recording of another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivers import errors
from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo
from drivers.contract.message_files import readout_from
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import (
    DeviceError,
    DeviceNotFound,
    Diverged,
    FileFormatError,
    SettingError,
)
from drivers.session.codec import (
    Exchange,
    Kind,
    difference,
    info_from,
    network_fields,
    run_fields,
    write_fields,
)
from drivers.session.file import Fields, Reader

POSITION = "exchange"


class Replay(Device):
    """`replay:FILE`: gives each recorded answer to exactly the request that was recorded.

    `info` is that of the recorded device, except that a replay is always resumable: its state is
    the number of the next exchange.
    """

    def __init__(self, file: Reader) -> None:
        """Start a recorded session from its beginning.

        Raises:
            FileFormatError: When its first record is missing or damaged.
        """
        self._file, self._next = file, 1
        if len(file) == 0:
            raise FileFormatError(f"{file.path}: cut before its first exchange: record it anew")
        self._info = self._told()

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Replay:
        """Open a recorded session."""
        if options:
            raise SettingError(f"replay: takes no options, was given {', '.join(options)}")
        if not target:
            raise DeviceNotFound("replay: names no file: write replay:FILE")
        file = Reader(target)
        try:
            return cls(file)
        except BaseException:
            file.close()
            raise

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """The one kind of address there is."""
        return [("replay:FILE", "a recorded session, without its device")]

    @property
    def info(self) -> DeviceInfo:
        """What the recorded device was and allowed."""
        return self._info

    def _configure(self, network: Network) -> None:
        self._answer("configure", network_fields(network))

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        given = self._answer("write", write_fields(projection, weights))
        stored = given.get("stored")
        if not isinstance(stored, np.ndarray) or stored.dtype != np.float32:
            raise self._damaged("given.stored is missing, or no float32 array")
        return stored

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        given = self._answer("run", run_fields(stimulus, probes, trial, carry))
        try:
            return readout_from(given)
        except KeyError as error:
            raise self._damaged(f"given.{error.args[0]} is missing") from None
        except ValueError as error:
            raise self._damaged(f"given.{error}") from None

    def _damaged(self, why: str) -> FileFormatError:
        """What to say of the answer that was just given."""
        return FileFormatError(f"{self._file.path}: exchange {self._next - 1}: {why}")

    def _reset(self) -> None:
        self._answer("reset", {})

    def _close(self) -> None:
        self._file.close()

    def state(self) -> dict[str, NDArray[np.generic]]:
        """How far the replay got."""
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

    def _answer(self, kind: Kind, asked: Fields) -> Fields:
        """The recorded answer to the next exchange, when it is the one that is asked for."""
        path, number = self._file.path, self._next
        if number == len(self._file):
            how = "is cut there" if self._file.cut else "was not closed there"
            raise Diverged(f"{path}: {how} after {number - 1} exchanges, asked was another: {kind}")
        recorded = self._exchange(number)
        if recorded.kind != kind:
            raise Diverged(f"{path}: exchange {number}: recorded was {recorded.kind}, asked {kind}")
        found = difference(recorded.asked, asked)
        if found:
            raise Diverged(f"{path}: exchange {number}, {kind}: {found}")
        self._next += 1
        if "error" in recorded.given:
            raise _error(recorded.given)
        return recorded.given

    def _exchange(self, number: int) -> Exchange:
        try:
            return Exchange.of(self._file[number])
        except FileFormatError:
            raise
        except ValueError as error:
            raise FileFormatError(
                f"{self._file.path}: record {number} is no exchange: {error}"
            ) from None

    def _told(self) -> DeviceInfo:
        opening = self._exchange(0)
        try:
            told = info_from(opening.given.get("info"))
        except ValueError as error:
            raise FileFormatError(
                f"{self._file.path}: does not begin with what the device was: given.info: {error}"
            ) from None
        return replace(told, abilities=replace(told.abilities, resumable=True))


def _error(given: Fields) -> DeviceError:
    """The error that was answered; one of a driver's own comes back as what they all are."""
    known = getattr(errors, str(given["error"]), None)
    kind = known if isinstance(known, type) and issubclass(known, DeviceError) else DeviceError
    return kind(str(given["message"]))
