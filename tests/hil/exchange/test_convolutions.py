"""Convolutions and pooling of NIR as synapses, against their definition, one number at a time."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
from drivers import FileFormatError
from hil.exchange import model
from support.nir_models import lif, linear

Array = NDArray[Any]
RNG = np.random.default_rng(3)
PAIR = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}


def correlate(image: Array, kernel: Array, groups: int, how: dict[str, Any]) -> Array:
    """Slide a kernel `(n_out, n_in / groups, rows, columns)` over `(n_in, rows, columns)`."""
    (down, right), (top, left), (apart, along) = (how[key] for key in PAIR)
    padded = np.pad(image, ((0, 0), (top, top), (left, left)))
    n_out, n_in, high, wide = kernel.shape
    rows = (padded.shape[1] - apart * (high - 1) - 1) // down + 1
    columns = (padded.shape[2] - along * (wide - 1) - 1) // right + 1
    out = np.zeros((n_out, rows, columns))
    for o, i, y, x, a, b in product(*map(range, (n_out, n_in, high, wide, rows, columns))):
        channel = o // (n_out // groups) * n_in + i
        seen = padded[channel, a * down + y * apart, b * right + x * along]
        out[o, a, b] += kernel[o, i, y, x] * seen
    return out


def conv(kernel: Array, bias: Array, image: Any, groups: int = 1, **how: Any) -> Any:
    given = {**PAIR, **how}
    return nir.Conv2d(
        image, kernel, given["stride"], given["padding"], given["dilation"], groups, bias
    )


def layer_of(path: Path, *nodes: Any) -> Any:
    return model.read_model(str(written(path, *nodes))).layers[0]


def written(path: Path, *nodes: Any, shape: tuple[int, ...] = (4, 7, 6)) -> Path:
    """A chain of nodes that do not all know their shapes."""
    inside = {f"{type(node).__name__.lower()}{k}": node for k, node in enumerate(nodes)}
    ends = {"input": nir.Input({"input": np.array(shape)})}
    last = nir.Output({"output": np.array(nodes[-1].v_threshold.shape)})
    names = ["input", *inside, "output"]
    edges = list(pairwise(names))
    graph = nir.NIRGraph(
        {**ends, **inside, "output": last}, edges, metadata={"dt": 1e-3}, type_check=False
    )
    nir.write(path, graph)
    return path


@pytest.mark.parametrize(
    ("groups", "how"),
    [
        (1, {}),
        (2, {"stride": (2, 1), "padding": (1, 2)}),
        (4, {"dilation": (2, 1), "padding": (2, 0)}),
        (1, {"stride": (3, 2), "padding": (1, 1), "dilation": (1, 2)}),
    ],
)
def test_a_convolution_is_what_its_definition_says(
    tmp_path: Path, groups: int, how: dict[str, Any]
) -> None:
    kernel, bias = RNG.normal(size=(8, 4 // groups, 3, 2)), RNG.normal(size=8)
    image = RNG.normal(size=(4, 7, 6))
    wanted = correlate(image, kernel, groups, {**PAIR, **how}) + bias[:, None, None]
    node = conv(kernel, bias, (7, 6), groups, **how)
    found = layer_of(tmp_path / "m.nir", node, lif(wanted.size)).synapses
    assert found.bias is not None and found.cells is not None
    np.testing.assert_allclose(
        image.reshape(-1) @ found.weights + found.bias, wanted.reshape(-1), rtol=1e-9, atol=1e-9
    )
    # Only what a window holds is kept, each synapse by the cell of the kernel that it names.
    np.testing.assert_allclose(found.weights.data, kernel.reshape(-1)[found.cells])
    assert len(found.cells) <= kernel.size * wanted[0].size


def test_the_same_padding_keeps_the_size(tmp_path: Path) -> None:
    kernel, image = RNG.normal(size=(2, 4, 3, 3)), RNG.normal(size=(4, 7, 6))
    node = nir.Conv2d((7, 6), kernel, 1, "same", 1, 1, np.zeros(2))
    found = layer_of(tmp_path / "m.nir", node, lif(2 * 7 * 6)).synapses
    wanted = correlate(image, kernel, 1, {**PAIR, "padding": (1, 1)})
    np.testing.assert_allclose(image.reshape(-1) @ found.weights, wanted.reshape(-1), atol=1e-9)


def test_a_signal_is_an_image_of_one_row(tmp_path: Path) -> None:
    kernel, signal = RNG.normal(size=(3, 2, 4)), RNG.normal(size=(2, 20))
    node = nir.Conv1d(20, kernel, 2, 1, 1, 1, np.zeros(3))
    wanted = correlate(
        signal[:, None],
        kernel[:, :, None],
        1,
        {"stride": (1, 2), "padding": (0, 1), "dilation": (1, 1)},
    )
    path = written(tmp_path / "m.nir", node, lif(wanted.size), shape=(2, 20))
    found = model.read_model(str(path)).layers[0].synapses
    np.testing.assert_allclose(signal.reshape(-1) @ found.weights, wanted.reshape(-1), atol=1e-9)


@pytest.mark.parametrize("kind", [nir.SumPool2d, nir.AvgPool2d])
@pytest.mark.parametrize(("stride", "tied"), [(2, True), (1, False)])
def test_pooling_is_in_the_weights_that_follow(
    tmp_path: Path, kind: Any, stride: int, tied: bool
) -> None:
    kernel, image = RNG.normal(size=(3, 4, 2, 2)), RNG.normal(size=(4, 7, 6))
    sizes = {"kernel_size": np.array([2, 2]), "stride": np.array([stride] * 2)}
    pooling = kind(**sizes, padding=np.array([0, 0]))
    sums = correlate(image, np.ones((4, 1, 2, 2)), 4, {**PAIR, "stride": (stride, stride)})
    pooled = sums / (4 if kind is nir.AvgPool2d else 1)
    wanted = correlate(pooled, kernel, 1, PAIR)
    scale, flat = nir.Scale(np.full(wanted.size, 2.0)), nir.Flatten(np.array(wanted.shape), 0, -1)
    nodes = pooling, conv(kernel, np.zeros(3), pooled.shape[1:]), flat, scale, lif(wanted.size)
    found = layer_of(tmp_path / "m.nir", *nodes).synapses
    np.testing.assert_allclose(image.reshape(-1) @ found.weights, 2 * wanted.reshape(-1), atol=1e-9)
    # Windows that overlap lead from one neuron to another through several cells.
    assert (found.cells is not None) == tied


def test_a_large_image_takes_memory_of_its_synapses_alone(tmp_path: Path) -> None:
    kernel, side = RNG.normal(size=(1, 1, 3, 3)), 120
    kernel[0, 0, 1, 1] = 0  # a synapse as well, which may learn
    node = nir.Conv2d((side, side), kernel, 1, "same", 1, 1, np.zeros(1))
    path = written(tmp_path / "m.nir", node, lif(side * side), shape=(1, side, side))
    with drivers.open("emulator:ideal") as device:
        tracemalloc.start()
        found = model.read_model(str(path))
        source = model.NetworkInput(is_current=True, bias=1.0)
        arrays = model.place_model(found, device.info, source, 0.9).arrays()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    inside = (3 * side - 2) ** 2 + side * side  # and the bias of each
    assert arrays["synapses/0"].shape == (2, inside)
    assert len(np.unique(arrays["cells/0"])) == 9 + 1
    assert peak < 2 * side**4, "a matrix takes twice as much, and its cells as well"


def test_batches_and_steps_before_the_channels_are_left_out(tmp_path: Path) -> None:
    """As Rockpool and snnTorch have them in the shape of an input."""
    path = written(tmp_path / "m.nir", linear(RNG.normal(size=(6, 2))), lif(2), shape=(1, 10, 6))
    assert model.read_model(str(path)).layers[0].synapses.weights.shape == (6, 2)
    kernel = RNG.normal(size=(3, 4, 2, 2))
    node = conv(kernel, np.zeros(3), (7, 6))
    path = written(tmp_path / "n.nir", node, lif(90), shape=(1, 4, 7, 6))
    assert model.read_model(str(path)).layers[0].synapses.weights.shape == (168, 90)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (conv(RNG.normal(size=(3, 3, 2, 2)), np.zeros(3), (7, 6)), "conv2d0: gets channels of"),
        (conv(RNG.normal(size=(3, 4, 9, 2)), np.zeros(3), (7, 6)), "conv2d0: a kernel of shape"),
        (conv(RNG.normal(size=(3, 4, 2, 2)), np.zeros(3), None, stride=(0, 1)), "conv2d0.stride"),
        (conv(RNG.normal(size=(3, 4, 2, 2)), np.zeros(2), (7, 6)), "conv2d0.bias: of shape"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, node: Any, words: str) -> None:
    node.input_shape = (7, 6)
    path = written(tmp_path / "m.nir", node, lif(2))
    with pytest.raises(FileFormatError) as refused:
        model.read_model(str(path))
    assert str(refused.value).startswith(f"{path}: {words}")
