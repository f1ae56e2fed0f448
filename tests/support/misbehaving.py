"""Drivers that misbehave in this process, each in one way: `misbehaving:KIND`.

The docstring of each says what becomes of a training: it `passes`, with the weights of the same
device behaving, or words of the line that it ends in.
"""

from __future__ import annotations

import inspect
import io
import json
import math
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from drivers import Device, DeviceError, Readout, Timing, WeightFormat
from support.good_device import Good


class Behaving(Good):
    """passes"""

    facts: ClassVar[Mapping[str, Any]] = {
        "weights": (WeightFormat(0.01, 4.0),),
        "timing": Timing(dt=1e-3, input="same_step", layer="same_step", events_add=True),
        "refractory": 0,
    }


class ScalesWeights(Behaving):
    """_write raised ValueError: .* read-only"""

    def _write(self, projection, weights):
        weights *= 0.5
        return super()._write(projection, weights)


class SilencesInput(Behaving):
    """_run raised ValueError: .* read-only"""

    def _run(self, stimulus, *rest):
        stimulus.data[:] = 0
        return super()._run(stimulus, *rest)


def spoil(array):
    """Write to an array and all that it is a view of, whatever it says of that."""
    while isinstance(array, np.ndarray):
        with suppress(ValueError):
            array.setflags(write=True)
            array[:] = 0
        array = array.base


class UnlocksWhatItWasGiven(Behaving):
    """passes"""

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        spoil(weights)
        return stored

    def _run(self, stimulus, *rest):
        readout = super()._run(stimulus, *rest)
        spoil(stimulus.data)
        return readout


class SpoilsNetwork(Behaving):
    """passes"""

    def _configure(self, network):
        super()._configure(network)
        for population in network.populations:
            population.settings.clear()
            population.trims["threshold"] = np.zeros(1, np.float32)


class KeepsWhatItWasGiven(Behaving):
    """passes"""

    def _write(self, projection, weights):
        self._cells[projection] = weights  # the host keeps its own within the full scale
        return weights


class ShowsItsMemory(Behaving):
    """passes"""

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        memory = vars(self).setdefault("memory", np.empty(10_000, np.float32))
        memory[: stored.size] = stored.ravel()
        return memory[: stored.size].reshape(stored.shape)


class ReusesItsAnswers(Behaving):
    """passes"""

    last: ClassVar[list[Any]] = []

    def _run(self, *given):
        for array in self.last:
            array[:] = 1
        readout = super()._run(*given)
        self.last[:] = [readout.counts, *readout.samples.values()]
        return readout


class ReversesItsMemory(Behaving):
    """passes"""

    def reduced(self, probe, samples):
        return np.asfortranarray(super().reduced(probe, samples))[::-1][::-1]


class GivesMatrices(Behaving):
    """_write gave stored weights as matrix: give a float32 array"""

    def _write(self, projection, weights):
        return np.asmatrix(super()._write(projection, weights))


class HidesValues(Behaving):
    """_run gave counts as MaskedArray: give a int32 array"""

    def counts(self, raster):
        return np.ma.masked_greater(super().counts(raster), 1)


class OtherEnd(Behaving):
    """_run gave counts as >i4 of shape"""

    def counts(self, raster):
        return super().counts(raster).astype(">i4")


class OpensNothing(Behaving):
    """from_url gave NoneType: give the device"""

    @classmethod
    def from_url(cls, target, options):
        return None


class OpensAnything(Behaving):
    """from_url gave str: give the device"""

    @classmethod
    def from_url(cls, target, options):
        return "device"


class LosesItsClock(Behaving):
    """transfer_seconds raised ZeroDivisionError"""

    transfer_seconds = property(lambda self: 1 / 0)


class HasNoClock(Behaving):
    """transfer_seconds gave nan: give seconds"""

    transfer_seconds = property(lambda self: float("nan"))


class TellsTimeInWords(Behaving):
    """transfer_seconds gave str: give seconds"""

    transfer_seconds = property(lambda self: "a while")


class ForgetsTheProperty(Behaving):
    """transfer_bytes gave function: give bytes"""

    def transfer_bytes(self):
        return 3


class FailsAtLength(Behaving):
    """passes"""

    failures = property(lambda self: ("x\n" * 250_000, *["part"] * 5000))


class FailsInNumbers(Behaving):
    """failures gave int: give a tuple of texts"""

    failures = property(lambda self: 3)


class Raises(Behaving):
    error: BaseException = GeneratorExit()

    def _run(self, *given):
        raise self.error


class RaisesGeneratorExit(Raises):
    """_run raised GeneratorExit"""


class EndsTheProcess(Raises):
    """_run raised SystemExit: 0"""

    error = SystemExit(0)


class StopsIterating(Raises):
    """_run raised StopIteration"""

    error = StopIteration()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class RaisesTheUnspeakable(Raises):
    """_run raised Unspeakable;"""

    error = Unspeakable()


class UnspeakableError(Unspeakable, DeviceError):
    pass


class RaisesAnUnspeakableError(Raises):
    """_run raised UnspeakableError;"""

    error = UnspeakableError()


class RaisesAtLength(Raises):
    """_run raised ValueError: y y y"""

    error = ValueError("y\n" * 250_000)


class NeverEnds(Behaving):
    """_run raised RecursionError"""

    def _run(self, *given):
        return self._run(*given)


class FarAway(Behaving):
    """gave membrane .* from rest: give less than 1e\\+09 thresholds"""

    def shown(self, probe, *traces):
        shown = super().shown(probe, *traces)
        return shown * np.float32(1e12) if probe.quantity == "membrane" else shown


class GivesNoSamples(Behaving):
    """_run gave samples that are no Mapping"""

    def _run(self, *given):
        return replace(super()._run(*given), samples=None)


class CountsStepsInArrays(Behaving):
    """_run raised ValueError"""

    def _run(self, *given):
        return replace(super()._run(*given), steps=np.arange(3))


class Disturbs(Behaving):
    def disturb(self) -> None:
        raise NotImplementedError

    def _run(self, *given) -> Readout:
        self.disturb()
        return super()._run(*given)


class GoesElsewhere(Disturbs):
    """passes"""

    def disturb(self):
        os.chdir("/")


class ClosesStreams(Disturbs):
    """passes"""

    def disturb(self):
        sys.stdout.close()
        sys.stderr.close()


class MeasuresNothing(Behaving):
    """passes"""

    condition: ClassVar[Mapping[str, float]] = {"unplugged": math.nan, "far": math.inf, "\udcff": 1}
    failures = ("half of a character: \udcff",)


class TurnsBackItsClock(Behaving):
    """passes"""

    looks = 0

    @property
    def transfer_seconds(self):
        self.looks += 1
        return 1e6 - self.looks

    transfer_bytes = property(lambda self: 10**6 - self.looks)


class RunsItsClockAhead(Behaving):
    """passes"""

    looks = 0

    @property
    def transfer_seconds(self):
        self.looks += 1
        return 1000.0 * self.looks


class Talks(Disturbs):
    """passes"""

    def disturb(self):
        for line in range(50):
            print("line", line)
        sys.stderr.write("unfinished")


class Warns(Disturbs):
    """passes"""

    def disturb(self):
        warnings.warn("watch out", stacklevel=1)


class LeavesThreads(Disturbs):
    left = False

    def disturb(self):
        if not self.left:
            self.left = True
            os.write(1, b"past Python\n")
            threading.Thread(target=lambda: 1 / 0, name="fails", daemon=True).start()
            threading.Thread(target=threading.Event().wait, name="waits").start()


class RewrapsOutput(Disturbs):
    """passes"""

    def disturb(self):
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer)


class DetachesOutput(Disturbs):
    """passes"""

    def disturb(self):
        sys.stdout.detach()


class LowersTheDepthOfCalls(Disturbs):
    """passes"""

    def disturb(self):
        sys.setrecursionlimit(len(inspect.stack()) + 40)


class SetsAnAlarm(Disturbs):
    def disturb(self):
        signal.setitimer(signal.ITIMER_REAL, 0.02)


class HidesNewFiles(Disturbs):
    """passes"""

    def disturb(self):
        os.umask(0o777)


class Forks(Disturbs):
    """passes"""

    def disturb(self):
        os.fork()


class MakesOverflowsErrors(Disturbs):
    """passes"""

    def disturb(self):
        np.seterr(all="raise")


class DrawsFromEverywhere(Disturbs):
    """passes"""

    def disturb(self):
        np.random.seed(0)
        random.seed(0)


class TakesOverOutput(Disturbs):
    """passes"""

    def disturb(self):
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115


class ReplacesFunctions(Disturbs):
    def disturb(self):
        json.dumps = json.loads = lambda *_, **__: "{}"


class GoesElsewhereLater(Disturbs):
    def disturb(self):
        threading.Timer(0.01, os.chdir, ("/",)).start()


class ChangesItsMind(Behaving):
    """passes"""

    asked = 0

    @property
    def info(self):
        self.asked += 1
        return replace(super().info, weights=super().info.weights * self.asked)


class ForgetsWhatItIs(Behaving):
    """passes"""

    asked = 0

    @property
    def info(self):
        self.asked += 1
        if self.asked > 1:
            raise OSError
        return super().info


class TakesNamesOfTheBase(Behaving):
    """passes"""

    def _configure(self, network):
        super()._configure(network)
        self._network, self._carried, self._closed = "mine", -1, True


class RemembersObjects(Behaving):
    """state gave 0 as object: give a plain array"""

    def state(self):
        return {name: array.astype(object) for name, array in super().state().items()}


class RemembersItsMemory(Behaving):
    """passes"""

    def state(self):
        return {str(p): cells for p, cells in enumerate(self._cells)}


KINDS: Mapping[str, type[Device]] = {
    kind.__name__: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Behaving) and kind.__doc__
}


class Misbehaving(Behaving):
    """Opens a driver of a kind; `mended` opens one that behaves in its place."""

    mended = False

    @classmethod
    def from_url(cls, target, options):
        kind = Behaving if cls.mended else KINDS.get(target, LeavesThreads)
        return kind.from_url(target, options)

    @classmethod
    def catalogue(cls):
        raise SystemExit(3)
