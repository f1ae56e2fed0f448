"""What the public packages promise is there."""

from __future__ import annotations

from importlib import import_module

import pytest

PUBLIC = ("hil", "drivers", "hil.learning", "hil.encodings", "hil.tasks", "device_models")


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_exists(package: str) -> None:
    module = import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert module.__all__ and not missing
