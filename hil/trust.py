"""Which Python files of a user run: those that the user named, or all, where the user says so.

An address, a configuration, a study and a run folder can name code: a chip or a neuron in Python,
an estimator of one's own. Whoever reads a file of someone else has not named what it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivers import Device
    from hil.config import Config


MOST = 64 * 2**20  # bytes of a file of code


class UntrustedCode(ValueError):
    """Code that a file names, and nobody who runs it."""


@dataclass(frozen=True)
class Trust:
    """What may run. It goes with a request, from whoever asks to where a device is opened.

    Attributes:
        named: What the user named.
        everything: Whether the user trusts whatever files name.
    """

    named: frozenset[str] = frozenset()
    everything: bool = False

    @classmethod
    def of(cls, *given: Any, everything: bool = False) -> Trust:
        """Trust in what the user gave.

        Args:
            given: Texts, or sections of a configuration that hold them, all from the command line
                or a program, none from a file.
            everything: Whether the user trusts whatever files name.
        """
        return cls(frozenset(_texts(given)) | named_by(given), everything)

    def check(self, codes: Sequence[str]) -> None:
        """Refuse code that nobody named.

        Raises:
            UntrustedCode: Naming it.
        """
        for code in codes:
            if not self.everything and code not in self.named:
                raise UntrustedCode(
                    f"{code!r} is Python code that a file names: read it, then name it yourself "
                    "(--device, --set) or give --trust"
                )


NOBODY = Trust()


def code_of(config: Config, device: str | None = None) -> tuple[str, ...]:
    """The code that a configuration names.

    Args:
        config: The configuration.
        device: Address of another device than its own.

    Raises:
        DeviceError: When no driver serves its address.
    """
    import drivers

    estimator = config.activity.estimator
    own = (estimator,) if ":" in estimator else ()
    return (*drivers.code_of(device or config.device_url), *own)


def named_by(given: Any) -> frozenset[str]:
    """The code that addresses name, wherever they stand in sections and lists."""
    import drivers

    found: set[str] = set()
    for text in _texts(given):
        with suppress(drivers.DeviceError):
            found.update(drivers.code_of(text))
    return frozenset(found)


def open_device(
    config: Config,
    trust: Trust,
    *,
    device: str | None = None,
    record: str | Path | None = None,
) -> Device:
    """Open the device of a configuration, if no code has to run for it that nobody trusts.

    Args:
        config: The configuration.
        trust: What may run.
        device: Address of another device, which the user named.
        record: File to record the session to.

    Raises:
        UntrustedCode: Naming it; nothing has run then.
        DeviceError: When there is no such device.
    """
    import drivers

    named = drivers.code_of(device) if device else ()
    trust.check([code for code in code_of(config, device) if code not in named])
    return drivers.open(device or config.device_url, record=record)


def fingerprints(config: Config) -> dict[str, str]:
    """SHA-256 of each file of code that a configuration names, by the name it is given there."""
    from drivers.contract.files.reading import read_bytes

    found = {}
    for code in code_of(config):
        place = Path(code)
        if ":" in code and code == config.activity.estimator:
            with suppress(ImportError, ValueError):
                place = Path(getattr(find_spec(code.partition(":")[0]), "origin", None) or code)
        if place.is_file():
            found[code] = sha256(read_bytes(place, MOST)).hexdigest()
    return found


def check_unchanged(began: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with other code than a run began with.

    Args:
        began: Fingerprints as the run keeps them.
        now: Fingerprints as they are.

    Raises:
        ValueError: Naming the file.
    """
    for name, digest in now.items():
        if began.get(name, digest) != digest:
            raise ValueError(
                f"{name} was changed since this began (SHA-256 {began[name][:12]}... then, "
                f"{digest[:12]}... now): put it back"
            )


def _texts(value: Any) -> Iterator[str]:
    """Every text in sections and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
