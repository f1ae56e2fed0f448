"""Hooks of the site: pages that stand elsewhere in the repository, and one of Python's names."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PUBLIC = ("hil", "hil.learning", "hil.tasks", "hil.encodings", "hil.sections", "drivers")
PUBLIC += ("drivers.conformance", "device_models")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the texts and notebooks that stand beside `docs/`."""
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        files.append(File.generated(config, name, content=(ROOT / name).read_text("utf-8")))
    readme = (ROOT / "README.md").read_text("utf-8")
    files.append(File.generated(config, "index.md", content=readme))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.name}", abs_src_path=str(path)))
    files.append(File.generated(config, "reference/api.md", content="\n".join(list_names())))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to where a text stands on the site."""
    # Files of code are not on the site.
    markdown = re.sub(r"\[([^\]]+)\]\([\w./-]+\.(?:py|toml|cff|txt)\)", r"\1", markdown)
    if page.file.src_uri == "index.md":
        return re.sub(r"\]\(docs/", "](", markdown)
    if page.file.src_uri in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        return re.sub(r"\]\((?:docs/)?", "](", markdown)
    return re.sub(
        r"\]\((\.\./)((?:\.\./)*)(?=SECURITY|notebooks|CHANGELOG|CONTRIB)", r"](\2", markdown
    )


def list_names() -> list[str]:
    """List the public names of the packages, for mkdocstrings."""
    lines = ["# Python"]
    for package in PUBLIC:
        module = import_module(package)
        lines += ["", f"## `{package}`", "", *(module.__doc__ or "").strip().splitlines()]
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                lines += ["", f"::: {thing.__module__}.{thing.__qualname__}"]
            else:
                lines += ["", f"### `{name}`", "", explain(module, name)]
    return lines


def explain(module: ModuleType, name: str) -> str:
    """Quote what a value is: what stands below it in the source, or its type."""
    docstring = re.search(
        rf'^{name}\b[^\n]* = .*?\n"""(.*?)"""', inspect.getsource(module), re.M | re.S
    )
    return docstring[1] if docstring else f"A `{type(getattr(module, name)).__name__}`."
