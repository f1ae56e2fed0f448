"""A package to start a driver from: `hil new-driver`."""

from __future__ import annotations

import os
import re
import shutil
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from drivers.errors import nearest
from drivers.registry import schemes

# From the files of the package to the templates of this folder.
FILES = {
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "README.md.j2",
    "src/{module}/__init__.py": None,
    "src/{module}/driver.py": "driver.py.j2",
    "tests/test_driver.py": "test_driver.py.j2",
}
# From the input of the example device to the kinds of stimulus that it takes.
INPUTS = {
    "current": ("current",),
    "current_trace": ("current", "current_trace"),
    "spikes": ("spikes",),
}


def write(name: str, parent: Path, *, input_kind: str = "current_trace") -> Path:
    """Write a package with a driver of an example device, which passes its own tests.

    Args:
        name: Scheme of the driver's addresses, and name of the folder.
        parent: Where to make the folder.
        input_kind: What the device takes: `current` (constant ones), `current_trace` (those that
            change from step to step as well) or `spikes`.

    Returns:
        The folder.

    Raises:
        ValueError: For a name that is not valid or is taken, an unknown kind of input, or when
            the folder exists.
        OSError: When it cannot be written; nothing is then left of it.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    _check(name)
    if input_kind not in INPUTS:
        raise ValueError(f"input of kind {input_kind!r}: {nearest(input_kind, INPUTS)}")
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise ValueError(f"{folder} exists already: give another name, or move it away")
    names = {
        "name": name,
        "module": _module(name),
        "driver": "".join(part.capitalize() for part in name.split("-")),
        "kinds": INPUTS[input_kind],
    }
    templates = Environment(
        loader=PackageLoader("drivers", "template"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    draft = parent / f".{name}.{os.getpid()}"
    try:
        for place, template in FILES.items():
            path = draft / place.format(**names)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = "" if template is None else templates.get_template(template).render(names)
            path.write_text(text, encoding="utf-8")
        os.rename(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def _module(name: str) -> str:
    return name.replace("-", "_")


def _check(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(
            f"driver {name!r}: give a name of lower-case letters, digits and single hyphens that "
            "begins with a letter, e.g. my-chip"
        )
    if name in schemes():
        raise ValueError(f"driver {name!r}: there is one of that name: give another")
    if iskeyword(_module(name)) or find_spec(_module(name)) is not None:
        raise ValueError(f"driver {name!r}: Python has a module {_module(name)}: give another name")
