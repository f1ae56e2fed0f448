import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from hil import encodings, tasks
from hil.config import build, dump, merge_layers, parse_assignments, read
from hil.learning import rules

SEED_LIMIT = 2**63


def leaves(sections: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in sections.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield path + key, value


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def refusal(*layers: dict[str, Any]) -> str:
    with pytest.raises(ValueError) as error:
        build(*layers)
    message = str(error.value)
    assert "\n" not in message
    return message


ALL = {
    path: value
    for name in rules.names()
    for path, value in leaves(build({"rule": {"name": name}}).model_dump(mode="json"))
}
KEYS = {
    path: name
    for name in rules.names()
    for path, _ in leaves(build({"rule": {"name": name}}).model_dump(mode="json"))
    if path != "network.settings"
}
NUMBERS = [p for p, value in ALL.items() if type(value) in (int, float)]


# -- what is built ----------------------------------------------------------------------------


@pytest.mark.parametrize("task", tasks.names())
@pytest.mark.parametrize("rule", rules.names())
@pytest.mark.parametrize("encoding", encodings.names())
def test_every_choice_by_name_is_complete_and_written_back(
    task: str, rule: str, encoding: str, tmp_path: Path
) -> None:
    config = build({"task": task, "rule": {"name": rule}, "encoding": {"name": encoding}})
    assert set(rules.get(rule).settings.model_fields) == set(config.rule_settings)
    assert set(encodings.get(encoding).settings.model_fields) == set(config.encoding_settings)
    file = tmp_path / "config.toml"
    file.write_text(dump(config), encoding="utf-8")
    assert build(read(file)) == config


@given(
    seed=st.integers(0, SEED_LIMIT - 1),
    hidden=st.lists(st.integers(1, 10**6), max_size=4),
    rate=st.floats(1e-12, 1e6),
    target=st.one_of(st.just("auto"), st.floats(0, 10)),
    gain=st.floats(-100, 100),
    device=st.text(st.characters(codec="utf-8")),
    settings=st.dictionaries(st.text(st.characters(codec="utf-8")), st.floats(-1e9, 1e9)),
)
def test_any_valid_configuration_survives_being_written(
    seed: int,
    hidden: list[int],
    rate: float,
    target: float | str,
    gain: float,
    device: str,
    settings: dict[str, float],
) -> None:
    config = build(
        {
            "seed": seed,
            "device": device,
            "network": {"hidden": hidden, "settings": settings},
            "optimiser": {"learning_rate": rate},
            "homeostasis": {"target": target},
            "rule": {"gain": gain},
        }
    )
    assert build(tomllib.loads(dump(config))) == config
    assert (config.seed, list(config.network.hidden)) == (seed, hidden)
    assert (config.optimiser.learning_rate, config.homeostasis.target) == (rate, target)
    assert (config.rule["gain"], config.device, config.network.settings) == (gain, device, settings)


def test_numbers_of_numpy_are_numbers() -> None:
    config = build({"seed": np.int64(3), "network": {"hidden": np.array([4, 5])}})
    assert config == build({"seed": 3, "network": {"hidden": [4, 5]}})


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        build({}).seed = 1  # type: ignore[misc]


def test_what_a_task_suggests_lies_below_what_is_asked() -> None:
    suggested = tasks.get("mnist").defaults["network"]["hidden"]
    assert build({"task": "mnist"}).network.hidden == tuple(suggested)  # type: ignore[arg-type]
    assert build({"task": "mnist", "network": {"hidden": [7]}}).network.hidden == (7,)


def test_what_suits_a_rule_on_a_task_lies_between_the_task_and_what_is_asked() -> None:
    def rate(*layers: dict[str, object]) -> float:
        return build({"task": "mnist"}, *layers).optimiser.learning_rate

    slower = tasks.get("mnist").by_rule["bp"]["optimiser"]["learning_rate"]
    assert rate({"rule": {"name": "bp"}}) == slower != rate()
    assert rate({"rule": {"name": "bp"}, "optimiser": {"learning_rate": 0.25}}) == 0.25


# -- layers -----------------------------------------------------------------------------------


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers()), max_size=5))
def test_the_last_layer_that_sets_a_key_wins(layers: list[dict[str, int]]) -> None:
    found = merge_layers(*({"section": layer} for layer in layers)).get("section", {})
    for key in "abc":
        given_values = [layer[key] for layer in layers if key in layer]
        assert found.get(key) == (given_values[-1] if given_values else None)


def test_layers_are_not_changed_by_being_merged() -> None:
    below = {"rule": {"name": "adfa", "gain": 3.0}}
    merge_layers(below, {"rule": {"gain": 5.0}})["rule"]["gain"] = 7.0
    assert below == {"rule": {"name": "adfa", "gain": 3.0}}


def test_another_rule_drops_the_settings_of_the_one_below() -> None:
    file = {"rule": {"name": "adfa", "gain": 7.0, "shift": 0.5}}
    assert build(file, {"rule": {"name": "dfa"}}).rule == build({"rule": {"name": "dfa"}}).rule
    assert build(file, {"rule": {"name": "adfa"}}).rule["gain"] == 7
    assert build(file, {"rule": {"shift": 0.1}}).rule_settings["gain"] == 7


@pytest.mark.parametrize(
    "section, other, key, value",
    [
        ("rule", "dfa", "gain", 7.0),
        ("encoding", "poisson", "gain", 7.0),
        ("optimiser", "sgd", "learning_rate", 0.5),
    ],
)
def test_settings_without_a_name_are_those_of_the_default(
    section: str, other: str, key: str, value: float
) -> None:
    def found(*layers: dict[str, Any]) -> dict[str, Any]:
        return dict(build(*layers).model_dump()[section])

    name = found()["name"]
    assert found({section: {key: value}})[key] == value
    assert found({section: {key: value}}, {section: {"name": name}})[key] == value
    assert found({section: {key: value}}, {section: {"name": other}}).get(key) != value


# -- refusals ---------------------------------------------------------------------------------


@given(st.sampled_from(sorted(KEYS)), st.integers(0, 50))
def test_an_unknown_key_at_any_depth_is_answered_with_the_nearest(path: str, at: int) -> None:
    *section, key = path.split(".")
    at %= len(key)
    wrong = ".".join([*section, key[: at + 1] + key[at:]])  # one letter typed twice
    message = refusal({"rule": {"name": KEYS[path]}}, nested(wrong, 1))
    assert f"configuration key {wrong!r} is unknown" in message
    assert f"did you mean {key!r}" in message


@given(st.sampled_from(sorted(KEYS)))
def test_a_value_of_a_wrong_type_is_refused_by_its_key(path: str) -> None:
    message = refusal({"rule": {"name": KEYS[path]}}, nested(path, {"x": [1, None]}))
    assert path in message


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("value", [True, "3", "many", [1], float("nan"), float("inf")])
def test_a_number_is_a_number(path: str, value: Any) -> None:
    assert f"configuration {path} = " in refusal(
        {"rule": {"name": KEYS[path]}}, nested(path, value)
    )


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("value", [10**30, -(10**30)])
def test_every_number_has_bounds(path: str, value: int) -> None:
    assert f"configuration {path} = " in refusal(
        {"rule": {"name": KEYS[path]}}, nested(path, value)
    )


def test_sizes_of_layers_have_bounds() -> None:
    assert "network.hidden = " in refusal({"network": {"hidden": [10**30]}})


@pytest.mark.parametrize(
    "path, value, allowed",
    [
        ("seed", -1, "0"),
        ("seed", SEED_LIMIT, str(SEED_LIMIT)),
        ("training.epochs", 0, "0"),
        ("training.epochs", 2.0, "integer"),
        ("training.batch", 0, "0"),
        ("training.validation_fraction", 1.0, "1"),
        ("network.hidden", [10, 0], "0"),
        ("network.hidden", 10, "array"),
        ("network.settings", {"threshold": "high"}, "number"),
        ("homeostasis.target", "low", "number or 'auto'"),
        ("device_options.chip", True, "integer or a valid number or a valid string"),
        ("optimiser.name", "adam", "'adamw' or 'sgd'"),
        ("optimiser.learning_rate", 0, "0"),
        ("observe", "everything", "'membrane' or 'spikes'"),
        ("rule.gain", 1e9, "100"),
        ("rule.g", "sinus", "'sin'"),
        ("rule.name", 3, "name"),
        ("encoding.gain", 0, "0"),
        ("training", 4, "training.key=value"),
        ("rule", "dfa", "rule.key=value"),
        ("task", 4, "name"),
    ],
)
def test_a_value_out_of_range_is_answered_with_the_range(
    path: str, value: Any, allowed: str
) -> None:
    message = refusal(nested(path, value))
    assert path in message and allowed in message


@pytest.mark.parametrize(
    "path, wrong, nearest",
    [
        ("task", "mnits", "mnist"),
        ("rule.name", "adfaa", "adfa"),
        ("encoding.name", "poison", "poisson"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(path: str, wrong: str, nearest: str) -> None:
    message = refusal(nested(path, wrong))
    assert repr(wrong) in message and f"did you mean {nearest!r}" in message


# -- files and --set --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"[training", b"seed = ", b"seed = 1\nseed = 2", b"\xff\xfe\x00", b"a = " + b"[" * 100_000],
    ids=["open table", "no value", "twice", "binary", "deep"],
)
def test_a_file_that_is_no_toml_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.toml: is no valid TOML") as error:
        read(file)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no\.toml: no such file"):
        read(tmp_path / "no.toml")
    with pytest.raises(ValueError, match="is a folder"):
        read(tmp_path)


@given(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.booleans(),
        st.lists(st.integers(0, 9)),
        st.text(st.characters(codec="ascii", categories=["L"])),
    )
)
def test_set_takes_any_toml_value(value: Any) -> None:
    text = tomli_w.dumps({"value": value}).partition("=")[2]
    assert parse_assignments([f"some.key = {text}"]) == {"some": {"key": value}}


@pytest.mark.parametrize(
    "text", ["emulator:ideal?chip=7", "adfa", "1e", "a b", "", "x=y", "{", "[1"]
)
def test_set_takes_what_is_no_toml_as_text(text: str) -> None:
    assert parse_assignments([f"device={text}"]) == {"device": text}


@given(st.permutations(["rule.name=dfa", "rule.shift=0.7", "rule.steepness=2.0", "seed=5"]))
def test_the_order_of_different_settings_does_not_matter(items: list[str]) -> None:
    config = build(parse_assignments(items))
    assert config.rule == {**config.rule, "name": "dfa", "shift": 0.7, "steepness": 2.0}
    assert config.seed == 5


def test_of_the_same_setting_the_last_one_counts() -> None:
    assert parse_assignments(["seed=1", "seed=2"]) == {"seed": 2}


@pytest.mark.parametrize(
    "items",
    [["training.epochs"], ["=3"], ["training..epochs=3"], [".=3"], [""], ["a=1", "a.b=2"]],
)
def test_a_set_that_is_none_is_refused(items: list[str]) -> None:
    with pytest.raises(ValueError, match="--set") as error:
        parse_assignments(items)
    assert items[-1] in str(error.value)
