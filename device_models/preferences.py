"""Brian2 without the files of preferences that it evaluates when it is imported.

Its import reads `brian_preferences` in the working folder and `.brian/user_preferences` in the
home folder, and calls `eval` on what they say. Whoever works in a downloaded folder would run its
code.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MODULE = "brian2.core.preferences"


class PreferenceFilesUnread(MetaPathFinder):
    """A finder for `sys.meta_path` while Brian2 is imported: its preferences are the defaults.

    Nor does it then keep a log and a copy of the script that runs in the folder for temporary
    files.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module of preferences, and no other."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname == MODULE else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.BrianGlobalPreferences.load_preferences = _defaults


def _defaults(preferences: Any) -> None:
    """In place of reading files."""
    preferences["logging.file_log"] = False
    preferences["logging.save_script"] = False
