"""What may run: what the user named, and all that files name, where the user says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hil.extensions.names import named_by, texts

Objects = Mapping[str, object]
"""Objects of a program, by the names that they go by."""


class UntrustedCode(ValueError):
    """Code that a file names, and nobody who runs it."""


@dataclass(frozen=True)
class Trust:
    """What may run. It is in force for as long as what was asked for is done.

    Attributes:
        named: What the user named.
        everything: Whether the user trusts whatever files name.
        given: Objects that a program gave, by the names that they go by.
    """

    named: frozenset[str] = frozenset()
    everything: bool = False
    given: Objects = field(default_factory=dict)

    @classmethod
    def of(cls, *given: Any, everything: bool = False, objects: Objects | None = None) -> Trust:
        """Trust in what the user gave.

        Args:
            given: Texts, or sections of a configuration that hold them, all from the command line
                or a program, none from a file.
            everything: Whether the user trusts whatever files name.
            objects: Those that a program gave, by name.
        """
        return cls(frozenset(texts(given)) | named_by(given), everything, objects or {})

    def runs(self, code: str) -> bool:
        """Whether code may run."""
        return self.everything or code in self.named or code in self.given

    def check(self, codes: Sequence[str]) -> None:
        """Refuse code that nobody named.

        Raises:
            UntrustedCode: Naming it.
        """
        for code in codes:
            if not self.runs(code):
                raise UntrustedCode(
                    f"{code!r} is Python code that a file names: read it, then name it yourself "
                    "(--device, --rule, --set) or give --trust"
                )

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let this decide what runs, in this thread and until the end of the context."""
        before = _IN_FORCE.set(self)
        try:
            yield
        finally:
            _IN_FORCE.reset(before)


NOBODY = Trust()
_IN_FORCE: ContextVar[Trust] = ContextVar("what may run", default=NOBODY)
in_force = _IN_FORCE.get
