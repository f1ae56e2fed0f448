"""A fixed pattern that was measured on a device: the chip with it is the twin of that device.

The `[twin]` table of a chip file names the layers that were measured and an npz file beside it:

    [twin]
    layers = [64, 200, 10]
    arrays = "twin.npz"

with, for layer i of neurons and projection p (both from 0), float32 arrays

    layer_i/gain, layer_i/bias              (n,)  as in `mismatch.LayerMismatch`
    layer_i/parameter/NAME                  (n,)  parameters of the neuron model, in SI units
    channels_i/gain, channels_i/offset      (n,)  the readout, the offset in swings
    cells_p/gain                            (n_pre, n_post)

What is missing is as on an ideal chip. `interval/KEY` is half the 95 % confidence interval of the
array KEY, and a table `[twin.device]` is the identity of what was measured; nothing acts on them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.mismatch import Cells, LayerMismatch, Nominal
from device_models.naming import quote, select_prefixed
from device_models.neurons import NeuronModel
from device_models.places import Places

Array = NDArray[np.float32]
MAX_BYTES = 1 << 30  # bytes of all arrays


@dataclass(frozen=True, eq=False)
class MeasuredMismatch:
    """A fixed pattern that was measured.

    Attributes:
        layers: Sizes of the measured network, the input first.
        arrays: What was measured, by name.
        path: The file it came from.
    """

    layers: tuple[int, ...]
    arrays: Mapping[str, Array]
    path: Path

    def layer(
        self, model: NeuronModel, index: int, size: int, nominal: Nominal, last: bool
    ) -> LayerMismatch:
        """The neurons of a layer as measured; other parameters as nominal."""
        self._check_size(index + 1, size)
        if last != (index == len(self.layers) - 2):
            raise ValueError(
                f"{self.path}: a twin of a network of layers {self.layers}: configure the same"
            )
        measured = select_prefixed(f"layer_{index}/parameter/", self.arrays)
        for name in measured:
            if name not in model.parameters or model.parameters[name].mismatch is None:
                raise ValueError(
                    f"{self.path}: parameter {quote(name)} is none that {model.name} varies"
                )
        varied = {
            name: measured[name].copy()
            if name in measured
            else np.broadcast_to(np.float32(nominal[name]), (size,)).copy()
            for name, parameter in model.parameters.items()
            if parameter.mismatch is not None
        }
        gain = self._array(f"layer_{index}/gain", (size,), 1.0)
        varied[model.silent][gain == 0] = np.inf
        return LayerMismatch(size, varied, gain, self._array(f"layer_{index}/bias", (size,), 0.0))

    def cells(self, projection: int, places: Places, ends: tuple[int, int]) -> Cells:
        """The synapses of a projection as measured."""
        self._check_size(projection if ends == (projection, projection + 1) else -1, places.ends[0])
        gain = None
        if f"cells_{projection}/gain" in self.arrays:
            gain = places.gather(self._array(f"cells_{projection}/gain", places.ends, 1.0))
        return Cells(gain, np.empty(0, np.int64), np.empty(0, np.float32))

    def channels(self, layer: int, size: int) -> tuple[Array, Array]:
        """Gain and offset of each readout channel as measured."""
        return (
            self._array(f"channels_{layer}/gain", (size,), 1.0),
            self._array(f"channels_{layer}/offset", (size,), 0.0),
        )

    def _check_size(self, index: int, size: int) -> None:
        if not 0 <= index < len(self.layers) or self.layers[index] != size:
            raise ValueError(
                f"{self.path}: a twin of a network of layers {self.layers}: configure the same"
            )

    def _array(self, name: str, shape: tuple[int, ...], default: float) -> Array:
        if name not in self.arrays:
            return np.full(shape, default, np.float32)
        return self.arrays[name].copy()


def pattern_from_table(table: Mapping[str, Any], path: Path) -> MeasuredMismatch:
    """Read the pattern of a `[twin]` table.

    Args:
        table: The table.
        path: The file it stands in; the arrays lie beside it.

    Raises:
        ValueError: When a key or an array is missing, unknown, of a wrong shape or not finite.
    """
    layers, name = table.get("layers"), table.get("arrays")
    if set(table) - {"device"} != {"layers", "arrays"} or not isinstance(name, str):
        raise ValueError("twin: give layers = [inputs, ..., outputs] and arrays = FILE.npz")
    if not isinstance(layers, list) or len(layers) < 2 or any(type(n) is not int for n in layers):
        raise ValueError(f"twin.layers = {quote(layers)}: give [inputs, ..., outputs]")
    source = path.parent / name
    arrays = _load_arrays(source)
    for key, array in arrays.items():
        _check_array(key, array, layers, source)
    return MeasuredMismatch(tuple(layers), arrays, path)


def _load_arrays(source: Path) -> dict[str, Array]:
    """Load the arrays of a file within bounds."""
    if source.exists() and not source.is_file():  # a pipe would keep one waiting
        raise ValueError(f"{source}: is no regular file")
    arrays: dict[str, Array] = {}
    try:
        with source.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.load(handle, allow_pickle=False) as file:
                if sum(member.file_size for member in file.zip.infolist()) > MAX_BYTES:
                    raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
                for key in file.files:
                    if key.startswith("interval/"):
                        continue
                    array = file[key]
                    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
                        raise ValueError(f"{quote(key)} is no array of numbers")
                    arrays[key] = np.asarray(array, np.float32)
    except OSError as error:
        raise ValueError(f"{source}: {error.strerror or error}") from None
    except Exception as error:  # on damaged bytes, zipfile and numpy raise nearly anything
        reason = quote(" ".join(str(error).split()))[1:-1]
        raise ValueError(f"{source} is no npz file of a twin: {reason}") from None
    return arrays


def _check_array(key: str, array: Array, layers: list[int], source: Path) -> None:
    kind, _, rest = key.partition("_")
    number, _, name = rest.partition("/")
    index = int(number) if number.isdigit() else -1
    is_known = (
        (kind == "layer" and (name in ("gain", "bias") or name.startswith("parameter/")))
        or (kind == "channels" and name in ("gain", "offset"))
        or (kind == "cells" and name == "gain")
    )
    if not is_known or not 0 <= index < len(layers) - 1:
        raise ValueError(f"{source}: array {quote(key)} is none of a twin of layers {layers}")
    shape = (layers[index + 1],) if kind != "cells" else tuple(layers[index : index + 2])
    if array.shape != shape:
        problem = f"{source}: {quote(key)} has shape {array.shape}"
        raise ValueError(f"{problem}: a twin of {layers} has {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{source}: {quote(key)} is not finite everywhere")
