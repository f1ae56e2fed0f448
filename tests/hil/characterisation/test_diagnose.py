"""Diagnosis of devices with faults that were planted through the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

import drivers
from drivers import DeviceInfo, Fault, Network, Probe, ProbeOffer, Readout, Stimulus
from drivers.contract.device import Composite
from drivers.contract.faults import read_faults
from hil.characterisation.diagnosis import Diagnosis, diagnose
from support.command_line import command
from support.restated import restated

LAYERS = (24, 30, 8)
NEURONS = {"dead_neuron": 1.0, "saturated_neuron": 1.0, "stuck_neuron": 0.25}
MEANS = (ProbeOffer("membrane", reductions=("mean",)),)
Key = tuple[int | None, int]


class Blinkered(Composite):
    """A device that shows output spikes, and of its membranes what is asked for."""

    def __init__(self, device: drivers.Device, probes: Sequence[ProbeOffer] = MEANS) -> None:
        super().__init__(device)
        self._shown = restated(device.info, probes=tuple(probes))

    @classmethod
    def from_url(cls, target: str, options: object) -> Blinkered:
        raise NotImplementedError

    @property
    def info(self) -> DeviceInfo:
        shown: DeviceInfo = self._shown
        return shown

    def _configure(self, network: Network) -> None:
        self.devices[0].configure(network)

    def _write(self, projection: int, weights: np.ndarray) -> np.ndarray:
        return self.devices[0].write_weights(projection, weights)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        return self.devices[0].run(stimulus, probes, trial=trial, carry=carry)


def draw(kinds: Iterable[Fault], sizes: dict[int, int], rate: float, seed: int) -> list[Fault]:
    """Faults of each kind at places of their own, at each as many as the rate says."""
    rng, kinds = np.random.default_rng(seed), list(kinds)
    faults = []
    for place, size in sizes.items():
        each = np.array_split(rng.permutation(size)[: round(rate * size)], len(kinds))
        faults += [
            Fault(kind.kind, place, own, kind.value, kind.bit)
            for kind, own in zip(kinds, each, strict=True)
            if own.size
        ]
    return faults


def listed(faults: Iterable[Fault]) -> dict[Key, Fault]:
    return {(fault.place, int(n)): fault for fault in faults for n in np.asarray(fault.where)}


def diagnosed(
    url: str,
    faults: list[Fault],
    layers: tuple[int, ...] = LAYERS,
    probes: Sequence[ProbeOffer] = MEANS,
) -> Diagnosis:
    with Blinkered(drivers.open(url), probes) as device:
        device.set_faults(faults)
        return diagnose(device, layers)


@pytest.mark.parametrize(
    ("layers", "rate"), [(LAYERS, 0.1), (LAYERS, 0.45), ((16, 14, 16, 8), 0.3)]
)
def test_faulty_neurons_are_found_by_outputs_alone(layers: tuple[int, ...], rate: float) -> None:
    sizes = dict(enumerate(layers[1:], start=1))
    planted, right, false = 0, 0, 0
    for seed in range(3):
        kinds = [Fault(kind, value=value) for kind, value in NEURONS.items()]
        faults = draw(kinds, sizes, rate, seed)
        url = f"emulator:mixed-signal?chip={seed}&dead_fraction=0"
        found = diagnosed(url, faults, layers, ()).faults
        truth, told = listed(faults), listed(f for f in found if f.kind in NEURONS)
        same = {key for key in truth if key in told and told[key].kind == truth[key].kind}
        planted, right = planted + len(truth), right + len(same)
        false += len(told.keys() - truth.keys())
        for key in same:
            assert told[key].value == pytest.approx(truth[key].value, abs=0.15)
    assert right >= 0.99 * planted
    assert false <= 0.01 * (3 * sum(layers[1:]) - planted)


@pytest.mark.parametrize("layers", [LAYERS, (16, 14, 16, 8)])
def test_how_often_a_line_is_held_is_known_through_those_behind_it(layers: tuple[int, ...]) -> None:
    faults = [Fault("stuck_neuron", 1, [n], n / 10) for n in (3, 6, 8)]
    faults.append(Fault("saturated_neuron", 1, [10]))
    diagnosis = listed(diagnosed("emulator:ideal", faults, layers, ()).faults)
    assert {n: fault.kind for (_, n), fault in diagnosis.items()} == {
        int(np.asarray(fault.where)[0]): fault.kind for fault in faults
    }
    for n in (3, 6, 8):
        assert diagnosis[1, n].value == pytest.approx(n / 10, abs=0.1)


def test_synapses_to_neurons_that_fire_by_themselves_are_left_out_and_not_called_faulty() -> None:
    result = diagnosed("emulator:brainscales-2-raw?chip=3&severity=2", [])
    assert result.faults == []
    assert [what for what in result.skipped if what.startswith("projection 1 to")]


def test_faulty_synapses_are_found_by_means() -> None:
    kinds = [
        Fault("dead_synapse"),
        Fault("saturated_synapse", value=-1.0),
        Fault("stuck_synapse", value=0.4),
        *(Fault("flipped_bit", bit=bit) for bit in (2, 4, 5)),
    ]
    planted, found, right, false = 0, 0, 0, 0
    for seed in (1, 2):
        faults = draw(kinds, {0: 24 * 30, 1: 30 * 8}, 0.1, seed)
        told = diagnosed(f"emulator:mixed-signal?chip={seed}&dead_fraction=0", faults).faults
        assert not [fault for fault in told if fault.kind in NEURONS]
        truth, seen = listed(faults), listed(told)
        planted, found = planted + len(truth), found + len(truth.keys() & seen.keys())
        right += sum(
            key in seen and (seen[key].kind, seen[key].bit) == (fault.kind, fault.bit)
            for key, fault in truth.items()
        )
        false += len(seen.keys() - truth.keys())
    assert found >= 0.99 * planted
    assert right >= 0.95 * planted
    assert false <= 0.001 * 2 * (24 * 30 + 30 * 8)


def test_without_membranes_neurons_are_found_and_synapses_are_said_to_be_left_out() -> None:
    with Blinkered(drivers.open("emulator:mixed-signal?dead_fraction=0"), ()) as device:
        device.set_faults([Fault("dead_neuron", 1, [3]), Fault("dead_synapse", 0, [7])])
        result = diagnose(device, LAYERS)
    assert [(f.kind, f.place, [*np.asarray(f.where)]) for f in result.faults] == [
        ("dead_neuron", 1, [3])
    ]
    assert result.certainty[0].tolist() == [1.0]
    assert [*result.skipped] == ["projection 0", "projection 1"]


def test_a_chip_without_faults_has_none(tmp_path: Path) -> None:
    out = tmp_path / "none.toml"
    done = command(
        "diagnose", "emulator:mixed-signal?dead_fraction=0", "--layers", "12,16,5", "-o", out
    )
    assert done.exit_code == 0, done.output
    assert read_faults(str(out)) == ()


def test_what_the_command_finds_can_be_given_to_an_emulator(tmp_path: Path) -> None:
    given, out, again = (tmp_path / name for name in ("given.toml", "out.toml", "again.toml"))
    given.write_text(
        '[[fault]]\nkind = "saturated_neuron"\nplace = 1\nwhere = [2, 9]\n'
        '[[fault]]\nkind = "stuck_synapse"\nplace = 0\nwhere = [5]\nvalue = -0.5\n'
        '[[fault]]\nkind = "flipped_bit"\nplace = 1\nwhere = [3]\nbit = 4\n'
    )
    planted = [(f.kind, f.place, f.where, f.value, f.bit) for f in read_faults(str(given))]
    for file, found in ((given, out), (out, again)):
        url = f"emulator:ideal?weight_bits=6&faults={file}"
        done = command("diagnose", url, "--layers", "12,16,5", "-o", found, "--json")
        assert done.exit_code == 1, done.output
        told = [(f.kind, f.place, f.where, f.value, f.bit) for f in read_faults(str(found))]
        assert sorted(told) == sorted(planted)
        assert len(json.loads(done.stdout)["certainty"]) == 3


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["-o", "faults.txt"], ".toml"),
        (["--layers", "12"], "64,200,10"),
        (["--layers", "0,4"], "64"),
    ],
)
def test_a_wrong_request_is_one_line(given: list[str], named: str, tmp_path: Path) -> None:
    done = command("diagnose", "emulator:ideal", *given)
    assert (done.exit_code, done.stdout) == (2, "")
    assert named in done.stderr and done.stderr.count("\n") == 1
