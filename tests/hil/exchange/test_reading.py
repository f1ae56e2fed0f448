"""Graphs of NIR as layers, what they do on a device, and files that other frameworks wrote."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import drivers
from drivers import Stimulus
from hil.exchange import model
from support.nir_models import (
    DT,
    TAU,
    affine,
    chain,
    cuba,
    lif,
    linear,
    rasters_on_device,
    recurrent,
    spikes_of_equations,
    spikes_on_device,
)

RNG = np.random.default_rng(5)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))


def test_what_is_linear_in_a_row_is_one_matrix(tmp_path: Path) -> None:
    scale, b, c = RNG.random(4), RNG.normal(size=4), RNG.normal(size=2)
    nodes = affine(A, b), nir.Scale(scale), affine(B, c), lif(2)
    (layer,) = model.read_model(str(chain(tmp_path / "m.nir", *nodes))).layers
    x = RNG.random((10, 3))
    assert layer.synapses.bias is not None
    wanted = ((x @ A + b) * scale) @ B + c
    np.testing.assert_allclose(x @ layer.synapses.weights + layer.synapses.bias, wanted, rtol=1e-9)


def test_images_are_read_row_by_row(tmp_path: Path) -> None:
    flat = nir.Flatten(np.array([2, 3, 4]), start_dim=0)
    found = model.read_model(
        str(chain(tmp_path / "m.nir", flat, linear(RNG.random((24, 2))), lif(2)))
    )
    assert found.layers[0].synapses.weights.shape == (24, 2)


def test_neurons_without_weights_before_them_are_fed_one_by_one(tmp_path: Path) -> None:
    found = model.read_model(str(chain(tmp_path / "m.nir", lif(3), linear(A), lif(4), lif(4))))
    assert [layer.synapses.weights.shape for layer in found.layers] == [(3, 3), (3, 4), (4, 4)]
    assert np.array_equal(found.layers[0].synapses.weights, np.eye(3))


def test_a_graph_in_a_graph_is_laid_out_flat(tmp_path: Path) -> None:
    inner = nir.NIRGraph.from_list(linear(A), lif(4))
    plain = chain(tmp_path / "plain.nir", linear(A), lif(4), linear(B), lif(2))
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "block": inner,
        "fc": linear(B),
        "out": lif(2),
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = [("input", "block"), ("block", "fc"), ("fc", "out"), ("out", "output")]
    path = tmp_path / "nested.nir"
    nir.write(path, nir.NIRGraph(nodes, edges, metadata={"dt": DT}, type_check=False))
    found, wanted = model.read_model(str(path)), model.read_model(str(plain))
    assert [layer.name for layer in found.layers] == ["block.lif", "out"]
    for one, other in zip(found.layers, wanted.layers, strict=True):
        assert np.array_equal(one.synapses.weights, other.synapses.weights)
        assert np.array_equal(one.neurons.slope, other.neurons.slope)


def integrators(n: int) -> Any:
    return nir.IF(r=np.linspace(0.5, 1.5, n) / DT, v_threshold=np.linspace(0.5, 1.5, n))


def shifted(n: int) -> Any:
    """Thresholds, resistances and resting potentials that differ from neuron to neuron."""
    at = np.linspace(0.5, 1.5, n)
    leak = np.linspace(-0.3, 0.2, n)
    return nir.LIF(TAU * np.ones(n), np.linspace(0.7, 1.3, n) * TAU / DT, leak, at + leak, leak)


@pytest.mark.parametrize("neurons", [integrators, shifted])
def test_neurons_of_every_scale_fire_as_the_equations_say(tmp_path: Path, neurons: Any) -> None:
    steps, weights = 40, [np.abs(A) * 0.1, np.abs(B) * 0.15]
    bias = 0.05 * RNG.random(2)
    nodes = linear(weights[0]), neurons(4), affine(weights[1], bias), neurons(2)
    path = chain(tmp_path / "m.nir", *nodes)
    x = RNG.random((5, 3))
    on = np.hstack([x, np.ones((5, 1))])
    found = spikes_on_device(path, "emulator:ideal", Stimulus.current(on, steps=steps), bias=1.0)
    found[0] = found[0][:, :-1]
    for ours, theirs in zip(found, spikes_of_equations(nir.read(path), x, steps), strict=True):
        assert theirs.max() >= 3 and np.abs(ours - theirs).max() <= 1.01


def test_neurons_that_lead_to_themselves_are_a_recurrent_layer(tmp_path: Path) -> None:
    own, scale, more = RNG.normal(size=(4, 4)), RNG.random(4), RNG.normal(size=4)
    b = RNG.normal(size=4)
    loop = affine(own, more), nir.Scale(scale)
    path = recurrent(tmp_path / "m.nir", [(A, lif(4), loop), (B, lif(2), [])])
    hidden, out = model.read_model(str(path)).layers
    assert np.array_equal(hidden.synapses.weights, A)
    assert out.recurrent is None and out.synapses.bias is None
    assert hidden.recurrent is not None and hidden.synapses.bias is not None
    np.testing.assert_allclose(hidden.recurrent.weights, own * scale, rtol=1e-12)
    np.testing.assert_allclose(hidden.synapses.bias, more * scale, rtol=1e-12)
    # As others write it: a graph of neurons and what leads from them to themselves.
    inner = nir.NIRGraph(
        {
            "in": nir.Input({"input": np.array([4])}),
            "lif": lif(4),
            "w_rec": linear(own),
            "out": nir.Output({"output": np.array([4])}),
        },
        [("in", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "out")],
    )
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "fc": affine(A, b),
        "rlif": inner,
        "fc2": linear(B),
        "lif2": lif(2),
        "output": nir.Output({"output": np.array([2])}),
    }
    nested = tmp_path / "nested.nir"
    edges = list(pairwise(nodes))
    nir.write(nested, nir.NIRGraph(nodes, edges, metadata={"dt": DT}, type_check=False))
    found = model.read_model(str(nested))
    assert found.is_recurrent and found.layers[0].name == "rlif.lif"
    assert np.array_equal(found.layers[0].recurrent.weights, own)
    assert np.array_equal(found.layers[0].synapses.bias, b)


SIZES, STEPS, BATCH = (8, 16, 4), 50, 6


def network(path: Path, rng: np.random.Generator, neurons: Any) -> tuple[Path, Any]:
    matrices = [
        (rng.normal(size=(a, b)) * scale / np.sqrt(a)).astype(np.float32)
        for a, b, scale in zip(SIZES, SIZES[1:], (0.4, 1.2), strict=False)
    ]
    nodes = [node for w in matrices for node in (linear(w), neurons(w.shape[1]))]
    chain(path, *nodes)
    return path, nir.read(path)


def alike(counts: list[Any], others: list[Any], lively: float = 5) -> None:
    """Within one spike in every neuron, of a network that does fire."""
    for ours, theirs in zip(counts, others, strict=True):
        assert theirs.max() >= lively
        assert np.abs(ours - theirs).max() <= 1.01


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("kind", ["current", "spikes"])
def test_lif(tmp_path: Path, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    path, graph = network(tmp_path / "m.nir", rng, lif)
    if kind == "current":
        shown = rng.random((BATCH, SIZES[0]))
        stimulus = Stimulus.current(shown, steps=STEPS)
    else:
        shown = (rng.random((STEPS, BATCH, SIZES[0])) < 0.5).astype(float)
        stimulus = Stimulus.spikes(shown.reshape(STEPS * BATCH, -1), steps=STEPS)
    counts = spikes_on_device(path, "emulator:ideal", stimulus)
    alike(counts, spikes_of_equations(graph, shown, STEPS))


@pytest.mark.parametrize("seed", [2, 3])
def test_lif_behind_synapses(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path, graph = network(tmp_path / "m.nir", rng, cuba)
    shown = (rng.random((STEPS, BATCH, SIZES[0])) < 0.6).astype(float)
    stimulus = Stimulus.spikes(shown.reshape(STEPS * BATCH, -1), steps=STEPS)
    counts = spikes_on_device(path, "emulator:ideal?neuron=lif-exp", stimulus)
    alike(counts, spikes_of_equations(graph, shown, STEPS), lively=3)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_lif_that_lead_to_themselves(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, own = (
        rng.normal(size=shape) * scale / np.sqrt(shape[0])
        for shape, scale in (((8, 16), 0.4), ((16, 4), 1.0), ((16, 16), 0.8))
    )
    cells = lif(16), lif(4)
    path = recurrent(tmp_path / "m.nir", [(a, cells[0], [linear(own)]), (b, cells[1], [])])
    graph = nir.read(chain(tmp_path / "chain.nir", linear(a), cells[0], linear(b), cells[1]))
    shown = rng.random((BATCH, SIZES[0]))
    counts = spikes_on_device(path, "emulator:ideal", Stimulus.current(shown, steps=STEPS))
    wanted = spikes_of_equations(graph, shown, STEPS, back=own)
    without = spikes_of_equations(graph, shown, STEPS)
    for ours, theirs, other in zip(counts, wanted, without, strict=True):
        # A spike that comes a step late comes back a step late, too.
        assert np.abs(ours - theirs).max() <= 2.01 and np.abs(ours - theirs).mean() < 0.5
        assert np.abs(theirs - other).max() >= 5


FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    ("name", "dt", "device"),
    [
        ("snntorch_leaky", "1e-4", "emulator:ideal"),
        ("snntorch_synaptic", "1e-4", "emulator:ideal?neuron=lif-exp"),
        ("norse_lif_box", "1e-3", "emulator:ideal"),
        ("snntorch_leaky", "1e-4&decay=euler", "emulator:ideal"),
        ("snntorch_synaptic", "1e-4&decay=euler", "emulator:ideal?neuron=lif-exp"),
        ("norse_lif_box", "1e-3&decay=euler", "emulator:ideal"),
    ],
)
def test_within_one_spike_of_the_library(name: str, dt: str, device: str) -> None:
    with np.load(FILES / f"{name}.npz") as kept:
        shown, hidden, output = (kept[key] for key in ("shown", "hidden", "output"))
    steps, batch, _ = shown.shape
    on = np.concatenate([shown, np.ones((steps, batch, 1))], axis=2)  # for the biases
    stimulus = Stimulus.spikes(on.reshape(steps * batch, -1), steps=steps)
    found = spikes_on_device(f"{FILES / name}.nir?dt={dt}", device, stimulus, bias=1.0)
    assert hidden.max() >= 7 and output.max() >= 3
    assert np.abs(found[0][:, :-1] - hidden).max() <= 1.01  # the last one stands for the biases
    assert np.abs(found[1] - output).max() <= 1
    assert (found[0][:, -1] >= steps - 3).all()


@pytest.mark.parametrize("kind", [lif, cuba])
def test_steps_by_eulers_rule_are_those_of_the_library(tmp_path: Path, kind: Any) -> None:
    """What a device does in a step, from a tenth of the time constant on, is what the rule says."""
    path = chain(tmp_path / "m.nir", linear(np.full((1, 1), 0.3)), kind(1))
    (layer,) = model.read_model(f"{path}?dt=0.002&decay=euler").layers
    there = nir.read(path)
    cells = next(node for node in there.nodes.values() if hasattr(node, "v_threshold"))
    tau = cells.tau if kind is lif else cells.tau_mem
    kept = np.exp(-0.002 / layer.neurons.tau)
    np.testing.assert_allclose(kept, 1 - 0.002 / tau, rtol=1e-12)
    # A long input of 1 holds the membrane where the equations do: at r.
    if kind is lif:
        jump = layer.neurons.slope * 0.002 * (1 - kept) / -np.log(kept)
        np.testing.assert_allclose(jump / (1 - kept), cells.r, rtol=1e-9)
    else:
        np.testing.assert_allclose(
            np.exp(-0.002 / layer.neurons.tau_synapse), 1 - 0.002 / cells.tau_syn, rtol=1e-12
        )


@pytest.mark.parametrize("query", ["decay=exact", "dt=0.001&euler=1", "dt=x", "decay=euler&dt=0"])
def test_other_words_in_an_address_are_refused(tmp_path: Path, query: str) -> None:
    path = chain(tmp_path / "m.nir", linear(np.ones((1, 1))), lif(1))
    with pytest.raises(ValueError, match=r"\?.*dt"):
        model.read_model(f"{path}?{query}")


@pytest.mark.parametrize("profile", ["brainscales-2", "dynap-se"])
def test_what_neurons_of_a_model_lack_is_made_short(tmp_path: Path, profile: str) -> None:
    path = chain(tmp_path / "m.nir", linear(np.ones((1, 1))), lif(1))
    with drivers.open(f"emulator:{profile}") as device:
        neuron, own = device.info.neuron, model.NetworkInput(is_current=False, bias=0.0)
        settings = model.place_model(model.read_model(str(path)), device.info, own, 0.9).settings
    rests, synapse = neuron.setting("refractory"), neuron.setting("synapse")
    assert rests is not None and settings[rests.name] == rests.minimum < rests.default
    assert synapse is not None and settings[synapse.name] == 0.002 < synapse.default  # two steps


def test_within_one_spike_of_a_convolutional_network_of_sinabs() -> None:
    with np.load(FILES / "sinabs_cnn.npz") as kept:
        shown, output = kept["shown"].astype(float), kept["output"]
    silent = np.zeros((4, *shown.shape[1:]))  # in which the last spikes of three layers arrive
    shown = np.concatenate([shown, silent])
    stimulus = Stimulus.spikes(shown.reshape(-1, shown.shape[2]), steps=len(shown))
    found = spikes_on_device(f"{FILES / 'sinabs_cnn.nir'}?dt=1", "emulator:ideal", stimulus)[-1]
    assert output.min() >= 15 and np.abs(found - output).max() <= 1.01


@pytest.mark.parametrize(
    ("library", "options", "late"),
    [("nengo", "", 0), ("norse", "&decay=euler", 0), ("lava_cpu_float", "&decay=euler", 1)],
)
def test_one_neuron_is_that_of_other_simulators(
    tmp_path: Path, library: str, options: str, late: int
) -> None:
    """The neuron of NIR's paper; an event acts a step later on the device."""
    with np.load(FILES / "nir_lif.npz") as kept:
        shown = np.isin(np.arange(1000), kept["events"]).astype(float)[:, None]
        spikes, membrane = kept[f"spikes_{library}"] - late, kept.get(library)
    path = chain(tmp_path / "m.nir", linear(np.ones((1, 1))), lif(1, 2.5e-3, 1.0, at=0.1))
    stimulus, device = Stimulus.spikes(shown, steps=1000), "emulator:ideal?reset=hard"
    play = partial(rasters_on_device, f"{path}?dt=1e-4{options}", device, stimulus)
    (fired,), (seen,) = play(), play(quantity="membrane")
    assert np.array_equal(np.flatnonzero(fired) - 1, spikes)
    if membrane is not None:
        after = np.where(fired > 0, 0, seen).reshape(-1)
        np.testing.assert_allclose(after[1:], membrane[:-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("is_current", [True, False])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("levels", ["", "&weight_bits=5"])
def test_neurons_for_biases_fire_as_reckoned_and_need_no_range(
    tmp_path: Path, is_current: bool, reset: str, levels: str
) -> None:
    matrices = [0.2 * RNG.normal(size=size) for size in ((3, 30), (30, 20), (20, 2))]
    nodes = [(affine(w, 0.05 * RNG.normal(size=len(w.T))), lif(len(w.T))) for w in matrices]
    found = model.read_model(str(chain(tmp_path / "m.nir", *sum(nodes, ()))))
    address = f"emulator:ideal?reset={reset}"
    with drivers.open(address + levels) as device:
        on = model.place_model(found, device.info, model.NetworkInput(is_current, 1.0), 0.9)
    sizes = (4, *(matrix.shape[1] for matrix in on.weights))
    always = np.array([0, 0, 0, 1.0])
    if is_current:
        stimulus = Stimulus.current(always[None], steps=100)
    else:
        stimulus = Stimulus.spikes(np.tile(always, (100, 1)), steps=100)
    with drivers.open(address) as device:
        scales = [float(abs(matrix).max()) for matrix in on.weights]
        device.configure(drivers.Network.feed_forward(sizes, scales, settings=on.settings))
        for projection, matrix in enumerate(on.weights):
            device.write_weights(projection, np.asarray(matrix))
        probes = [drivers.Probe(layer, "spikes") for layer in (1, 2)]
        seen = device.run(stimulus, probes, trial=0)
    for probe, own, level in zip(probes, (30, 20), on.levels[1:], strict=True):
        rates = seen.samples[probe][50:, 0, own:].mean(axis=0)
        np.testing.assert_allclose(rates, level, atol=0.021)  # a spike of fifty steps
        assert level > 0.3
    if levels:
        kept = abs(on.weights[1][:30, :20])
        assert abs(on.weights[1]).max() < 1.5 * kept.max()  # one neuron would take five times that
