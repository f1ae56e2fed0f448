"""Command lines that no command can meet: each is to be refused in one line, and writes nothing.

They are said about the files of `bad_world`, in its folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

Line = tuple[str, ...]

CONTROL = ("a\x00b", "a\nb", "\x1b[2J", "\r", "\u202e", "\ud800", "a" * 5000, "..\x7f/x")
# -- usage: `{command: (its least arguments, options with a value, those that are numbers)}` ---
COMMANDS: dict[Line, tuple[Line, Line, Line]] = {
    ("train",): (
        ("digits",),
        (
            *("--device", "--rule", "--observe", "--hidden", "--config", "--from", "--set"),
            *("--out", "--record"),
        ),
        ("--seed", "--epochs"),
    ),
    ("resume",): (("nowhere",), ("--data", "--record"), ()),
    ("evaluate",): (("nowhere",), ("--device", "--data", "--record"), ()),
    ("report",): (("nowhere",), ("--out",), ()),
    ("study",): (
        ("comparison",),
        ("--task", "--device", "--budget", "--scheduler", "--set", "--out"),
        ("--workers",),
    ),
    ("check",): (("emulator:idael",), ("--record",), ()),
    ("calibrate",): (("emulator:idael",), ("--out", "-o", "--layers", "--record"), ()),
    ("characterise",): (("emulator:idael",), ("--out", "-o", "--layers", "--record"), ()),
    ("diagnose",): (("emulator:idael",), ("--out", "-o", "--layers", "--record"), ()),
    ("chips",): (("ideal", "--report"), (), ("--seed",)),
    ("devices",): ((), (), ()),
    ("tasks",): ((), (), ()),
    ("new-driver",): (("mine",), ("--input",), ()),
    ("board", "demo"): ((), (), ("--seed",)),
    ("board", "firmware"): (("native",), (), ()),
}
NO_NUMBERS = ("x", "", "1.5", "nan", "0x10", "1e3", "-1", "9" * 400, "1 2")
LAYERS = ("", "1", "x,y", "0,10", "64,,10", "64,-1", "1.5,2", "9" * 400 + ",1", "64;200", "nan,nan")


def usage() -> Iterator[Line]:
    """Options that there are not, options without a value, numbers that are none."""
    for command, (least, texts, numbers) in COMMANDS.items():
        yield *command, *least, "--no-such-option"
        yield *command, *least, "--json=yes"
        yield *command, *least, "-x"
        yield from ((*command, *least, option) for option in (*texts, *numbers))
        for option, value in product(numbers, NO_NUMBERS):
            yield *command, *least, f"{option}={value}"
        if command not in (("report",), ("chips",)):  # which take more
            yield *command, *least, "one", "too", "many"
    for name in ("resume", "evaluate", "report", "check", "calibrate", "characterise", "diagnose"):
        yield (name,)
    yield from ((name, *more) for name in ("nosuch", "", "-", "TRAIN", "tr\x00n") for more in ((),))
    yield from (("board", name) for name in ("nosuch", "", "demoo"))
    yield from (("board", "firmware", port) for port in ("nosuch", "", "../native", "a\nb", "/"))
    for command, layers in product(("calibrate", "characterise", "diagnose"), LAYERS):
        yield command, "emulator:ideal", f"--layers={layers}"
    for name in ("", "a b", "../x", "/x", "1x", "import", "board", "a" * 300, "é", *CONTROL):
        yield "new-driver", name
    for kind in ("", "none", "Spikes", "a\nb"):
        yield "new-driver", "mine", f"--input={kind}"
    yield "chips", "ideal", "page.html"
    yield "chips", "ideal", "--seed=1"
    yield "chips", "--report"


# -- addresses ---------------------------------------------------------------------------------

ADDRESSES = (
    *("", ":", "x", "ideal", "emulator", "emulater:ideal", "http://x", "file:///etc/passwd"),
    *(":ideal", "emulator:idael", "emulator:IDEAL", "emulator:../ideal"),
    *("emulator:missing.toml", "emulator:missing.py", "emulator:folder", "emulator:own.npz"),
    *("emulator:/dev/zero", "emulator:run/config.toml", "emulator:bad.toml", "emulator:deep.toml"),
    *(f"emulator:ideal?{option}" for option in (
        "leak", "leak=1", "leak_cv", "leak_cv=", "leak_cv=x", "leak_cv=-1", "leak_cv=3",
        "leak_cv=nan", "leak_cv=inf", "leak_cv=1e999", "leak_cv=0.1&leak_cv=0.1", "chip=-1",
        "chip=1.5", "chip=x", "chip=", f"chip={'9' * 400}", "weight_bits=2.5", "weight_bits=99",
        "weight_bits=-1", "dt=0", "dt=-1", "dt=nan", "dt=1e9", "dt=x", "severity=-1",
        "severity=nan", "severity=1e9", "severity=x", "severity.leak=1", "severity.leak_cv=-1",
        "neuron=lift", "neuron=", "neuron=missing.py", "neuron=../lif", "reset=none", "reset=",
        "membrane_noise=-1", "spike_loss=2", "tau_membrane=0", "tau_membrane=-1",
        "tau_membrane=nan", "threshold=nan", "__class__=1", "chip=1&", "&", "=", "=1", "a=b=c",
        "call_limit=0", "call_limit=x", "call_limit=nan", "call_limit=1e99", "%00=1",
        "leak_cv=%00", "leak_cv=1_0_0", "leak_cv=0x1",
    )),
    *(f"board:{port}" for port in (
        "", "/dev/no-such-port", "/dev/null", "/dev/zero", "/", "folder", "own.npz", "pipe",
        "/etc/passwd", "COM99", "socket://", "socket://127.0.0.1", "socket://127.0.0.1:0",
        "socket://127.0.0.1:9", "socket://127.0.0.1:99999", "socket://127.0.0.1:x", "socket://[",
        "socket://127.0.0.1:-1", "socket://:9", "rfc2217://", "rfc2217://127.0.0.1",
        "rfc2217://127.0.0.1:9", "rfc2217://127.0.0.1:99999", "rfc2217://[", "SOCKET://x",
        "hwgrep://", "hwgrep://(", "hwgrep://.", "hwgrep://(a+)+$", "spy://loop://",
        "spy:///dev/null?file=made", "spy://loop://?file=made", "SPY://loop://", "alt://loop://",
        "alt:///dev/null?class=os", "loop://", "loop://?logging=debug", "cp2110://0", "nothing://x",
        "os://x", "://x", "../../x://y", "simulated:", "simulated://x", "simulated:///",
        "simulated://?sead=1", "simulated://?seed=-1", "simulated://?seed=x", "simulated://?seed=",
        "simulated://?seed=4294967296", "simulated://?baud=0", "simulated://?baud=fast",
        "simulated://?baud=1e6", "simulated://?pace=0", "simulated://?pace=-1",
        "simulated://?fault=", "simulated://?fault=drip:0.1", "simulated://?fault=drop",
        "simulated://?fault=drop:2", "simulated://?fault=drop:nan", "simulated://?fault=drop:x",
        "simulated://?fault=drop:-1", "simulated://?fault_seed=x", "simulated://?timeout=1",
        "/dev/no-such-port?seed=1", "socket://127.0.0.1:9?class=os", "a\x00b", "\x1b[2J",
    )),
    *(f"replay:{file}" for file in (
        "", "missing", "folder", "empty", "pipe", "binary", "own.npz", "bad.toml", "/dev/zero",
        "loop", "run/config.toml", "missing?x=1", "a\x00b",
    )),
    *(f"superneuromat:{rest}" for rest in ("x", "?x=1", "?dt=nan", "/dev/zero", "a\x00b")),
    *(f"xylo:{rest}" for rest in ("audio9", "x", "?x=1", "imu?chip=1", "/dev/zero", "a\x00b")),
    *(f"good:{rest}" for rest in ("x?call_limit=0", "x?call_limit=nan", "x?a", "x?a=1&a=2")),
    *(f"broken:{rest}" for rest in ("", "x", "x?a=1")),
    *(f"nothing:{rest}" for rest in ("", "x")),
    *(f"x{text}:ideal" for text in CONTROL), *(f"emulator:{text}" for text in CONTROL),
)  # fmt: skip


def addresses() -> Iterator[Line]:
    """Devices that there are not, each at one command, and some at all."""
    commands = (("train", "digits", "--device"), ("check",), ("characterise",), ("calibrate",))
    for number, address in enumerate(ADDRESSES):
        yield *commands[number % len(commands)], address
    for address in ("", "emulator:idael", "board:spy://loop://", "replay:missing", "x"):
        yield "evaluate", "run", "--device", address
        yield "study", "study.toml", "--device", address
        yield from ((*command, address) for command in commands)


# -- settings ----------------------------------------------------------------------------------

NO_NUMBER = ("x", "nan", "inf", "-inf", "1e999", "-1e308", "9" * 400, "[1]", "{a=1}", "true", '""')
NO_TEXT = ("3", "nan", "[1]", "{a=1}", "true", "nosuch", '"\\u0000"', "9" * 400)
NUMBERS = (
    *("seed", "network.steps", "network.initial_scale", "encoding.bias", "encoding.gain"),
    *("readout.kappa", "readout.beta", "rule.gain", "rule.shift", "rule.terms"),
    *("rule.feedback_scale", "rule.feedback_sparsity", "activity.every", "homeostasis.weight"),
    *("optimiser.learning_rate", "optimiser.weight_decay", "optimiser.momentum"),
    *("optimiser.warmup", "augmentation.rotation", "augmentation.scale", "augmentation.shear"),
    *("augmentation.shift", "training.epochs", "training.batch", "training.validation_fraction"),
)
TEXTS = (
    *("task", "device", "observe", "start", "network.initial_response", "network.full_scale"),
    *("network.calibration", "encoding.name", "readout.source", "readout.loss", "rule.name"),
    *("rule.g", "activity.estimator", "repair.homeostasis", "repair.rescale", "optimiser.name"),
    *("optimiser.schedule", "network.hidden", "homeostasis.target"),
)
GOOD = {  # of these, what is a setting after all
    *(("network.full_scale", "3"), ("repair.rescale", "true"), ("network.hidden", "[1]")),
    ("homeostasis.target", "3"),
}
SETTINGS = (
    *("", "=", "=3", "seed", "training", "training=", "training=3", "training.epochs=[", "a=1"),
    *("a.b=1", "a.b.c.d=1", "training..epochs=1", ".=1", "training.epochs.x=1", "rule.gian=1"),
    *("network.hidden=[0]", "network.hidden=[-1]", "network.hidden=[1.5]"),
    *("network.hidden=['a']", "network.hidden=[300000]", "network.hidden=[[1]]"),
    "network.hidden=[65536,65536]",
    *("network.steps=0", "network.steps=-1", "training.batch=0", "network.steps=1000000"),
    *("training.validation_fraction=1", "training.validation_fraction=-0.1", "seed=-1"),
    *("optimiser.learning_rate=0", "optimiser.learning_rate=-1", "optimiser.momentum=1.5"),
    *("optimiser.weight_decay=-1", "optimiser.warmup=2", "rule.feedback_sparsity=1.5"),
    *("network.settings.treshold=1", "network.settings.threshold=nan"),
    *("network.settings.threshold=99", "network.settings=3", "device_options.leak=1"),
    *("device_options.leak_cv=nan", "device_options.leak_cv=x", "device_options=3"),
    *("homeostasis.target=-1", "homeostasis.weight=-1", "activity.every=50", "activity.every=0"),
    *("activity.estimator=os:system", "activity.estimator=missing:X", "activity.estimator=a:b:c"),
    f"device_options{'.a' * 2000}=1",
    *("network.calibration=missing.toml", "network.calibration=folder", "start=nowhere"),
    *(f"{text}=1" for text in CONTROL), *(f"rule.g={text}" for text in CONTROL),
)  # fmt: skip


def settings() -> Iterator[Line]:
    """Settings of the wrong type, out of range, or that there are not."""
    known = product(NUMBERS, NO_NUMBER), product(TEXTS, NO_TEXT)
    for key, value in (pair for pairs in known for pair in pairs):
        if (key, value) in GOOD:
            continue
        yield "train", "digits", "--set", f"{key}={value}"
    yield from (("train", "digits", "--set", given) for given in SETTINGS)
    for given in SETTINGS[:9]:  # whether a value suits a device shows in its trials alone
        yield "study", "study.toml", "--set", given


# -- files -------------------------------------------------------------------------------------

NO_FILES = (
    *("missing", "folder", "pipe", "empty", "binary", "deep.toml", "deep.json", "loop", "zero"),
    *("dangling", "own-wrong.npz", "page.html", "bad.toml", "cut.npz", "huge.toml", "a\x00b"),
)
READERS: tuple[Line, ...] = (
    ("train", "npz:{}"),
    ("train", "digits", "--config", "{}"),
    ("train", "digits", "--from", "{}"),
    ("train", "digits", "--device", "emulator:{}"),
    ("train", "digits", "--device", "emulator:ideal?neuron={}"),
    ("train", "digits", "--set", "network.calibration={}"),
    ("resume", "{}"),
    ("evaluate", "{}"),
    ("report", "{}"),
    ("report", "run", "{}"),
    ("study", "{}"),
    ("chips", "{}"),
    ("check", "replay:{}"),
    ("evaluate", "run", "--data", "{}"),
)
PLACES = ("own.npz/x", "/proc/x", "own.npz", "a\x00b", "a" * 300, "loop/x")


def files() -> Iterator[Line]:
    """Whatever is no file of the kind, at each command that reads one; places to write at."""
    for reader, file in product(READERS, NO_FILES):
        if "--config" in reader and file == "empty":  # which asks for nothing
            continue
        yield tuple(part.format(file) for part in reader)
    for place in PLACES:
        yield "train", "digits", "--out", place
        yield "train", "digits", "--record", place
        yield "study", "study.toml", "--out", place
        yield "check", "emulator:ideal", "--record", place
    yield from (("train", task) for task in ("digitz", "", "npz", "npz:", "../digits", *CONTROL))


ALL: dict[str, tuple[Line, ...]] = {
    make.__name__: tuple(dict.fromkeys(make())) for make in (usage, addresses, settings, files)
}
