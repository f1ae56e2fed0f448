"""The language of neurons: what it takes means the same to Brian2, and what passes is harmless."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_models import neurons, profiles
from device_models.neuron_language import (
    BASE_UNITS,
    CONSTANTS,
    FUNCTIONS,
    METHODS,
    TAKEN,
    UNITS,
    Scope,
    bound_costs,
    check_name,
    parse_equations,
    parse_expression,
    rewrite_model,
    rewrite_unit,
)
from support import hostile_chips
from support.paths import ROOT, tries

HARMLESS = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name),
    *(ast.Load, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub, ast.Not),
    *(ast.And, ast.Or, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.Constant),
)
NAMES = ("v", "tau", "e_rest", "i_in", "mV")


def rewrite_expression(text: str, kind: str = "number") -> str:
    """An expression as it reaches Brian2: written anew from its parsed form."""
    return ast.unparse(parse_expression(text, kind))  # type: ignore[arg-type]


def meaning(text: str) -> str:
    return ast.dump(ast.parse(text.strip(), mode="eval"))


def numbers() -> st.SearchStrategy[str]:
    leaves = st.sampled_from((*NAMES, "1", "2.5", "1e-3", ".5", "7."))

    def larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(part, st.sampled_from("+-*/"), part).map(" ".join),
            st.tuples(part, st.sampled_from(("", " "))).map(lambda p: f"({p[0]}){p[1]}"),
            st.tuples(st.sampled_from("-+"), part).map(lambda p: f"{p[0]}({p[1]})"),
            st.tuples(st.sampled_from("-+"), leaves).map("".join),
            st.tuples(part, st.sampled_from(("2", "-2", "(-1.5)", "v", "16"))).map(
                lambda p: f"({p[0]})**{p[1]}"
            ),
            st.tuples(st.sampled_from(("exp", "log", "abs", "tanh")), part).map(
                lambda p: f"{p[0]}({p[1]})"
            ),
            st.tuples(part, part, part).map(lambda p: f"clip({', '.join(p)})"),
        )

    return st.recursive(leaves, larger, max_leaves=12)


@given(numbers(), numbers(), st.sampled_from(("<", ">=", "==")), st.sampled_from(("and", "or")))
@settings(max_examples=tries(150, 500))
def test_what_is_written_anew_means_the_same(one: str, other: str, sign: str, word: str) -> None:
    for text, kind in (
        (one, "number"),
        (f"{one} {sign} {other}", "condition"),
        (f"not {one} > 1 {word} ({one} {sign} {other} or {other} < 2)", "condition"),
    ):
        again = rewrite_expression(text, kind)
        assert meaning(again) == meaning(text)
        assert rewrite_expression(again, kind) == again


@given(
    st.text(
        st.sampled_from("vt(),.*/+-<>=!&|#:;'\"[]{}@\\_ 0159eijJxXlo\n\r\x0b\x85\u2028é"),
        max_size=24,
    )
)
@settings(max_examples=tries(1500, 3000))
def test_whatever_passes_is_harmless(text: str) -> None:
    """An oracle of its own: Python's parser finds nothing but arithmetic in it."""
    try:
        again = rewrite_expression(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert again.isascii() and again.isprintable()
    for node in ast.walk(ast.parse(again, mode="eval")):
        assert isinstance(node, HARMLESS)
        assert not isinstance(node, ast.Constant) or type(node.value) in (int, float)
        assert not isinstance(node, ast.Call) or getattr(node.func, "id", "") in FUNCTIONS


@pytest.mark.parametrize("name", neurons.names())
def test_every_model_of_the_package_is_of_the_language(name: str) -> None:
    """What Brian2 would be given is the same but for spaces and brackets."""
    model, again = neurons.get(name), rewrite_model(neurons.get(name))
    pairs = [(model.threshold, again.threshold)]
    pairs += [(text, again.initial[key]) for key, text in model.initial.items()]
    for before, after in (
        (model.equations, again.equations),
        (model.update or "", again.update or ""),
        *((text, again.resets[kind]) for kind, text in model.resets.items()),
    ):
        lines = [line.strip() for line in before.splitlines() if line.strip()]
        for one, other in zip(lines, after.splitlines(), strict=True):
            (left, _, right), (left_again, _, right_again) = (
                one.partition("="),
                other.partition("="),
            )
            assert left.strip() == left_again.strip()
            (value, _, unit_), (value_again, _, unit_again) = (
                right.partition(":"),
                right_again.partition(":"),
            )
            assert unit_.replace(" ", "") == unit_again.replace(" ", "")
            pairs += [(value, value_again)] if value else []
    for one, other in pairs:
        assert meaning(one) == meaning(other)


def test_units_functions_and_methods_are_brian2s() -> None:
    import brian2 as b2
    from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
    from brian2.core.namespace import DEFAULT_UNITS

    assert set(DEFAULT_UNITS) >= UNITS
    assert all(float(getattr(b2, name)) == 1 for name in BASE_UNITS)
    assert FUNCTIONS.keys() <= set(DEFAULT_FUNCTIONS) <= FUNCTIONS.keys() | TAKEN
    assert set(DEFAULT_CONSTANTS) >= CONSTANTS
    for name in METHODS:
        assert b2.StateUpdateMethod.stateupdaters[name]


HODGKIN_HUXLEY = """
dv/dt = (gl*(El - v) - g_na*(m*m*m)*h*(v - ENa) - g_kd*(n*n*n*n)*(v - EK))/area + i_in : volt
dm/dt = a_m*(1 - m) - 0.28/mV*5*mV/exprel((v - VT - 40*mV)/(5*mV))/ms*m : 1
dn/dt = a_n*(1 - n) - 0.5*exp((10*mV - v + VT)/(40*mV))/ms*n : 1
dh/dt = a_h*(1 - h) - 4/(1 + exp((40*mV - v + VT)/(5*mV)))/ms*h : 1
a_m = 0.32/mV*4*mV/exprel((13*mV - v + VT)/(4*mV))/ms : hertz
a_n = 0.032/mV*5*mV/exprel((15*mV - v + VT)/(5*mV))/ms : hertz
a_h = 0.128*exp((17*mV - v + VT)/(18*mV))/ms : hertz
"""
MORRIS_LECAR = """
dv/dt = (-gCa*minf*(v - VCa) - gK*w*(v - VK) - gL*(v - VL))/C + i_in : volt
dw/dt = (winf - w)/tauw : 1
minf = 0.5*(1 + tanh((v - V1)/V2)) : 1
winf = 0.5*(1 + tanh((v - V3)/V4)) : 1
tauw = ms/(phi*cosh((v - V3)/(2*V4))) : second
"""
QUADRATIC = "dv/dt = a*(v - e_rest)*(v - v_c)/mV/ms + i_in : volt"


@pytest.mark.parametrize("text", [HODGKIN_HUXLEY, MORRIS_LECAR, QUADRATIC])
def test_neurons_of_the_literature_are_of_the_language(text: str) -> None:
    found = parse_equations(text)
    bound_costs(found)
    for line, each in zip(text.strip().splitlines(), found, strict=True):
        right = line.partition("=")[2].partition(":")[0]
        assert each.value is not None and meaning(ast.unparse(each.value)) == meaning(right)


def test_statements_know_what_they_may_change() -> None:
    def read(text: str) -> str:
        return Scope({"v", "w"}, {"v", "w", "tau"}, {}).rewrite_statements(text)

    assert read("half = v/2\nv -= half\n\n  w *= 2") == "half = v / 2\nv -= half\nw *= 2"
    for text in ("half -= v", "tau = 1", "x = y", "v == 1", "v", "v = 1 = 2", "dt = 1", "exp = 1"):
        with pytest.raises(ValueError):
            read(text)


def test_names_and_units() -> None:
    assert [check_name(name) for name in ("v", "e_rest", "C", "gNa", "x2")]
    for name in (
        "xi",
        "i",
        "t",
        "mV",
        "exp",
        "e",
        "for",
        "_x",
        "x_",
        "x__y",
        "2x",
        "é",
        "sum",
        "rand",
        "",
    ):
        with pytest.raises(ValueError):
            check_name(name)
    assert rewrite_unit("volt / second ** 2") == "volt/second**2"
    for text in ("", "2", "mV", "volt**99", "volt**2**2", "volt second", "1*1", "volt(", "np"):
        with pytest.raises(ValueError):
            rewrite_unit(text)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = hostile_chips.GOOD
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text) - 1))
        kind = draw(st.sampled_from(("cut", "flip", "insert", "double", "swap", "number")))
        if kind == "cut":
            text = text[:at] + text[at + draw(st.integers(1, 30)) :]
        elif kind == "flip":
            text = text[:at] + draw(st.characters(codec="utf-8")) + text[at + 1 :]
        elif kind == "insert":
            word = draw(
                st.sampled_from(("[", "]]", "nan", "9" * 400, "\x00", " = ", "**9", "#", "\r"))
            )
            text = text[:at] + word + text[at:]
        elif kind == "number":
            text = text.replace("1e-3", draw(st.sampled_from(("-1", "inf", "1e999", "true", "[]"))))
        else:
            lines = text.splitlines()
            line = draw(st.sampled_from(lines or [""]))
            text = "\n".join([*lines, line] if kind == "double" else [line, *lines])
        text = text or " "
    return text


@given(damaged())
@settings(max_examples=tries(200, 1000))
def test_a_damaged_chip_is_read_right_or_refused_in_one_line(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.toml"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            chip = profiles.read(path)
        except ValueError as error:
            assert str(path) in str(error)
            assert len(str(error).splitlines()) == 1
        else:
            assert chip.model == rewrite_model(chip.model) or chip.model.name in neurons.names()


def test_preference_files_are_not_read(tmp_path: Path) -> None:
    """Brian2 evaluates them; they would act wherever a command runs."""
    for where in ("brian_preferences", ".brian/user_preferences"):
        path = tmp_path / where
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"codegen.target = {hostile_chips.ACT}\n")
    (tmp_path / "matplotlibrc").write_text("nonsense\n")
    code = (
        "from device_models.engine.brian2_network import brian2; b2 = brian2(); "
        "print(b2.prefs['codegen.target'], b2.prefs['logging.file_log'], b2.pi)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("auto False 3.14")
    assert not (tmp_path / "canary").exists()
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("brian_debug")]


def test_the_documentation_lists_functions_and_methods() -> None:
    text = (ROOT / "docs/neurons.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (functions|`method`) \| (.*) \|$", text, re.M))
    assert set(re.findall(r"`(\w+)`", rows["functions"])) == FUNCTIONS.keys()
    assert tuple(re.findall(r"`(\w+)`", rows["`method`"])) == METHODS
