"""Brian2 as its tutorial has it: groups, one `Synapses` for each projection, one sample a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from shutil import which
from typing import Any

import numpy as np
from numpy.typing import NDArray

from league.entrant import Entrant, Ready
from league.network import Network

FEW = 3  # samples whose spikes are compared


class Textbook:
    """The network, built once; it runs sample by sample."""

    def __init__(self, target: str, network: Network) -> None:
        """Build it for a target of code generation, `numpy` or `cython`."""
        import brian2 as b2

        b2.prefs.codegen.target = target
        self._b2: Any = b2
        self._steps, self._raster, self._dt = network.steps, network.raster, 1 * b2.ms
        sizes = network.layers
        self._input = b2.SpikeGeneratorGroup(sizes[0], [], [] * b2.second, dt=self._dt)
        groups = [
            b2.NeuronGroup(
                size,
                "dv/dt = -v / (10*ms) : volt",
                threshold="v >= 1*volt",
                reset="v -= 1*volt",
                method="exact",
                dt=self._dt,
            )
            for size in sizes[1:]
        ]
        sources, synapses = [self._input, *groups], []
        for source, group, w in zip(sources, groups, network.weights, strict=False):
            projection = b2.Synapses(source, group, "w : volt", on_pre="v_post += w", dt=self._dt)
            projection.connect()
            projection.w = w.reshape(-1).astype(float) * b2.volt
            synapses.append(projection)
        self._output = b2.SpikeMonitor(groups[-1])
        self._network = b2.Network(self._input, *groups, *synapses, self._output)
        self._network.store()
        self._target = target

    def run(self, sample: int) -> None:
        """Show one sample, from reset."""
        self._b2.prefs.codegen.target = self._target
        self._network.restore()
        times, neurons = np.nonzero(self._raster[:, sample])
        self._input.set_spikes(neurons, times * self._dt)
        self._network.run(self._steps * self._dt, namespace={})

    def spikes(self) -> NDArray[np.bool_]:
        """Output spikes of the first samples, `(T, b, C)`."""
        few = min(FEW, self._raster.shape[1])
        found = np.zeros((self._steps, few, len(self._output.source)), bool)
        for sample in range(few):
            self.run(sample)
            step = np.rint(np.asarray(self._output.t / self._dt)).astype(int)
            found[step, sample, np.asarray(self._output.i)] = True
        return found


def _prepared(target: str, network: Network) -> Ready:
    built = Textbook(target, network)
    return Ready(work=lambda: built.run(0), samples=1, spikes=built.spikes)


def _no_cython() -> str:
    if find_spec("Cython") is None:
        return "not installed: pip install cython"
    if not any(map(which, ("c++", "g++", "clang++"))):
        return "no compiler of C++: apt-get install g++"
    return ""


def _entrant(target: str, lacks: Callable[[], str]) -> Entrant:
    return Entrant(
        f"Brian2, {target}",
        "emulation",
        "textbook network, a run for each sample",
        ("brian2",),
        partial(_prepared, target),
        lacks,
        compiles=target != "numpy",
    )


ENTRANTS = (_entrant("numpy", lambda: ""), _entrant("cython", _no_cython))
