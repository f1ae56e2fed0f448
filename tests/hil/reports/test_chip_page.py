"""`hil chips`: what it lists, what it says of a chip, and the page it writes."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner, Result

import drivers
from device_models import profiles
from drivers.emulator.chip_instance import inspect, make_ideal
from drivers.emulator.datasheet import datasheet
from hil.cli.app import app
from hil.reports.chip_page import write_page
from support.html_page import Page

NAMES = profiles.names()
OWN = """
name = "bench"
description = "the one on the desk"
weight_grid = [-1, -0.25, 0, 0.5, 1]
[parameters]
tau_membrane = {value = 0.02, source = "bench, 3 May"}
[nonidealities]
threshold_cv = {value = 0.3, source = "bench, <4 May>"}
retention = 0.01
"""
TWIN = """
[nonidealities]
retention = {value = 0.01, source = "bench, <5 May>"}
adc_every = 50
[twin]
layers = [6, 9, 3]
arrays = "desk.npz"
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["chips", *map(str, arguments)])


def printed(*arguments: str | Path) -> str:
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(*arguments: str | Path) -> str:
    """The one line that the command says before it gives up; no file may be left."""
    result = command(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert re.fullmatch(r"hil: [^\n]+\n", result.stderr), result.stderr
    assert not list(Path.cwd().glob("*.html*"))
    return result.stderr


def twin(folder: Path) -> Path:
    """A chip that was measured: 6 inputs, 9 neurons (one of them dead) and 3 outputs."""
    gain = np.linspace(0.8, 1.2, 9)
    gain[4] = 0
    arrays = {"layer_0/gain": gain, "layer_0/parameter/v_threshold": np.linspace(0.9, 1.3, 9)}
    np.savez(folder / "desk.npz", **arrays)  # type: ignore[arg-type]
    path = folder / "desk.toml"
    path.write_text(TWIN)
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Page]:
    """The page of a profile's chip 5, each written once, of a small network to be quick."""
    folder, written = tmp_path_factory.mktemp("pages"), dict[str, Page]()

    def of(name: str) -> Page:
        if name not in written:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("hil.reports.chip_page.LAYERS", (8, 60, 5))
                path = write_page(name, 5, folder / f"{name}.html")
            written[name] = Page.read(path)
        return written[name]

    return of


# -- the list and the datasheet ---------------------------------------------------------------


def test_every_profile_is_listed_with_its_neuron() -> None:
    lines = [line.split("\t") for line in printed().splitlines()]
    wanted = [[n, profiles.get(n).model.name, profiles.get(n).description] for n in NAMES]
    assert lines == [["chip", "neuron", "what it is"], *wanted]
    listed = json.loads(printed("--json"))["chips"]
    assert [[c["name"], c["neuron"], c["description"]] for c in listed] == wanted


@pytest.mark.parametrize("name", NAMES)
def test_every_nonideality_is_printed_with_value_range_and_source(name: str) -> None:
    profile = profiles.get(name)
    rows = {row[1]: row for row in (line.split("\t") for line in printed(name).splitlines())}
    assert rows.pop("name") == ["tier", "name", "value", "unit", "allowed", "source"]
    assert set(rows) == {"model", *profile.model.parameters, *profile.cited}
    assert rows["model"] == ["neuron", "model", profile.model.name, "", "", profile.model.source]
    for nonideality, cited in profile.cited.items():
        tier, _, value, _, allowed, source = rows[nonideality]
        low, high = map(float, allowed.split(" to "))
        assert tier in ("fixed pattern", "storage", "in time", "readout")
        assert low <= float(value) <= high
        assert float(value) == pytest.approx(cited.value, rel=1e-5)
        assert source == cited.source != ""
    for parameter, model in profile.model.parameters.items():
        tier, _, value, _, allowed, source = rows[parameter]
        nominal = profile.parameters[parameter].value if parameter in profile.parameters else None
        assert tier == "neuron"
        assert float(value) == pytest.approx(model.value if nominal is None else nominal, rel=1e-5)
        assert allowed == f"{model.minimum:g} to {model.maximum:g}"
        assert source


@pytest.mark.parametrize("name", NAMES)
def test_json_holds_what_the_table_holds_exactly(name: str) -> None:
    sheet, profile = json.loads(printed(name, "--json")), profiles.get(name)
    assert list(sheet) == [
        "name",
        "description",
        "neuron",
        "nonidealities",
        "weight_grid",
        "layers",
    ]
    keys = ["tier", "name", "value", "unit", "minimum", "maximum", "meaning", "source"]
    assert all(list(f) == keys for f in (*sheet["nonidealities"], *sheet["neuron"]["parameters"]))
    assert {f["name"]: (f["value"], f["source"]) for f in sheet["nonidealities"]} == {
        nonideality: (cited.value, cited.source) for nonideality, cited in profile.cited.items()
    }
    assert [p["name"] for p in sheet["neuron"]["parameters"]] == list(profile.model.parameters)


def test_a_file_of_ones_own_is_a_chip() -> None:
    Path("own.toml").write_text(OWN)
    sheet = json.loads(printed("own.toml", "--json"))
    stated = {f["name"]: f for f in sheet["nonidealities"]}
    assert (sheet["name"], sheet["weight_grid"]) == ("bench", [-1, -0.25, 0, 0.5, 1])
    assert stated["threshold_cv"]["source"] == "bench, <4 May>"
    assert stated["retention"]["source"] == "own.toml"
    assert stated["leak_cv"]["value"] == profiles.get("mixed-signal").cited["leak_cv"].value
    # The grid takes the place of the bits that the profile brings.
    assert "weight_bits" not in stated
    assert "weight_grid\t5 values from -1 to 1" in printed("own.toml")
    tau = next(p for p in sheet["neuron"]["parameters"] if p["name"] == "tau_membrane")
    assert (tau["value"], tau["source"]) == (0.02, "bench, 3 May")


def test_a_measured_chip_lists_no_spread_that_it_does_not_draw(tmp_path: Path) -> None:
    sheet = json.loads(printed(twin(tmp_path), "--json"))
    names = {f["name"] for f in sheet["nonidealities"]}
    assert sheet["layers"] == [6, 9, 3]
    assert names == {*profiles.get("mixed-signal").cited, "retention", "adc_every"} - {
        "threshold_cv", "leak_cv", "gain_cv", "weight_cv", "reset_sd", "dead_fraction",
        "adc_gain_cv", "adc_offset_sd",
    }  # fmt: skip


def test_what_cannot_be_is_refused_in_a_line() -> None:
    assert "did you mean 'mixed-signal'?" in refusal("mixed-signl")
    assert "did you mean 'mixed-signal'?" in refusal("mixed-signl", "--report")
    assert "none.toml" in refusal("none.toml")
    Path("bad.toml").write_text("[nonidealities]\nthreshold_cv = 7\n")
    assert "from 0 to 2" in refusal("bad.toml")
    assert "name one chip" in refusal("--report")
    assert "without --json" in refusal("ideal", "--report", "--json")
    assert "--report" in refusal("ideal", "page.html")
    assert "--report" in refusal("ideal", "--seed", "3")
    assert "chip = -1" in refusal("ideal", "--report", "--seed", "-1")


# -- the page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_every_nonideality_with_its_source_and_needs_no_network(
    name: str, page: Callable[[str], Page]
) -> None:
    shown, sheet = page(name), datasheet(name)
    for entry in (*sheet.nonidealities, *sheet.neuron.parameters):
        source = entry.source.replace("`", "")
        assert f"{entry.meaning} {source}" in shown.text
        row = f"{entry.name} {entry.value:g} {entry.unit} ".replace("  ", " ")
        assert row + f"{entry.minimum:g} to {entry.maximum:g}" in shown.text
    assert not {"script", "iframe", "object", "link", "img"} & set(shown.tags)
    for attribute, value in shown.attributes:
        if attribute in ("src", "href", "xlink:href"):
            assert value.startswith(("#", "data:"))
        if not attribute.startswith("xmlns"):
            assert "http:" not in value and "https:" not in value
    for axis in ("input, thresholds / step", "rate, spikes / step", "membrane / threshold"):
        assert axis in shown.text
    # Every drawing says in words what it is.
    labels = [value for attribute, value in shown.attributes if attribute == "aria-label"]
    assert shown.tags.count("svg") <= len([label for label in labels if label])


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_only_what_applies(name: str, page: Callable[[str], Page]) -> None:
    shown, cited = page(name).text, profiles.get(name).cited
    drifts = "drift" in cited or "retention" in cited
    assert ("Does not drift" in shown) != drifts
    assert ("time since the write" in shown) == drifts
    differs = any(f.endswith(("_cv", "_sd")) and f != "drift_cv" for f in cited)
    assert ("Stated by" in shown) == differs
    assert ("Map of a layer" in shown) == any(
        f in cited for f in ("threshold_cv", "leak_cv", "gain_cv", "bias_sd", "reset_sd")
    )
    for nonideality in cited:
        if nonideality.endswith(("_cv", "_sd")) and nonideality != "drift_cv":
            assert f"Stated by {nonideality}: " in shown
    exact = not differs and "programming_noise" not in cited
    assert ("Synapses transmit exactly what is stored" in shown) == exact


def test_the_ideal_neuron_fires_as_the_textbook_has_it(page: Callable[[str], Page]) -> None:
    match = re.search(
        r"At an input of ([\d.]+) thresholds per step the ideal neuron fires ([\d.]+) spikes per "
        r"step; those of the first layer ([\d.]+) on average, with a standard deviation of (\S+)\.",
        page("ideal").text,
    )
    assert match is not None
    drive, rate, mean, deviation = map(float, match.groups())
    # Leaky integration with tau = 10 steps, exactly, and a reset that subtracts the threshold.
    decay, membrane, spikes = np.exp(-0.1), 0.0, 0
    for _ in range(200):
        membrane = membrane * decay + drive * 10 * (1 - decay)
        spikes += membrane >= 1
        membrane -= membrane >= 1
    assert rate == pytest.approx(spikes / 200, abs=0.006)
    assert (mean, deviation) == (rate, 0)


def test_the_same_chip_gives_the_same_page(tmp_path: Path) -> None:
    path = twin(tmp_path)
    assert printed(path, "--report") == "desk.html\n"
    assert printed(path, tmp_path / "new" / "again.html", "--report").endswith("again.html\n")
    first = Path("desk.html").read_bytes()
    assert (tmp_path / "new" / "again.html").read_bytes() == first
    shown = Page(first.decode()).text
    assert "the one chip that was measured" in shown and "layers 6, 9, 3" in shown
    assert "1 of 9 in the first layer" in shown
    assert "8 neurons: mean 1.1 V" in shown and "Stated" not in shown
    assert "bench, <5 May>" in shown and "time since the write" in shown
    assert "every 50 steps, too seldom" in shown


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old = twin(tmp_path), tmp_path / "old" / "page.html"
    old.parent.mkdir()
    old.write_text("before")
    assert str(old) in refusal(path, old / "page.html", "--report")

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(old))

    monkeypatch.setattr("drivers.files.writing.os.replace", read_only)
    assert refusal(path, old, "--report") == f"hil: {old}: Read-only file system\n"
    assert old.read_text() == "before" and list(old.parent.iterdir()) == [old]


# -- what a chip drew -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixed-signal", "dynap-se", "brainscales-2-raw"])
def test_what_is_drawn_follows_the_law_that_is_stated(name: str) -> None:
    layers = (20, 4000, 10)
    inside = inspect(name, 11, layers, np.zeros(layers[:2], np.float32), np.empty(0))
    assert len(inside.spreads) >= 7
    for spread in inside.spreads:
        assert spread.density is not None
        values, density = spread.density
        steps = np.diff(values) * (density[1:] + density[:-1]) / 2
        below = np.append(0, np.cumsum(steps))
        assert below[-1] == pytest.approx(1, abs=0.005)
        # What is drawn, seen through its law, is uniform.
        alive = spread.values[np.isfinite(spread.values)][:4000].astype(float)
        assert stats.kstest(np.interp(alive, values, below), "uniform").pvalue > 0.01


def test_dead_neurons_are_those_that_never_fire() -> None:
    layers = (4, 500, 10)
    inside = inspect("mixed-signal", 3, layers, np.ones((4, 500), np.float32), np.empty(0))
    (threshold,) = [s for s in inside.spreads if s.nonideality == "threshold_cv"]
    with drivers.open("emulator:mixed-signal?chip=3&spike_loss=0") as chip:
        chip.configure(drivers.Network.feed_forward(layers))
        chip.write_weights(0, np.ones((4, 500)))
        probe = drivers.Probe(1, "spikes", reduce="mean")
        readout = chip.run(drivers.Stimulus.current(np.ones((1, 4)), steps=20), [probe], trial=0)
    silent = readout.samples[probe][0] == 0
    np.testing.assert_array_equal(silent, np.isnan(threshold.values))
    assert inside.dead == silent.sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_stored_weights_are_those_of_the_device(name: str) -> None:
    asked = np.linspace(-1, 1, 60, dtype=np.float32).reshape(6, 10)
    inside = inspect(name, 3, (6, 10), asked, np.array([5.0]))
    with drivers.open(f"emulator:{name}?chip=3") as chip:
        chip.configure(drivers.Network.feed_forward((6, 10)))
        np.testing.assert_array_equal(inside.stored, chip.write_weights(0, asked))
    fades = "drift" in profiles.get(name).cited
    np.testing.assert_array_equal(inside.ages, [0, 5] if fades else [0])
    assert inside.realised.shape == (len(inside.ages), 6, 10)


def test_phase_change_weights_drift_by_the_stated_power_law() -> None:
    ages = np.array([1e2, 1e4, 1e6])
    asked = np.full((100, 100), 1.0, np.float32)
    inside = inspect("pcm-crossbar", 3, (100, 100), asked, ages)
    kept = np.median(inside.realised[1:], axis=(1, 2)) / np.median(inside.realised[0])
    # Joshi et al. 2020: (t / t0)^-nu, here with t0 = 20 s and nu = 0.049.
    np.testing.assert_allclose(kept, (1 + ages / 20) ** -0.049, rtol=0.02)


@pytest.mark.parametrize("name", ["mixed-signal", "dynap-se", "loihi"])
def test_the_ideal_chip_is_the_same_neuron_without_imperfections(name: str) -> None:
    stimulus = drivers.Stimulus.current(np.full((1, 1), 0.3), steps=50)
    probe = drivers.Probe(1, "membrane")
    traces = []
    for device in (make_ideal(name), drivers.open(f"emulator:{name}?severity=0&chip=8")):
        with device:
            device.configure(drivers.Network.feed_forward((1, 2)))
            device.write_weights(0, np.ones((1, 2)))
            traces.append(device.run(stimulus, [probe], trial=0).samples[probe])
    np.testing.assert_array_equal(*traces)
    assert traces[0].max() > 0
