"""The chip of `emulator:loihi` against the ground truths that Intel ships with Lava, bit for bit.

They lie in the wheel of `lava-dl` 0.6.0 (BSD-3-Clause), which is read and not installed: it is for
Python 3.10. `HIL_JUDGES` names the folder with the wheel:

    pip download --no-deps --python-version 3.10 --only-binary=:all: -d FOLDER lava-dl==0.6.0
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
from drivers import Network, Population, Probe, Projection, Stimulus

Array = NDArray[Any]
WHERE = "tests/lava/lib/dl/netx/"
LAYERS = "emulator:loihi?vth=25&du=4095&dv=1024&wgt_exp=-1"  # of its convolutional networks


@pytest.fixture(scope="module")
def wheel() -> Iterator[zipfile.ZipFile]:
    """The wheel, where somebody fetched it."""
    found = sorted(Path(os.environ.get("HIL_JUDGES", "nowhere")).glob("lava_dl-0.6.0-*.whl"))
    if not found:
        pytest.skip("HIL_JUDGES names no folder with the wheel of lava-dl")
    with zipfile.ZipFile(found[0]) as archive:
        yield archive


def load(wheel: zipfile.ZipFile, name: str) -> Array:
    array: Array = np.load(io.BytesIO(wheel.read(f"{WHERE}gts/{name}.npy")))
    return array


def layers(wheel: zipfile.ZipFile, name: str) -> Any:
    return h5py.File(io.BytesIO(wheel.read(WHERE + name)))["layer"]


def play(
    address: str, sizes: Sequence[int], ways: Sequence[tuple[Projection, Array]], spikes: Array
) -> tuple[list[Array], Array]:
    """Show spikes `(T, n_0)` to a network with weights in thresholds.

    Returns:
        Spikes of each layer `(T, n)`, and membranes of the last, in the chip's numbers.
    """
    with drivers.open(address) as chip:
        populations = tuple(Population(size) for size in sizes[1:])
        chip.configure(Network(sizes[0], populations, tuple(way for way, _ in ways)))
        for number, (_, weights) in enumerate(ways):
            stored = chip.write_weights(number, weights.astype(np.float32))
            assert np.abs(stored - weights).max() < 1e-5, "the chip holds what users write"
        probes = [Probe(k, "spikes") for k in range(1, len(sizes))]
        membrane = Probe(len(sizes) - 1, "membrane")
        shown = Stimulus.spikes(spikes, steps=len(spikes))
        seen = chip.run(shown, [*probes, membrane], trial=0).samples
    return [seen[probe][:, 0].astype(int) for probe in probes], np.rint(seen[membrane][:, 0])


def play_layer(weights: Array, bias: Array, arriving: Array) -> tuple[Array, Array]:
    """Give one layer the spikes that arrive in each step, `(T, n_pre)`, and its biases.

    Returns:
        Spikes and membranes, `(T, n_post)`.
    """
    last = np.zeros((1, arriving.shape[1]))  # what is shown acts in the next step
    shown = np.hstack([np.vstack([arriving, last]), np.ones((len(arriving) + 1, 1))])
    way = Projection(0, 1), np.vstack([weights, bias]) / 25
    (fired,), membranes = play(LAYERS, (shown.shape[1], len(bias)), [way], shown)
    return fired[1:], membranes[1:]


def test_dense(wheel: zipfile.ZipFile) -> None:
    shown, wanted = load(wheel, "dense/in").T, load(wheel, "dense/out").T
    way = Projection(0, 1), load(wheel, "dense/weight").T / 6
    (fired,), _ = play("emulator:loihi?vth=6&du=4095&dv=415", (200, 256), [way], shown)
    assert wanted.sum() == 1826
    np.testing.assert_array_equal(fired, wanted)


def test_delays_of_axons(wheel: zipfile.ZipFile) -> None:
    net = layers(wheel, "gts/ntidigits/ntidigits.net")
    shown, wanted = (load(wheel, f"ntidigits/{name}").T for name in ("input", "output"))
    sizes, ways = [shown.shape[1]], []
    for number, key in enumerate("234"):
        weights = net[key]["weight"][()].T / 80
        late = net[str(int(key) - 1)]["delay"][()].astype(int) if number else np.zeros(sizes[0])
        delay = np.repeat(late.astype(np.int64)[:, None], weights.shape[1], axis=1)
        ways.append((Projection(number, number + 1, delay=delay), weights))
        sizes.append(weights.shape[1])
    fired = play("emulator:loihi?vth=80&du=1023&dv=1024", sizes, ways, shown)[0][-1]
    assert wanted.sum() == 22572
    np.testing.assert_array_equal(fired[:-1], wanted[1:])  # their last layer counts a step more


def unroll(kernel: Array, stride: Sequence[int], window: tuple[int, int, int, int]) -> Array:
    """Lay a kernel `(out, in, y, x)` out as synapses to a window of the outputs."""
    n_out, n_in, high, wide = kernel.shape
    x_0, x_1, y_0, y_1 = window
    columns, rows = x_1 - x_0, y_1 - y_0
    side = (columns - 1) * stride[1] + wide, (rows - 1) * stride[0] + high
    weights = np.zeros((*side, n_in, columns, rows, n_out))
    for x in range(columns):
        for y in range(rows):
            a, b = x * stride[1], y * stride[0]
            weights[a : a + wide, b : b + high, :, x, y, :] = kernel.transpose(3, 2, 1, 0)
    return weights


def test_tinynet(wheel: zipfile.ZipFile) -> None:
    """A layer that a bias drives alone, and two convolutions, each by the truth before it."""
    net = layers(wheel, "tiny.net")
    truth = [load(wheel, f"tinynet/{name}")[0] for name in ("input", "layer1", "output")]
    rasters = [array.transpose(3, 2, 1, 0).reshape(array.shape[-1], -1) for array in truth]
    shown = np.zeros((len(rasters[0]), 1))
    bias = load(wheel, "tinynet/input_bias").reshape(-1)
    fired, _ = play_layer(np.zeros((1, len(bias))), bias, shown)
    np.testing.assert_array_equal(fired[:-1], rasters[0][1:])
    for number, (before, wanted, side) in enumerate(
        zip(rasters, rasters[1:], (6, 1), strict=False), 1
    ):
        group = net[str(number)]
        weights = unroll(group["weight"][..., 0], (2, 2), (0, side, 0, side))
        outer = truth[number - 1].shape[1]  # of which a stride of 2 may leave the last row
        whole = np.zeros((outer, outer, *weights.shape[2:]))
        whole[: len(weights), : len(weights)] = weights
        bias = np.broadcast_to(group["bias"][()], weights.shape[3:]).reshape(-1)
        fired, _ = play_layer(whole.reshape(before.shape[1], -1), bias, before[1:])
        np.testing.assert_array_equal(fired, wanted[1:])
        assert wanted.sum() > 90


# Of each layer of PilotNet: its group, what it hears of, and the windows of outputs looked at.
PILOTNET = {
    "conv-0": ("1", "input", [(0, 5, 0, 5), (94, 99, 27, 32)]),
    "conv-1": ("2", "conv-0", [(0, 4, 0, 4), (45, 49, 11, 15)]),
    "conv-2": ("3", "conv-1", [(0, 3, 0, 3), (21, 24, 4, 7)]),
    "conv-3": ("4", "conv-2", [(0, 3, 0, 4), (19, 22, 0, 4)]),
    "conv-4": ("5", "conv-3", [(0, 4, 0, 2), (16, 20, 0, 2)]),
    "fc-0": ("7", "conv-4", []),
    "fc-1": ("8", "fc-0", []),
    "fc-2": ("9", "fc-1", []),
}


@pytest.mark.parametrize("name", PILOTNET)
def test_layers_of_pilotnet(wheel: zipfile.ZipFile, name: str) -> None:
    """Spikes and membranes of each layer, shown the truth of the one before it.

    Every 17 steps a sample ends and membranes are reset, of each layer a step after the one before.
    """
    key, before, windows = PILOTNET[name]
    group = layers(wheel, "gts/pilotnet_lif/network.net")[key]
    shown, fired, membranes = (
        load(wheel, f"pilotnet_lif/{part}") for part in (before, name, f"{name}-v")
    )
    kernel, bias = group["weight"][()], group["bias"][()]
    if not windows:
        if shown.ndim == 4:
            shown = shown.transpose(2, 1, 0, 3).reshape(-1, shown.shape[-1])
        assert compare(kernel.T, bias, shown, fired, membranes, int(key) - 1) > 0
    for x_0, x_1, y_0, y_1 in windows:
        stride, padding = group["stride"][()], group["padding"][()]
        weights = unroll(kernel, stride, (x_0, x_1, y_0, y_1))
        whole = np.pad(shown, [(n, n) for n in padding[::-1]] + [(0, 0)] * 2)
        a, b = x_0 * stride[1], y_0 * stride[0]
        patch = whole[a : a + len(weights), b : b + weights.shape[1]]
        steps, outputs = patch.shape[-1], weights.shape[3:]
        rest = [array[x_0:x_1, y_0:y_1].reshape(-1, steps) for array in (fired, membranes)]
        spread = np.broadcast_to(bias, outputs).reshape(-1)
        flat = patch.reshape(-1, steps)
        assert compare(weights.reshape(len(flat), -1), spread, flat, *rest, int(key)) > 100


def compare(
    weights: Array, bias: Array, shown: Array, fired: Array, membranes: Array, first: int
) -> int:
    """Compare a layer with the truth, `(n, T)`, sample by sample; give how many spikes there are.

    Where a neuron fires, their membrane reads 128, ours what crossed the threshold.
    """
    arriving = np.hstack([np.zeros((len(shown), 1)), shown[:, :-1]]).T
    for begin, end in ((0, first), (first, first + 17), (first + 17, None)):
        part = slice(begin, end)
        ours, seen = play_layer(weights, bias, arriving[part])
        theirs = fired[:, part].T
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(
            np.where(theirs, 0, seen), np.where(theirs, 0, membranes[:, part].T)
        )
    return int(fired.sum())


@pytest.mark.parametrize("vth", [6, 100, 131071])
@pytest.mark.parametrize("exponent", [-1, 0, 3])
def test_an_address_states_what_users_of_loihi_write(vth: int, exponent: int) -> None:
    with drivers.open(f"emulator:loihi?vth={vth}&du=0&dv=1024&wgt_exp={exponent}") as chip:
        (form,) = chip.info.weights
        assert form.levels == 255
        assert form.maximum_full_scale == pytest.approx(254 * 2**exponent / vth, rel=1e-12)
        assert chip.info.neuron.decay == pytest.approx(0.75, rel=1e-12)
        assert chip.info.neuron.membrane.threshold == 64 * vth
        chip.configure(Network.feed_forward((1, 1)))
        asked = np.full((1, 1), 100 * 2**exponent / vth, np.float32)
        np.testing.assert_allclose(chip.write_weights(0, asked), asked, rtol=1e-6)


@pytest.mark.parametrize("option", ["vth=131072", "du=4096", "dv=-1", "wgt_exp=8", "dv=0.1"])
def test_mantissas_are_held_to_their_bits(option: str) -> None:
    with pytest.raises(drivers.DeviceError, match=option.partition("=")[0]):
        drivers.open(f"emulator:loihi?{option}")
