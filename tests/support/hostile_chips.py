"""Chip files as an adversary writes them. None of them is a chip."""

from __future__ import annotations

GOOD = """
[neuron]
equations = "dv/dt = (e_rest - v) / tau + i_in : volt"
threshold = "v > v_fire"
membrane = "v"
receives = "v"
time_constant = "tau"
silent = "v_fire"
rest = -0.07
level = -0.05
initial = {v = "e_rest"}
resets = {hard = "v = e_rest"}
[neuron.parameters]
e_rest = {value = -0.07, unit = "volt", minimum = -0.1, maximum = 0.0}
[neuron.parameters.tau]
value = 0.02
unit = "second"
minimum = 1e-3
maximum = 1.0
mismatch = {nonideality = "leak_cv", acts = "divide"}
[neuron.parameters.v_fire]
value = -0.05
unit = "volt"
minimum = -0.1
maximum = 0.1
setting = "threshold"
mismatch = {nonideality = "threshold_cv", acts = "multiply"}
"""

# Would leave a file behind, if any of it ran.
ACT = "__import__('pathlib').Path('canary').touch()"
ESCAPED = ACT.replace("'", "\\'")
EQUATIONS = 'equations = "dv/dt = (e_rest - v) / tau + i_in : volt"'
THRESHOLD, HARD = 'threshold = "v > v_fire"', 'resets = {hard = "v = e_rest"}'
INITIAL, TAU = 'initial = {v = "e_rest"}', "[neuron.parameters.tau]"


def _with(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def _equations(value: str, more: str = "") -> str:
    return _with(EQUATIONS, f'equations = """\ndv/dt = {value} : volt\n{more}\n"""')


def _initial(value: str) -> str:
    return _with(INITIAL, f'initial = {{v = "{value}"}}')


def _hard(value: str) -> str:
    return _with(HARD, f'resets = {{hard = """{value}"""}}')


def _update(value: str) -> str:
    return _with(INITIAL, f'update = """{value}"""\n{INITIAL}')


def _threshold(value: str) -> str:
    return _with(THRESHOLD, f'threshold = """{value}"""')


def _parameter(old: str, new: str) -> str:
    head, tail = GOOD.split(TAU)
    assert old in tail
    return head + TAU + tail.replace(old, new, 1)


# Characters that end a line for some reader of it, or look like others.
_ENDS = {
    "return": "\\r",
    "vertical-tab": "\\u000b",
    "form-feed": "\\f",
    "file-separator": "\\u001c",
    "next-line": "\\u0085",
    "line-separator": "\\u2028",
    "paragraph-separator": "\\u2029",
    "zero": "\\u0000",
    "escape": "\\u001b",
    "newline": "\\n",
}
_ACTS = {
    f"{where}-comment-{name}": make(f"{start} # x{end}{ACT}")
    for name, end in _ENDS.items()
    for where, make, start in (
        ("initial", _initial, "0*volt"),
        ("reset", _hard, "v = e_rest"),
        ("update", _update, "v = v"),
    )
}
_CALLS = {
    "initial-call": _initial(ACT),
    "reset-call": _hard(f"v = {ACT}"),
    "update-call": _update(ACT),
    "threshold-call": _threshold(ACT),
    "threshold-and-call": _threshold(f"v > v_fire and {ACT}"),
    "equations-call": _equations(ACT),
    "attribute": _initial("v.__class__"),
    "attribute-of-number": _initial("(1.0).__class__"),
    "index": _initial("v[0]"),
    "text": _initial("'x'"),
    "lambda": _initial("(lambda: 0)()"),
    "comprehension": _initial("[x for x in (1,)][0]"),
    "f-text": _initial("f'{1}'"),
    "walrus": _initial("(x := 1)*volt"),
    "if-else": _initial("0*volt if True else 1*volt"),
    "star": _initial("clip(*v)"),
    "keyword-argument": _initial("clip(v, v, a=v)"),
    "statement": _hard(f"v = e_rest; {ACT}"),
    "import": _hard("import os"),
    "decorator": _hard("@exec"),
    "backslash": _hard("v = \\\\\\n e_rest"),
    "eval": _initial("eval(1)"),
    "exec": _hard("v = exec(1)"),
    "dunder": _initial("__name__*volt"),
    "numpy": _initial("np*volt"),
    "brian": _initial("b2*volt"),
    "local-name": _initial("model*volt"),
    "builtins": _initial("__builtins__*volt"),
    "random": _initial("rand()*volt"),
    "noise": _equations("(e_rest - v) / tau + i_in + xi*volt/second**0.5"),
    "poisson": _hard("v = poisson(3)*volt"),
    "index-name": _initial("i*volt"),
    "size-name": _initial("N*volt"),
    "private": _hard("_spikespace = 0"),
    "wide-letters": _initial("\uff45_rest"),
    "kelvin-sign": _initial("e_rest + 0*\u212a"),
    "right-to-left": _initial("e_rest\u202e"),
    "wide-brackets": _initial("exp\uff080\uff09*volt"),
    "number-underscore": _initial("1_000*volt"),
    "hexadecimal": _initial("0x10*volt"),
    "complex": _initial("1j*volt"),
    "octal": _initial("0777*volt"),
    "matrix": _initial("v @ v"),
    "bits": _initial("(1 << 62)*volt"),
}
_HANGS = {
    "unit-powers": _equations("(e_rest - v) / tau + i_in", "q : volt**9**9**9"),
    "number-powers": _initial("9**9**9**9*volt"),
    "bracket-powers": _initial("((9**9)**9)**9*volt"),
    "deep-powers": _initial("(" * 8 + "9" + ")**16" * 8 + "*volt"),
    "many-powers": _initial("9**(9**9)*volt"),
    "power-of-call": _initial("2**exp(99)*volt"),
    "multiplied-out": _equations("((v+e_rest+v_fire)/volt)**16*volt/second"),
    "products": _equations("*".join(["(v/volt+e_rest/volt+1)"] * 9) + "*volt/second"),
    "doubling": _equations(
        "a29/second",
        "a0 = v + e_rest : volt\n" + "\n".join(f"a{n + 1} = a{n} + a{n} : volt" for n in range(29)),
    ),
    "squaring": _equations(
        "a9*volt/second",
        "a0 = v/volt + 1 : 1\n" + "\n".join(f"a{n + 1} = a{n} * a{n} : 1" for n in range(9)),
    ),
    "circle": _equations("x/second", "x = y : volt\ny = x : volt"),
    "itself": _equations("x/second", "x = x : volt"),
    "exponentials": _initial("floor(exp(exp(exp(99.0))))*volt"),
    "sine-of-exponential": _initial("sin(exp(1e30))*volt"),
    "nested-brackets": _initial("(" * 5000 + "e_rest" + ")" * 5000),
    "nested-signs": _initial("-" * 900 + "e_rest"),
    "nested-not": _threshold("not " * 240 + "v > v_fire"),
    "long-sum": _equations("+".join(["v"] * 20000)),
    "many-equations": _equations(
        "(e_rest - v) / tau", "\n".join(f"x{n} : volt" for n in range(5000))
    ),
    "many-parameters": GOOD
    + "".join(
        f'[neuron.parameters.p{n}]\nvalue = 1\nunit = "1"\nminimum = 0\nmaximum = 1\n'
        for n in range(800)
    ),
    "long-name": _initial("a" * 900),
    "long-key": 'neuron = "lif"\n' + "x" * 3000 + " = 1",
    "matrix-exponential": _with("[neuron]", '[neuron]\nmethod = "exact"'),
    "compiler": _with("[neuron]", '[neuron]\nmethod = "gsl_rkf45"'),
    "nested-arrays": "weight_grid = " + "\n".join(["[" * 2000] * 50),
    "nested-tables": "parameters = " + "{a = " * 700 + "1" + "}" * 700,
    "dots": "a" + ".a" * 60000 + " = 1",
    "dots-a-line": "\n".join("a" + ".a" * 299 + f".b{n} = 1" for n in range(200)),
    "large": 'description = """\n' + ("x" * 99 + "\n") * 100000 + '"""',
}
_ODD = {
    "own-attribute": _with(INITIAL, 'initial = {clock = "e_rest"}'),
    "own-attribute-name": _with(INITIAL, 'initial = {name = "e_rest"}'),
    "own-attribute-run": _with(INITIAL, 'initial = {run_regularly = "e_rest"}'),
    "no-variable": _with(INITIAL, 'initial = {tau = "tau"}'),
    "digits-400": _parameter("value = 0.02", "value = " + "9" * 400),
    "digits-5000": _parameter("value = 0.02", "value = " + "9" * 3990),
    "infinite": _parameter("maximum = 1.0", "maximum = inf"),
    "huge": _parameter("maximum = 1.0", "maximum = 1e300"),
    "no-number": _parameter("value = 0.02", "value = nan"),
    "no-time": _parameter("minimum = 1e-3", "minimum = 0.0"),
    "date": _parameter("value = 0.02", "value = 2020-01-01"),
    "list": _parameter("value = 0.02", "value = [1, 2]"),
    "unit-code": _parameter('"second"', '"second*(1).__class__"'),
    "unit-name": _parameter('"second"', '"np"'),
    "unit-volt": _parameter('"second"', '"volt"'),
    "unit-scaled": _parameter('"second"', '"msecond"'),
    "membrane-subexpression": _equations("m/second", "m = v : volt").replace(
        'membrane = "v"', 'membrane = "m"'
    ),
    "receives-three": _with('receives = "v"', 'receives = ["v", "v", "v"]'),
    "receives-numbers": _with('receives = "v"', "receives = [1, 2]"),
    "receives-none": _with('receives = "v"', "receives = []"),
    "refractory-empty": _with('silent = "v_fire"', 'silent = "v_fire"\nrefractory = ""'),
    "refractory-volt": _with('silent = "v_fire"', 'silent = "v_fire"\nrefractory = "e_rest"'),
    "refractory-code": _with('silent = "v_fire"', f'silent = "v_fire"\nrefractory = "{ACT}"'),
    "precision": _with("[neuron]", '[neuron]\nprecision = "half"'),
    "flag": _equations("(e_rest - v) / tau", "x : volt (constant)"),
    "resets-list": _with(HARD, "resets = [1]"),
    "resets-empty": _with(HARD, "resets = {}"),
    "mismatch-number": _parameter('"leak_cv"', "7"),
    "mismatch-list": _parameter('"divide"', "[1]"),
    "reset-parameter": _hard("tau = 0*second"),
    "reset-input": _hard("i_in = 0*volt/second"),
    "reset-time": _hard("t = 0*second"),
    "reset-step": _hard("dt = 0*second"),
    "parameter-function": GOOD.replace("tau", "exp"),
    "parameter-unit": GOOD.replace("tau", "volt"),
    "parameter-python": GOOD.replace("tau", "lambda"),
    "parameter-numpy": GOOD.replace("tau", "logical_not"),
    "parameter-brian": GOOD.replace("tau", "thresholder"),
    "parameter-private": GOOD.replace("tau", "_tau"),
    "parameter-trailing": GOOD.replace("tau", "tau_"),
    "terminal": _with("[neuron]", 'name = "\\u001b[2J"\n[neuron]'),
    "terminal-key": '"\\u001b[2J" = 1',
    "profile-file": 'profile = "evil.py"',
    "neuron-file": 'neuron = "evil.py"',
    "neuron-path": 'neuron = "../../evil"',
    "twin-device": '[twin]\nlayers = [4, 2]\narrays = "/dev/zero"',
    "twin-folder": '[twin]\nlayers = [4, 2]\narrays = "/"',
    "twin-layers": f'[twin]\nlayers = [{"9" * 400}, 2]\narrays = "x.npz"',
}
CHIPS = {**_ACTS, **_CALLS, **_HANGS, **_ODD}
