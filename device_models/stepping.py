"""Prepare a Brian2 network once, then step it many times.

`brian2.Network.run` prepares every object anew on each call. Stepping the prepared objects in
the network's own order does the same work per time step and skips that. This file is the only one
that relies on Brian2's internals; a test holds it against plain `Network.run`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from device_models.preferences import PreferenceFilesUnread
from device_models.settled import Settled

if TYPE_CHECKING:
    from brian2 import Clock
    from brian2 import Network as Brian2Network


def brian2() -> ModuleType:
    """Brian2, imported without its exception hook, which claims every later error as its own.

    Its handler of Ctrl-C is left out where it cannot be set, which is outside the main thread. It
    reads no preference files, and does without matplotlib, which would read one, too.
    """
    hook, handle = sys.excepthook, signal.signal
    if threading.current_thread() is not threading.main_thread():
        setattr(signal, "signal", lambda number, handler: None)  # noqa: B010 (mypy refuses it)
    unread = PreferenceFilesUnread()
    absent = [name for name in ("pylab", "matplotlib") if name not in sys.modules]
    # Brian2 then takes the same names from numpy.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    sys.meta_path.insert(0, unread)
    try:
        module = import_module("brian2")
    finally:
        sys.excepthook, signal.signal = hook, handle
        sys.meta_path.remove(unread)
        for name in absent:
            del sys.modules[name]
    return module


@contextmanager
def silent() -> Iterator[None]:
    """Without any warning of Brian2, numpy or Python."""
    import warnings

    import numpy as np

    logs = import_module("brian2.utils.logger")
    with logs.catch_logs(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@cache
def quiet(kind: type[Any]) -> type[Any]:
    """A class of Brian2 objects without the warning when one goes away unused.

    That happens where Ctrl-C, or an error, ends the building of a chip, which says enough itself.
    """
    return type(kind.__name__, (kind,), {"__del__": lambda self: None})


def _settle(code: Any, changing: Sequence[str]) -> None:
    """Let the code of an object of Brian2 compute nothing anew that does not change."""
    from brian2.core.variables import ArrayVariable

    fixed = frozenset(
        code.device.get_array_name(variable)
        for name, variable in code.variables.items()
        if isinstance(variable, ArrayVariable) and variable.constant and name not in changing
    )
    settled = Settled(code.namespace, fixed)
    tree = settled.settle(code.code.run)
    code.namespace.update(settled.values)
    code.compiled_code["run"] = compile(tree, "(settled)", "exec")


class Stepper:
    """A prepared Brian2 network with one clock."""

    def __init__(self, network: Brian2Network, clock: Clock, changing: Sequence[str] = ()) -> None:
        """Prepare the network: generate and compile its code.

        Args:
            network: Every object in it uses the clock.
            clock: The clock.
            changing: Constants of neurons that may change from run to run all the same.
        """
        import warnings

        with warnings.catch_warnings():
            # Brian2 compares float32 state with 1e50, which float32 cannot hold.
            warnings.filterwarnings("ignore", message="overflow encountered in cast")
            # What `network.run` does but for its collection of garbage, which looks through all
            # that the process holds and takes longer than the rest.
            network._clocks = {clock}
            network.before_run({})
        self.objects = [item for item in network.sorted_objects if item.active]
        for item in self.objects:
            for code in getattr(item, "_code_objects", ()):
                _settle(code, changing)
        self._timestep = clock.variables["timestep"].get_value()
        self._t = clock.variables["t"].get_value()
        self._dt = clock.variables["dt"].get_value()

    def set_clock(self, step: int) -> None:
        """Set the clock to a step; the state of the neurons is the caller's."""
        self._timestep[0] = step
        self._t[0] = step * self._dt[0]

    @property
    def step_index(self) -> int:
        """Step that the clock shows."""
        return int(self._timestep[0])

    def step(self, steps: int) -> None:
        """Do the given number of time steps."""
        for _ in range(steps):
            for item in self.objects:
                item.run()
            self._timestep[0] += 1
            self._t[0] = self._timestep[0] * self._dt[0]
