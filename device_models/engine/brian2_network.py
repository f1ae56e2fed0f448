"""Brian2, imported without side effects, and its networks: prepared once, stepped many times.

`brian2.Network.run` prepares every object anew on each call. Stepping the prepared objects in
the network's own order does the same work per time step and skips that. This file is the only one
that relies on Brian2's internals; a test holds it against plain `Network.run`.
"""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from device_models.engine.circuit import Circuit
from device_models.engine.constant_folding import ConstantFolder
from device_models.mismatch import LayerMismatch
from device_models.neurons import NeuronModel

if TYPE_CHECKING:
    from brian2 import Clock, Network, NeuronGroup

PREFERENCES = "brian2.core.preferences"


class DefaultPreferences(MetaPathFinder):
    """A finder for `sys.meta_path` while Brian2 is imported: its preferences are the defaults.

    Its import reads `brian_preferences` in the working folder and `.brian/user_preferences` in the
    home folder, and calls `eval` on what they say. Whoever works in a downloaded folder would run
    its code. Nor does it then keep a log and a copy of the script that runs in the folder for
    temporary files.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module of preferences, and no other."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname == PREFERENCES else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_without_files(module: ModuleType) -> None:
            execute(module)
            module.BrianGlobalPreferences.load_preferences = _set_defaults

        spec.loader.exec_module = execute_without_files  # type: ignore[method-assign]
        return spec


def _set_defaults(preferences: Any) -> None:
    """Set what is to differ from Brian2's defaults, in place of reading files."""
    preferences["logging.file_log"] = False
    preferences["logging.save_script"] = False


def brian2() -> ModuleType:
    """Brian2, imported without its exception hook, which claims every later error as its own.

    Its handler of Ctrl-C is left out where it cannot be set, which is outside the main thread. It
    reads no preference files, and does without matplotlib, which would read one, too.
    """
    hook, handle = sys.excepthook, signal.signal
    if threading.current_thread() is not threading.main_thread():
        setattr(signal, "signal", lambda number, handler: None)  # noqa: B010 (mypy refuses it)
    finder = DefaultPreferences()
    absent = [name for name in ("pylab", "matplotlib") if name not in sys.modules]
    # Brian2 then takes the same names from numpy.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    sys.meta_path.insert(0, finder)
    try:
        module = import_module("brian2")
    finally:
        sys.excepthook, signal.signal = hook, handle
        sys.meta_path.remove(finder)
        for name in absent:
            del sys.modules[name]
    return module


@contextmanager
def silence() -> Iterator[None]:
    """Silence every warning of Brian2, numpy and Python."""
    import warnings

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


class Stepper:
    """A prepared Brian2 network with one clock."""

    def __init__(self, network: Network, clock: Clock, changing: Sequence[str] = ()) -> None:
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
                _fold_constants(code, changing)
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


def array_names(code: Any) -> dict[str, tuple[str, bool]]:
    """Arrays of a Brian2 code object: their variables, and whether those are constant, by name."""
    from brian2.core.variables import ArrayVariable

    return {
        code.device.get_array_name(variable): (name, variable.constant)
        for name, variable in code.variables.items()
        if isinstance(variable, ArrayVariable)
    }


def _fold_constants(code: Any, changing: Sequence[str]) -> None:
    """Let the code of a Brian2 object compute nothing anew that does not change."""
    names = array_names(code)
    fixed = {a: n for a, (n, constant) in names.items() if constant and n not in changing}
    folder = ConstantFolder(code.namespace, fixed)
    tree = folder.fold(code.code.run)
    code.namespace.update(folder.values)
    code.compiled_code["run"] = compile(tree, "(folded)", "exec")


class LayerGroup:
    """The Brian2 group of one layer, and views `(B, n)` on its state.

    Attributes:
        group: The group, neuron i of copy b being number `b * n + i`.
        membrane: `(B, n)`, in the model's unit.
        receivers: The variables that events add to, `(B, n)` each.
        current: `i_in`, `(B, n)` in unit/second; None where nothing ever flows.
        spikes: Brian2's spike space.
        free: Which neurons are not refractory, `(B, n)`; None where none ever is.
    """

    def __init__(
        self, chip: Circuit, layer: LayerMismatch, batch: int, current_input: bool, clock: Clock
    ) -> None:
        """Build the group, with numpy code.

        Args:
            chip: The chip.
            layer: Which of its layers.
            batch: Number of copies B.
            current_input: Whether `i_in` changes from trial to trial.
            clock: The clock.
        """
        from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

        b2, model = brian2(), chip.model
        unit = getattr(b2, model.unit) if model.unit != "1" else 1
        clamped = chip.is_refractory(layer)
        # Without a refractory time the model is simpler and faster without the parameter.
        unused = set() if clamped else {model.refractory}
        varied = {n: v for n, v in layer.varied.items() if n not in unused}
        units = {n: getattr(b2, p.unit, 1) for n, p in model.parameters.items()}
        namespace = {n: v * units[n] for n, v in chip.constants.items() if n not in unused}
        lines = [_clamp_membrane(model) if clamped else model.equations]
        lines += [f"{name} : {model.parameters[name].unit} (constant)" for name in varied]
        flows = current_input or bool(np.any(layer.bias))
        if flows:
            lines.append(f"i_in : {model.unit}/second")
        else:
            namespace["i_in"] = 0 * unit / b2.second
        self.group: NeuronGroup = quiet(b2.NeuronGroup)(
            batch * layer.size,
            "\n".join(lines),
            threshold=model.threshold,
            reset=model.resets[chip.reset],
            refractory=model.refractory if clamped else False,
            method=model.method,
            namespace=namespace,
            clock=clock,
            dtype=np.float64 if model.precision == "double" else np.float32,
            codeobj_class=NumpyCodeObject,
            name="spikeloop_layer*",
        )
        if model.update:
            self.group.run_regularly(
                model.update, clock=clock, when="groups", codeobj_class=NumpyCodeObject
            )
        for name, values in varied.items():
            self._values(name)[:] = np.tile(values, batch)
        self._batch = batch
        self.membrane = self.view(model.membrane)
        self.receivers = tuple(self.view(name) for name in model.receivers)
        self.current = self.view("i_in") if flows else None
        self.spikes: NDArray[np.int32] = self.group.variables["_spikespace"].get_value()
        self.free = self.view("not_refractory") if clamped else None
        if self.current is not None:
            self.current[...] = chip.bias_slope(layer)
        for name, expression in model.initial.items():
            self.group.state(name).set_item(slice(None), expression, namespace={})
        self._initial = {name: self._values(name).copy() for name in self._list_changing()}

    def reset(self) -> None:
        """Bring all state to where a trial starts."""
        for name, initial in self._initial.items():
            self._values(name)[:] = initial

    def place(self, chip: Circuit, layer: LayerMismatch, parameters: bool) -> None:
        """Give neurons what they have on a chip, with its faults.

        Args:
            chip: The chip.
            layer: The layer on it.
            parameters: Whether parameters may have changed, too.
        """
        if self.current is not None:
            self.current[...] = chip.bias_slope(layer)
        shifted = chip.model.silent if chip.temporal.trial_threshold_sd else ""
        for name, values in layer.varied.items() if parameters else ():
            if name != shifted and name in self.group.variables:
                self.view(name)[...] = values

    def copy_state(self, other: LayerGroup, shifted: str) -> None:
        """Take over the state of the same layer in another group, but for its input current.

        Args:
            other: The other group.
            shifted: The parameter that a trial may have shifted.
        """
        for name in [*(self._initial.keys() & other._initial.keys() - {"i_in"}), shifted]:
            self._values(name)[:] = other._values(name)

    def view(self, name: str) -> NDArray[np.float32]:
        """A variable as `(B, n)`; writing to it writes to the neurons."""
        return self._values(name).reshape(self._batch, -1)

    def _values(self, name: str) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self.group.variables[name].get_value()
        return values

    def _list_changing(self) -> list[str]:
        """Names of the variables that a run may change."""
        names = [
            name
            for name, equation in self.group.equations.items()
            if equation.type == "differential equation"
            or (equation.type == "parameter" and "constant" not in equation.flags)
        ]
        return [*names, *(n for n in ("lastspike", "not_refractory") if n in self.group.variables)]


def _clamp_membrane(model: NeuronModel) -> str:
    """A model's equations with the membrane clamped while refractory."""
    return re.sub(
        rf"^(\s*d{model.membrane}/dt\s*=.*?)\s*$",
        r"\1 (unless refractory)",
        model.equations,
        flags=re.MULTILINE,
    )
