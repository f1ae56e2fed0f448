"""Chips of one's own: files that are read, files that are refused, and why."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from typer.testing import CliRunner, Result

import drivers
import hil
from device_models import neurons, profiles
from device_models.nonidealities import by_name
from hil import characterisation
from hil.cli.app import app
from support.hostile_chips import GOOD
from support.paths import ROOT


def write(folder: Path, text: str, name: str = "own.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_file_names_profile_neuron_nonidealities_and_parameters(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'profile = "mixed-signal"\nneuron = "adaptive-lif"\nreset = "hard"\n'
        '[nonidealities]\nthreshold_cv = {value = 0.3, source = "bench"}\nspike_loss = 0.02\n'
        "[parameters]\ntau_adaptation = 0.1\n[settings]\nrefractory = 0.004\n",
    )
    chip = profiles.read(path)
    values = {n: f.value for n, f in by_name(chip.nonidealities).items()}
    below = {n: f.value for n, f in by_name(profiles.get("mixed-signal").nonidealities).items()}
    assert values == below | {"threshold_cv": 0.3, "spike_loss": 0.02}
    assert chip.cited["threshold_cv"].source == "bench"
    assert path in chip.cited["spike_loss"].source
    with drivers.open(f"emulator:{path}?chip=3") as device:
        assert device.info.neuron.reset == "hard"
        default = {s.name: s.default for s in device.info.neuron.settings}
    assert (default["tau_adaptation"], default["refractory"]) == (0.1, 0.004)


def test_a_neuron_of_ones_own_runs_in_its_own_units(tmp_path: Path) -> None:
    """A neuron of -70 mV at rest and 20 mV of swing is the LIF of rest 0 and threshold 1."""
    path = write(tmp_path, GOOD)
    rng = np.random.default_rng(0)
    weights = rng.normal(0.1, 0.4, (6, 40)).astype(np.float32)
    stimulus = drivers.Stimulus.current(rng.random((3, 6)), steps=30)
    probe = drivers.Probe(1, "membrane")
    seen = {}
    for url in (f"emulator:{path}?profile=ideal", "emulator:ideal?tau_membrane=0.02&reset=hard"):
        url += "&threshold_cv=0.2&leak_cv=0.2&chip=4"
        url = url if "?" in url else url.replace("&", "?", 1)
        with drivers.open(url) as device:
            device.configure(drivers.Network.feed_forward((6, 40)))
            device.write_weights(0, weights)
            readout = device.run(stimulus, [probe], trial=0)
            seen[url] = (
                readout.counts,
                device.info.neuron.membrane.in_thresholds(readout.samples[probe]),
            )
    (counts, membrane), (expected, reference) = seen.values()
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() > 20
    np.testing.assert_allclose(membrane, reference, atol=1e-4)


def test_a_python_file_defines_a_model(tmp_path: Path) -> None:
    source = "from dataclasses import replace\nfrom device_models import neurons\n"
    source += "MODEL = replace(neurons.get('izhikevich'), name='mine')\n"
    path = write(tmp_path, source, "mine.py")
    for url in (f"emulator:{path}?chip=2", f"emulator:ideal?neuron={path}"):
        with drivers.open(url) as device:
            assert device.info.identity.firmware == "mine"


def test_a_grid_of_weights_is_what_is_stored(tmp_path: Path) -> None:
    path = write(tmp_path, 'profile = "ideal"\nweight_grid = [-1.0, -0.3, 0.0, 0.3, 1.0]\n')
    with drivers.open(f"emulator:{path}") as device:
        device.configure(drivers.Network.feed_forward((50, 4), (2.0,)))
        stored = device.write_weights(0, np.random.default_rng(0).normal(0, 1, (50, 4)))
    assert np.unique(stored).tolist() == pytest.approx([-2.0, -0.6, 0.0, 0.6, 2.0])


def test_every_model_can_be_written_down_and_read_again(tmp_path: Path) -> None:
    """Written as a table of text and numbers, each built-in model is the same but for spaces."""
    from dataclasses import asdict

    from device_models.neuron_language import rewrite_model

    for name in neurons.names():
        model = neurons.get(name)
        table = {k: v for k, v in asdict(model).items() if v is not None}
        table["parameters"] = {
            n: {k: v for k, v in p.items() if v is not None} for n, p in table["parameters"].items()
        }
        chip = profiles.read(write(tmp_path, tomli_w.dumps({"neuron": table})))
        assert chip.model == rewrite_model(model)


def refusal(path: str) -> str:
    with pytest.raises(drivers.SettingError) as caught:
        drivers.open(f"emulator:{path}").close()
    text = str(caught.value)
    assert "\n" not in text
    assert path in text, "names the file"
    return text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("(e_rest - v) / tau", "(e_rest - v) / v_fire", "neuron.equations"),
        ("(e_rest - v) / tau", "(e_rest - u) / tau", "neuron.equations"),
        ("(e_rest - v) / tau", "(e_rest - v / tau", "neuron.equations"),
        ('threshold = "v > v_fire"\n', "", "neuron.threshold is missing"),
        ('"v > v_fire"', '"v > tau"', "neuron.threshold"),
        ('"v > v_fire"', '"v > v_fier"', "neuron.threshold"),
        ('"v > v_fire"', "7", "neuron.threshold"),
        ('hard = "v = e_rest"', 'hard = "v = tau"', "neuron.resets.hard"),
        ('hard = "v = e_rest"', 'warm = "v = e_rest"', "soft, hard"),
        ('"e_rest"}', '"e_rset"}', "neuron.initial.v"),
        ('membrane = "v"', 'membrane = "w"', "neuron.membrane"),
        ('receives = "v"', 'receives = "w"', "neuron.receives"),
        ('silent = "v_fire"', 'silent = "v_fier"', "did you mean 'v_fire'"),
        ('time_constant = "tau"', 'time_constant = "tua"', "did you mean 'tau'"),
        ("level = -0.05", "level = -0.08", "neuron.level"),
        ('unit = "second"', 'unit = "secnd"', "neuron.parameters.tau.unit"),
        ("value = 0.02", "value = 2.0", "neuron.parameters.tau = "),
        ("value = 0.02", 'value = "fast"', "neuron.parameters.tau.value"),
        ("maximum = 1.0", "maxmum = 1.0", "did you mean 'maximum'"),
        ('"leak_cv"', '"leek_cv"', "did you mean 'leak_cv'"),
        ('acts = "divide"', 'acts = "share"', "'multiply', 'divide' or 'add'"),
        ("membrane =", "membran =", "did you mean 'membrane'"),
        ("[neuron]", "other = 3\n[neuron]", "'other' is unknown"),
        ("[neuron]", "weight_grid = [2.0]\n[neuron]", "weight_grid"),
        ("[neuron]", 'weight_grid = "fine"\n[neuron]', "weight_grid"),
        ("[neuron]", "[nonidealities]\nthreshold_cv = 9\n[neuron]", "threshold_cv = 9"),
        (
            "[neuron]",
            "[nonidealities]\nthreshold_vc = 0.1\n[neuron]",
            "did you mean 'threshold_cv'",
        ),
        (
            "[neuron]",
            '[nonidealities]\nthreshold_cv = "big"\n[neuron]',
            "nonidealities.threshold_cv",
        ),
        ("[neuron]", "[parameters]\ntau = 5\n[neuron]", "parameter tau = 5"),
        ("[neuron]", "[parameters]\ntua = 0.1\n[neuron]", "did you mean 'tau'"),
        ("[neuron]", "[settings]\ntreshold = 1.0\n[neuron]", "did you mean 'threshold'"),
        ("[neuron]", 'profile = "mixd-signal"\n[neuron]', "did you mean 'mixed-signal'"),
        ("[neuron]", 'reset = "soft"\n[neuron]', "reset"),
        ("[neuron]", "[neuron", "no valid TOML"),
    ],
)
def test_a_mistake_is_refused_in_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    assert says in refusal(write(tmp_path, GOOD.replace(old, new, 1)))


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "No such file" in refusal(str(tmp_path / "none.toml"))
    assert "directory" in refusal(str(_folder(tmp_path / "x.toml")))
    bad = tmp_path / "bytes.toml"
    bad.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refusal(str(bad))
    assert "no MODEL" in refusal(write(tmp_path, "x = 1\n", "empty.py"))
    assert "ZeroDivisionError" in refusal(write(tmp_path, "1 / 0\n", "broken.py"))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_the_example_of_the_documentation_is_a_chip() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/chip.md").read_text(), re.S)
    assert set(tomllib.loads(example)) <= set(profiles.KEYS)


def test_options_of_an_address() -> None:
    with drivers.open("emulator:ideal?neuron=adex&tau_adaptation=0.2") as device:
        assert {s.name: s.default for s in device.info.neuron.settings}["tau_adaptation"] == 0.2
    for url, says in {
        "emulator:ideal?tau_membrane=9": "tau_membrane",
        "emulator:ideal?tau_membrne=0.01": "did you mean 'tau_membrane'",
        "emulator:ideal?severity=-1": "severity",
        "emulator:ideal?severity.threshold_vc=1": "did you mean 'threshold_cv'",
        "emulator:ideal?severity.adc_minimum=2": "condition",
        "emulator:ideal?profile=mixed-signal": "profile",
    }.items():
        with pytest.raises(drivers.SettingError, match=re.escape(says)):
            drivers.open(url).close()


def test_severities() -> None:
    full = by_name(profiles.get("mixed-signal").nonidealities)
    half = by_name(profiles.get("mixed-signal").nonidealities.at_severity(0.5))
    double = by_name(profiles.get("mixed-signal").nonidealities.at_severity(2, {"gain_cv": 0.25}))
    assert half["threshold_cv"].value == full["threshold_cv"].value / 2
    assert (half["weight_bits"].value, double["weight_bits"].value) == (7, 5)
    assert double["gain_cv"].value == full["gain_cv"].value / 2
    assert double["adc_maximum"].value == full["adc_maximum"].value
    for name in profiles.names():
        none = by_name(profiles.get(name).nonidealities.at_severity(0))
        ideal = by_name(profiles.get("ideal").nonidealities)
        assert {n: f.value for n, f in none.items() if f.severity != "fixed"} == {
            n: f.value for n, f in ideal.items() if f.severity != "fixed"
        }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('neuron = "lfi"\n', "did you mean 'lif'"),
        ("neuron = 3\n", "neuron = 3"),
        ("nonidealities = 3\n", "write [nonidealities]"),
        ("[nonidealities]\nweight_bits = 2.5\n", "whole number"),
        ("[nonidealities]\nthreshold_cv = {source = 'x'}\n", "nonidealities.threshold_cv"),
        ("[twin]\nlayers = [4, 2]\n", "arrays"),
    ],
)
def test_a_mistake_beside_the_neuron(tmp_path: Path, text: str, says: str) -> None:
    assert says in refusal(write(tmp_path, text))


HARSH = "emulator:mixed-signal?chip=21&severity=2&threshold_cv=0.4"


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("twin") / "own.toml"
    with drivers.open(HARSH) as device:
        characterisation.characterise(device, (64, 60, 10), path)
    return path


def test_weights_trained_on_it_lose_less_than_half_when_they_are_deployed(
    twin: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"network": {"hidden": [60]}, "training": {"epochs": 6}}

    def lost(device: str, out: str) -> float:
        run = hil.train("digits", device=device, out=tmp_path / out, **settings)
        deployed = hil.evaluate(run.path, device=HARSH)["test_accuracy"]
        return run.test_accuracy - float(deployed)

    ideal = lost("emulator:ideal", "ideal")
    assert ideal > 0.05  # there is something to lose
    assert lost(f"emulator:{twin}", "twin") < ideal / 2


def test_another_network_is_refused_before_anything_is_written(twin: Path, tmp_path: Path) -> None:
    for hidden in ("50", "60,60"):
        out = tmp_path / "run"
        result = command(
            "train", "digits", "--device", f"emulator:{twin}", "--hidden", hidden, "--out", out
        )
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert str(twin) in result.stderr and "(64, 60, 10)" in result.stderr
        assert not out.exists()


def changed(twin: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of a twin whose arrays are others."""
    with np.load(twin.with_suffix(".npz")) as held:
        arrays = dict(held)
    change(arrays)
    np.savez(folder / "own.npz", **arrays)
    copy = folder / "own.toml"
    copy.write_text(twin.read_text())
    return copy


def trained_on(twin: Path, out: Path) -> Result:
    device = f"emulator:{twin}"
    return command(
        "train", "digits", "--device", device, "--hidden", "60", "--epochs", "1", "--out", out
    )


def _with(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda arrays: arrays.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with("layer_0/gain", np.ones(59, np.float32)), "'layer_0/gain' has shape (59,)"),
        (_with("cells_1/gain", np.full((60, 10), np.nan)), "'cells_1/gain' is not finite"),
        (_with("layer_7/gain", np.ones(60)), "layer_7/gain"),
        (_with("layer_0/charm", np.ones(60)), "layer_0/charm"),
        (_with("layer_0/parameter/charm", np.ones(60)), "charm"),
    ],
)
def test_damaged_arrays_are_refused_by_name(
    twin: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    result = trained_on(changed(twin, tmp_path, change), tmp_path / "run")
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1 and message in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", "half"])
def test_a_missing_or_cut_file_is_refused(
    twin: Path, tmp_path: Path, content: bytes | str | None
) -> None:
    whole = twin.with_suffix(".npz").read_bytes()
    if content is not None:
        held = whole[: len(whole) // 2] if isinstance(content, str) else content
        (tmp_path / "own.npz").write_bytes(held)
    (tmp_path / "own.toml").write_text(twin.read_text())
    result = command("train", "digits", "--device", f"emulator:{tmp_path / 'own.toml'}")
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1 and "own.npz" in result.stderr


def test_what_is_not_in_it_is_as_on_an_ideal_chip(twin: Path, tmp_path: Path) -> None:
    own = changed(twin, tmp_path, lambda arrays: arrays.pop("cells_0/gain"))
    result = trained_on(own, tmp_path / "run")
    assert result.exit_code == 0, result.output
