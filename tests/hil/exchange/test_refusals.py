"""What a file of NIR says that no device here can have, or that no file may say, is refused."""

from __future__ import annotations

import io
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from typer.testing import CliRunner

from drivers import FileFormatError
from drivers.files import hdf5
from hil.cli.app import app
from hil.exchange import model, nir_file
from support.nir_models import DT, TAU, chain, lif, linear, recurrent, spikes_on_device

FILES = Path(__file__).parent / "files"
W = np.full((3, 2), 0.5, np.float32)
ONE = np.ones(2)


def refused(path: Path) -> str:
    with pytest.raises(FileFormatError) as error:
        model.read_model(str(path))
    said = str(error.value)
    assert said.startswith(f"{path}: ") and "\n" not in said
    return said.removeprefix(f"{path}: ")


def lif_of(**changes: Any) -> Any:
    own = {"tau": TAU * ONE, "r": ONE, "v_leak": 0 * ONE, "v_threshold": ONE, "v_reset": 0 * ONE}
    return nir.LIF(**{**own, **changes})


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([linear(W)], "linear0 (Linear): leads to the output: the last layer has to be of neurons"),
        (
            [linear(W), nir.LI(tau=ONE, r=ONE, v_leak=ONE)],
            "li1 (LI): does not fire: give LIF of a threshold that it rarely reaches, and read its",
        ),
        ([linear(W), nir.I(r=ONE)], "i1 (I): does not fire: give IF of a threshold"),
        ([linear(W), nir.Threshold(ONE)], "threshold1 (Threshold): keeps no membrane: give LIF"),
        ([linear(W), lif_of(v_reset=-ONE)], "lif1.v_reset: is not v_leak"),
        ([linear(W), lif_of(v_leak=2 * ONE)], "lif1.v_threshold: has to be above rest"),
        ([linear(W), lif_of(tau=-ONE)], "lif1.tau: give 1e-09 to 1e+09 s in every neuron"),
        ([linear(W), lif_of(tau=np.nan * ONE)], "lif1.tau: holds what is no finite number"),
    ],
)
def test_nodes_that_no_device_has(tmp_path: Path, nodes: Any, words: str) -> None:
    assert refused(chain(tmp_path / "m.nir", *nodes)).startswith(words)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("linear0 (&\r\x1b[2J", "linear0 (& \\x1b[2J (Linear): does not stand between input and"),
        ("two words " * 900, "nodes: a node is named 'two words two words "),
        ("a" * 5000, "nodes: a node is named 'aaaa"),
    ],
)
def test_a_name_is_shown_as_text_and_cut(tmp_path: Path, name: str, shown: str) -> None:
    path = chain(tmp_path / "m.nir", linear(W), lif(2))
    with h5py.File(path, "a") as file:
        nodes = file["node/nodes"]
        nodes.copy("linear0", name)
    said = refused(path)
    assert said.startswith(shown) and said.isprintable() and len(said) < 300


GRAPHS: list[tuple[list[tuple[str, str]], str]] = [
    ([("out", "back"), ("back", "out")], "out: leads to itself, as the last layer: hidden ones"),
    ([("out", "back"), ("back", "lif")], "lif (LIF): follows several nodes: but for neurons"),
    ([("input", "wide"), ("wide", "out")], "input (Input): leads to several nodes: but for"),
    ([("lif", "back"), ("back", "out"), ("lif", "back")], "edges: lif leads to back twice"),
    ([("lif", "back"), ("lif", "out")], "back (Linear): does not lead to the output"),
    ([("fc1", "back"), ("back", "out")], "fc1 (Linear): leads to several nodes: but for"),
    ([("input", "back"), ("back", "fc1")], "fc1 (Linear): follows several nodes: but for"),
    ([("lif", "wide"), ("wide", "out")], "wide: leads 3 channels where another way from lif"),
    ([("out", "back"), ("back", "output")], "out (LIF): leads to several nodes: but for"),
    ([("output", "back"), ("back", "out")], "edges: output leads to out: nothing leads to"),
    ([("lif", "wide"), ("wide", "lif")], "wide: leads 3 channels back to 2 neurons"),
]


@pytest.mark.parametrize(("edges", "words"), GRAPHS)
def test_connections_back_and_branches(
    tmp_path: Path, edges: list[tuple[str, str]], words: str
) -> None:
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "fc0": linear(W),
        "lif": lif(2),
        "fc1": linear(W[:2]),
        "out": lif(2),
        "output": nir.Output({"output": np.array([2])}),
    }
    chain_of = list(pairwise(nodes))
    more = {
        "back": linear(np.eye(2)),
        "wide": linear(np.ones((2, 3))),
    }
    used = {name for edge in edges for name in edge}
    nodes |= {name: node for name, node in more.items() if name in used}
    graph = nir.NIRGraph(nodes, [*chain_of, *edges], metadata={"dt": DT}, type_check=False)
    nir.write(tmp_path / "m.nir", graph)
    assert refused(tmp_path / "m.nir").startswith(words)


def test_a_device_without_recurrence_is_named(tmp_path: Path) -> None:
    hidden, out = (W, lif(2), [linear(np.eye(2))]), (W[:2], lif(2), [])
    path = recurrent(tmp_path / "m.nir", [hidden, out])
    stimulus: Any = type("Shown", (), {"kind": "spikes"})
    with pytest.raises(
        nir_file.NirRefusal, match="cells0: leads to itself, and this device has no"
    ):
        spikes_on_device(path, "superneuromat:", stimulus)


def test_time_constants_that_differ_are_named(tmp_path: Path) -> None:
    path = chain(tmp_path / "m.nir", linear(W), lif(2), linear(W[:2]), lif(2, tau=0.04))
    stimulus: Any = type("Shown", (), {"kind": "current"})
    with pytest.raises(nir_file.NirRefusal, match=r"lif3: a time constant of 0.04 s, .* in lif1"):
        spikes_on_device(path, "emulator:ideal", stimulus)


def test_synapses_that_the_device_lacks_are_named(tmp_path: Path) -> None:
    cells = nir.CubaLIF(tau_syn=ONE, tau_mem=ONE, r=ONE, v_leak=0 * ONE, v_threshold=ONE)
    path = chain(tmp_path / "m.nir", linear(W), cells)
    said = command("evaluate", path, "--task", "digits", "--device", "emulator:ideal")
    assert "cubalif1 (CubaLIF): its synaptic current decays" in said and "lif-exp" in said


def command(*arguments: Any) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_what_has_to_be_said_is_asked_for(tmp_path: Path) -> None:
    silent = chain(tmp_path / "m.nir", linear(W), lif(2, tau=0.001, r=10), metadata={})
    assert f"as in {silent}?dt=0.0001 (in such a step" in command("evaluate", silent)
    for name in ("snntorch_leaky", "snntorch_synaptic"):
        assert "?dt=0.0001 (" in command("evaluate", FILES / f"{name}.nir")
    other = command("evaluate", FILES / "norse_lif_box.nir")  # weights of which are in other units
    assert other.endswith("?dt=0.001\n")
    timed = f"{silent}?dt=0.001"
    assert "does not say which task it is for" in command("evaluate", timed)
    assert "does not say which task it is for" in command("train", "--from", timed)
    assert "weights of a 3-2 network do not fit" in command("train", "digits", "--from", timed)
    assert "?dt=-1: give dt in seconds" in command("train", "digits", "--from", f"{silent}?dt=-1")
    assert "no such file" in command("evaluate", tmp_path / "none.nir", "--task", "digits")


def test_other_fields_and_versions_are_told_by_name(tmp_path: Path) -> None:
    path = chain(tmp_path / "m.nir", linear(W), lif(2))
    with h5py.File(path, "a") as file:
        file["node/nodes/lif1"].create_dataset("v_spike", data=ONE)
    assert refused(path).startswith("lif1.v_spike: is nothing that a node of type LIF")
    with h5py.File(path, "a") as file:
        del file["node/nodes/lif1/v_spike"], file["node/nodes/lif1/r"]
    assert refused(path).startswith("lif1.r: is missing")


def test_files_that_lead_elsewhere_or_unpack_to_too_much(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["w"] = W.T
    place = "node/nodes/linear0/weight"

    def changed(change: Any) -> str:
        path = chain(tmp_path / "m.nir", linear(W), lif(2))
        with h5py.File(path, "a") as file:
            del file[place]
            change(file)
        return refused(path)

    def link(file: h5py.File) -> None:
        file[place] = h5py.ExternalLink(secret, "/w")

    def outside(file: h5py.File) -> None:
        whole = [(str(secret), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(place, (2, 3), "<f4", external=whole)

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((2, 3), "<f4")
        layout[...] = h5py.VirtualSource(secret, "w", (2, 3))
        file.create_virtual_dataset(place, layout)

    def huge(file: h5py.File) -> None:
        file.create_dataset(place, (2**20, 2**20), "<f4", chunks=(64, 64))

    def bomb(file: h5py.File) -> None:
        made = file.create_dataset(place, (2, 3), "<f4", chunks=(2, 3), compression="gzip")
        made.id.write_direct_chunk((0, 0), zlib.compress(bytes(10**8)))

    def circle(file: h5py.File) -> None:
        file[place] = h5py.SoftLink(f"/{place}")

    for change in (link, outside, virtual, huge, bomb, circle):
        assert "linear0" in changed(change), change


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = chain(tmp_path / "m.nir", linear(W), lif(2))
    monkeypatch.setitem(__import__("sys").modules, "pyfive", None)
    with pytest.raises(ValueError, match=r"pip install 'spikeloop\[nir\]'"):
        model.read_model(str(path))


def test_reading_without_end_is_noticed() -> None:
    bounded = hdf5._Bounded(bytes(100))
    with pytest.raises(ValueError, match="again and again"):
        for _ in range(2 * hdf5.READS):
            bounded.seek(0)
            bounded.read(1)
    assert isinstance(bounded, io.BytesIO)
