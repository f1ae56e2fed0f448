"""The machine and the libraries that a run was computed with."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any


def environment() -> dict[str, Any]:
    """Machine, and the versions of all libraries that this process has loaded so far."""
    import platform

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": packages(),
        "blas_threads": 1,
    }


def packages() -> dict[str, str]:
    """The version of each library that this process has loaded so far, by its name."""
    from importlib.metadata import PackageNotFoundError, version

    providers = _providers()
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    names = {"spikeloop", *(library for name in loaded for library in providers.get(name, ()))}
    versions = {}
    for name in sorted(names, key=str.lower):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@cache
def _providers() -> dict[str, list[str]]:
    """Which libraries bring a module, by the module's name."""
    from importlib.metadata import packages_distributions

    return {name: list(libraries) for name, libraries in packages_distributions().items()}
