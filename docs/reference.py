"""Write the pages of `docs/reference/` from the code.

    python docs/reference.py [--check]

Every table of names, settings, options and values is made here from what the code declares. With
`--check` nothing is written, and the exit code is 1 where a page is not what the code says.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

import drivers
from device_models import neurons, profiles
from device_models.neurons import NeuronModel, Parameter
from device_models.nonidealities import NonIdealities, by_name
from drivers.conformance import CHECKS
from hil import config, encodings, tasks
from hil.cli.app import app
from hil.learning import gates, rate_estimators, rules
from hil.sections.trials import MEASURES
from hil.tasks import formats

FOLDER = Path(__file__).with_name("reference")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines of a Markdown table, an empty one at its end."""
    for cells in (header, ["-"] * len(header), *rows):
        yield f"|{'|'.join(str(cell).replace('|', chr(92) + '|') for cell in cells)}|"
    yield ""


def code(value: object) -> str:
    """A value as it is written in a configuration."""
    return f"`{json.dumps(value)}`" if value != "" else '`""`'


def first_sentence(thing: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


# -- settings -------------------------------------------------------------------------------------


def allowed(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(map(allowed, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if schema["type"] == "array":
        return f"list of {allowed(schema['items'])}"
    if schema["type"] == "object":
        return f"{allowed(schema['additionalProperties'])} by name"
    kinds = {"integer": "whole", "number": "number", "string": "text", "boolean": "true or false"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return f"{kinds[schema['type']]} {', '.join(bounds)}".strip()


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The table of the plain fields of a model of settings."""
    schema = model.model_json_schema()["properties"]
    fields = [
        (name, field)
        for name, field in model.model_fields.items()
        if not isinstance(field.default, BaseModel) and field.annotation != dict[str, Any]
    ]
    if not fields:
        return iter(("There is nothing to set.", ""))
    return table(
        ("key", "default", "allowed", "meaning"),
        (
            (f"`{prefix}{name}`", code(field.default), allowed(schema[name]), field.description)
            for name, field in fields
        ),
    )


def settings_page() -> Iterator[str]:
    """Every key of a configuration."""
    yield from ("# Settings", "", "How values come about: [configuration](../configuration.md).")
    yield from ("", "## Top level", "", *settings(config.Config))
    for name, field in config.Config.model_fields.items():
        if isinstance(field.default, BaseModel):
            model = type(field.default)
            yield from (f"## `{name}`", "", first_sentence(model), "", *settings(model, f"{name}."))
    for kind, package in (("rule", rules), ("encoding", encodings)):
        for name in package.names():
            family = package.get(name)
            yield from (f"## `{kind}.name = {name}`", "", module_summary(package, name), "")
            yield from settings(family.settings, f"{kind}.")
    yield from ("## Defaults of the tasks", "")
    yield from table(
        ("task", "key", "default"),
        (
            (f"`{name}`", f"`{section}.{key}`", code(value))
            for name in tasks.names()
            for section, values in tasks.get(name).defaults.items()
            for key, value in values.items()
        ),
    )
    yield from ("Defaults of a rule on a task lie on top of these:", "")
    yield from table(
        ("rule", "task", "key", "default"),
        (
            (f"`{rule}`", f"`{name}`", f"`{section}.{key}`", code(value))
            for name in tasks.names()
            for rule, sections in tasks.get(name).by_rule.items()
            for section, values in sections.items()
            for key, value in values.items()
        ),
    )


# -- names ----------------------------------------------------------------------------------------


def module_summary(package: Any, name: str) -> str:
    """The first sentence of the module of that name, or what one of several says of itself."""
    thing, module = package.get(name), sys.modules.get(f"{package.__name__}.{name}")
    return first_sentence(module) if module else thing.description


def names_page() -> Iterator[str]:
    """Everything that is chosen by a name."""
    yield from ("# Names", "", "Commands list the tasks (`hil tasks`) and devices (`hil devices`).")
    yield ""
    for title, package in (
        ("Learning rules", rules),
        ("Gates g of aDFA", gates),
        ("Estimators of hidden rates", rate_estimators),
        ("Encodings", encodings),
        ("Tasks", tasks),
    ):
        for name in package.names():
            package.get(name)
        yield from (f"## {title}", "")
        yield from table(
            ("name", "what it is"),
            ((f"`{name}`", module_summary(package, name)) for name in package.names()),
        )
    yield from ("## Measures of a study", "")
    yield from table(
        ("name", "unit", "what it is"),
        ((f"`{name}`", *measure) for name, measure in MEASURES.items()),
    )
    yield from ("## Files of samples", "")
    yield from table(
        ("address", "what it is", "options"),
        (
            (
                f"`{name}:FILE`",
                formats.get(name).description,
                ", ".join(f"`{option}`" for option in (*formats.get(name).options, "test")),
            )
            for name in formats.names()
        ),
    )


# -- commands -------------------------------------------------------------------------------------


def commands_page() -> Iterator[str]:
    """Every command with its arguments and options."""
    yield from ("# Commands", "", "`hil COMMAND --help` says the same.", "")
    for name, command in sorted(typer.main.get_command(app).commands.items()):  # type: ignore[attr-defined]
        yield from command_section(f"hil {name}", command)


def command_section(name: str, command: Any) -> Iterator[str]:
    """A command, and the commands below it."""
    yield from (f"## `{name}`", "", " ".join((command.help or "").split()), "")
    options = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    if options:
        yield from table(
            ("argument or option", "meaning"),
            (
                (
                    ", ".join(f"`{o}`" for o in p.opts)
                    if p.param_type_name == "option"
                    else f"`{p.metavar or p.name.upper()}`",
                    " ".join((p.help or "").split()),
                )
                for p in options
            ),
        )
    for below, sub in sorted(getattr(command, "commands", {}).items()):
        yield from command_section(f"{name} {below}", sub)


# -- chips ----------------------------------------------------------------------------------------


def chips_page() -> Iterator[str]:
    """Non-idealities, limits, and the values of every profile with their sources."""
    yield from ("# Chips", "", "What they mean: [the emulated chip](../chip.md).", "")
    yield from ("## Non-idealities", "")
    yield from table(
        ("non-ideality", "ideal", "unit", "range", "meaning"),
        (
            (
                f"`{each.name}`",
                f"{each.value:g}",
                each.unit or "-",
                f"{each.minimum:g} to {each.maximum:g}" + (", whole" if each.whole else ""),
                each.meaning,
            )
            for each in by_name(NonIdealities()).values()
        ),
    )
    yield from ("## Limits of the emulator", "")
    with drivers.open("emulator:") as device:
        info = dataclasses.asdict(device.info)
    limits = {
        key: info["capacity"][key]
        for key in ("layers", "inputs", "neurons", "batch", "steps", "delay")
    }
    limits |= {key: value for key, value in info["weights"][0].items() if "full_scale" in key}
    yield from table(("limit", "value"), ((f"`{key}`", f"{v:g}") for key, v in limits.items()))
    yield from ("Full scales are in nominal thresholds.", "")
    for name in profiles.names():
        profile = profiles.get(name)
        yield from (
            f"## `{name}`",
            "",
            f"{profile.description}; neuron `{profile.model.name}`.",
            "",
        )
        cited = {**profile.cited, **profile.parameters}
        if cited:
            yield from table(
                ("set", "value", "source"),
                ((f"`{key}`", f"{each.value:.3g}", each.source) for key, each in cited.items()),
            )


def parameter_row(name: str, parameter: Parameter) -> tuple[str, ...]:
    """A row of the table of parameters of a neuron model."""
    mismatch = parameter.mismatch
    return (
        f"`{name}`",
        f"{parameter.value:g}",
        parameter.unit,
        f"{parameter.minimum:g} to {parameter.maximum:g}",
        f"`{parameter.setting}`" if parameter.setting else "-",
        f"`{mismatch.nonideality}` ({mismatch.acts})" if mismatch else "-",
        parameter.meaning,
        parameter.source or "-",
    )


def equations(model: NeuronModel) -> Iterator[str]:
    """The equations, condition and resets of a model, in a block."""
    yield "```"
    yield from (line.strip() for line in model.equations.strip().splitlines())
    if model.update:
        yield "each step:"
        yield from (f"  {line.strip()}" for line in model.update.strip().splitlines())
    yield f"spike:       {model.threshold}"
    for kind, statements in model.resets.items():
        yield f"{kind} reset:  {'; '.join(s.strip() for s in statements.strip().splitlines())}"
    for variable, value in model.initial.items():
        yield f"start:       {variable} = {value}"
    yield from ("```", "")


def neurons_page() -> Iterator[str]:
    """Every neuron model: equations, and the parameters that are not those of `lif`."""
    yield from ("# Neuron models", "", "How to read this: [neurons](../neurons.md).", "")
    plain = neurons.get("lif").parameters
    for name in neurons.names():
        model = neurons.get(name)
        receives = [model.receives] if isinstance(model.receives, str) else model.receives
        yield from (f"## `{name}`", "", f"{model.description} Membrane in {model.unit}, at rest")
        yield f"{model.rest:g}, firing at {model.level:g}. Events act on"
        yield from (f"{' and '.join(f'`{r}`' for r in receives)}. Source: {model.source}.", "")
        yield from equations(model)
        own = {k: p for k, p in model.parameters.items() if name == "lif" or plain.get(k) != p}
        shared = [f"`{key}`" for key in model.parameters if key not in own]
        if own:
            yield from table(
                ("parameter", "value", "unit", "range", "setting", "mismatch", "meaning", "source"),
                (parameter_row(key, parameter) for key, parameter in own.items()),
            )
        if shared:
            yield from (f"As in `lif`: {', '.join(shared)}.", "")


# -- the contract ---------------------------------------------------------------------------------

CONTRACT = (
    "DeviceInfo",
    "Capacity",
    "Timing",
    "Neuron",
    "Membrane",
    "Setting",
    "WeightFormat",
    "Offers",
    "ProbeOffer",
    "Abilities",
    "Energy",
    "Network",
    "Identity",
    "Population",
    "Projection",
    "Synapses",
    "Fault",
    "Stimulus",
    "Probe",
    "Readout",
)


def attributes(thing: type) -> dict[str, str]:
    """The attributes that a docstring in Google's style names, with their meaning."""
    section = (inspect.getdoc(thing) or "").partition("Attributes:\n")[2]
    meanings: dict[str, str] = {}
    for line in section.splitlines():
        if not line.startswith("    "):
            break
        name, colon, meaning = line.strip().partition(": ")
        if colon and name.isidentifier() and not line.startswith("        "):
            meanings[name] = meaning
        elif meanings:
            meanings[[*meanings][-1]] += f" {line.strip()}"
    return meanings


def description(thing: type) -> str:
    """What a docstring in Google's style says before its first section."""
    return re.split(r"\n\n\w+:\n", inspect.getdoc(thing) or "")[0]


def members(thing: type) -> Iterator[tuple[str, str]]:
    """Public methods and properties that a class defines itself, with their first sentence."""
    for name, member in vars(thing).items():
        plain = getattr(member, "__func__", member)
        if name.startswith("_"):
            continue
        if isinstance(plain, property | cached_property):
            yield f"`{name}`", first_sentence(plain)
        elif inspect.isfunction(plain):
            parameters = [
                p for p in inspect.signature(plain).parameters if p not in ("self", "cls")
            ]
            yield f"`{name}({', '.join(parameters)})`", first_sentence(plain)


def contract_page() -> Iterator[str]:
    """The classes of the device contract, member by member."""
    yield from (
        "# The device contract",
        "",
        "How to use it: [write a driver](../write_a_driver.md).",
    )
    yield ""
    for name in CONTRACT:
        thing = getattr(drivers, name)
        yield from (f"## `{name}`", "", description(thing), "")
        fields = ((f"`{key}`", meaning) for key, meaning in attributes(thing).items())
        yield from table(("member", "meaning"), [*fields, *members(thing)])


def checks_page() -> Iterator[str]:
    """Every check of `hil check`."""
    yield from ("# Conformance checks", "", "In the order in which `hil check` makes them:", "")
    yield from table(
        ("check", "what it holds the device to"),
        ((f"`{check.name}`", f"{check.reason}.") for check in CHECKS),
    )


PAGES = {
    "contract.md": contract_page,
    "checks.md": checks_page,
    "settings.md": settings_page,
    "names.md": names_page,
    "commands.md": commands_page,
    "chips.md": chips_page,
    "neurons.md": neurons_page,
}
NOTE = "<!-- Made by `python docs/reference.py`; do not edit. -->"


def pages() -> dict[str, str]:
    """The text of every page by its file's name."""
    return {name: "\n".join([NOTE, *make()]).rstrip() + "\n" for name, make in PAGES.items()}


def main() -> int:
    """Write the pages, or check them."""
    texts = pages()
    stale = [
        name
        for name, text in texts.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says: python docs/reference.py")
        return bool(stale)
    for name in stale:
        (FOLDER / name).write_text(texts[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
