"""Code of a user's own: how it is named, whether it may run, and what it says when it fails.

A rule, a gate, an encoding, a task, an estimator or a section of a page may lie anywhere. It is
named `FILE.py:NAME` or `module:NAME`, what the file or module calls it. Whoever names it on the
command line or in a program runs it; what a file names runs only for those who trust the file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import wraps
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any, TypeVar, cast

T = TypeVar("T")
MOST = 64 * 2**20  # bytes of a file of code
# Objects that no name finds are called as Python calls their functions: `module:f.<locals>.g`.
_CODE = re.compile(r"(.+):([A-Za-z_<][\w.<>#]*)")
Objects = Mapping[str, object]
"""Objects of a program, by the names that they go by."""


# -- names -----------------------------------------------------------------------------------------


def is_code(name: str) -> bool:
    """Tell if a name is that of something in a file or a module."""
    return _CODE.fullmatch(name) is not None


def make_name_absolute(name: str) -> str:
    """Give the name that means the same wherever it is used: that of a file is absolute."""
    place, _, attribute = name.rpartition(":")
    return f"{Path(place).absolute()}:{attribute}" if place.endswith(".py") else name


def shorten_name(name: str) -> str:
    """Give a name without the folders of its file."""
    place, _, attribute = name.rpartition(":")
    return f"{Path(place).name}:{attribute}" if place.endswith(".py") else name


def name_objects(value: Any, objects: dict[str, object]) -> Any:
    """Put names in place of objects in sections.

    Args:
        value: Sections, lists and texts of a program, with rules, gates and others in them.
        objects: Takes these by the names that they are given.
    """
    if isinstance(value, Mapping):
        return {key: name_objects(item, objects) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [name_objects(item, objects) for item in value]
    if isinstance(value, type) or not (callable(value) or is_dataclass(value)):
        return value
    name = first = _find_name(value)
    number = 1
    while objects.setdefault(name, value) is not value:  # two of one line
        number += 1
        name = f"{first}#{number}"
    return name


def _find_name(value: Any) -> str:
    """Find the name of an object for other processes, or what Python calls a function of it."""
    inside = (
        [value, *(getattr(value, f.name) for f in fields(value))] if _is_data(value) else [value]
    )
    function = next((one for one in inside if hasattr(one, "__qualname__")), type(value))
    home = sys.modules.get(str(function.__module__))
    # An object is made in one module, which is loaded last, and may be imported into others.
    others = [module for module in reversed(list(sys.modules.values())) if module is not home]
    for module in [home, *others]:
        for name, other in list(getattr(module, "__dict__", {}).items()):
            if type(other) is type(value) and (
                other is value or (_is_data(value) and other == value)
            ):
                return f"{_find_place(module)}:{name}"
    return f"{_find_place(home)}:{function.__qualname__}"


def _is_data(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _find_place(module: ModuleType | None) -> str:
    """Find where other processes import a module from: a script from its file."""
    if module is None:
        return "program"
    if module.__name__ == "__main__":
        spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None) or ""
        if spec is not None:
            return str(spec.name)
        return str(Path(file).absolute()) if file.endswith(".py") else "__main__"
    return module.__name__


def find_code(given: Any) -> frozenset[str]:
    """Find the files of code that sections and lists name."""
    import drivers
    from drivers.lab import find_name

    files: set[str] = set()
    for text in texts(given):
        if text.rpartition(":")[0].endswith(".py"):
            files.add(make_name_absolute(text))
        if ":" in text or find_name(text):  # else no driver of others is loaded
            with suppress(drivers.DeviceError):
                files.update(drivers.code_of(text))
    return frozenset(files)


def texts(value: Any) -> Iterator[str]:
    """Every text in sections and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


# -- trust -----------------------------------------------------------------------------------------


class UntrustedCode(ValueError):
    """Code that a file names, and nobody who runs it."""


@dataclass(frozen=True)
class Trust:
    """Code that may run. It is in force for as long as what was asked for is done.

    Attributes:
        named: What the user named.
        everything: Whether the user trusts whatever files name.
        given: Objects that a program gave, by the names that they go by.
    """

    named: frozenset[str] = frozenset()
    everything: bool = False
    given: Objects = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what Python would take for true, such as "no"."""
        if not isinstance(self.everything, bool):
            raise ValueError(f"trust = {self.everything!r}: give True or False")

    @classmethod
    def of(cls, *given: Any, everything: bool = False, objects: Objects | None = None) -> Trust:
        """Trust in what the user gave.

        Args:
            given: Texts, or sections of a configuration that hold them, all from the command line
                or a program, none from a file.
            everything: Whether the user trusts whatever files name.
            objects: Those that a program gave, by name.
        """
        return cls(frozenset(texts(given)) | find_code(given), everything, objects or {})

    def runs(self, code: str) -> bool:
        """Tell if code may run."""
        return self.everything or code in self.named or code in self.given

    def check(self, codes: Sequence[str]) -> None:
        """Refuse code that nobody named.

        Raises:
            UntrustedCode: Naming it.
        """
        for code in codes:
            if not self.runs(code):
                raise UntrustedCode(
                    f"{code!r} is Python code that a file names: read it, then name it yourself "
                    "(--device, --rule, --set) or give --trust"
                )

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let this decide what runs, in this thread and until the end of the context."""
        before = _IN_FORCE.set(self)
        try:
            yield
        finally:
            _IN_FORCE.reset(before)


NOBODY = Trust()
_IN_FORCE: ContextVar[Trust] = ContextVar("what may run", default=NOBODY)
in_force = _IN_FORCE.get


# -- loading ---------------------------------------------------------------------------------------


def load_object(name: str) -> object:
    """Load the object that `FILE.py:NAME` or `module:NAME` names, once it may run.

    Raises:
        UntrustedCode: When nobody named it who may; nothing has run then.
        ValueError: When it cannot be found, or fails.
    """
    trust = in_force()
    if name in trust.given:
        return trust.given[name]
    trust.check([name])
    return import_object(name)


def import_object(name: str) -> object:
    """Import the object that `FILE.py:NAME` or `module:NAME` names.

    Raises:
        ValueError: When it cannot be found, or fails.
    """
    from drivers.errors import FileFormatError

    place, _, attribute = name.rpartition(":")
    try:
        module = _run(Path(place)) if place.endswith(".py") else import_module(place)
    except FileFormatError:
        raise
    except (Exception, SystemExit) as error:  # code of others: it may fail in any way
        file = f"{place}.py"
        hint = f"; did you mean {file}:{attribute}?" if Path(file).is_file() else ""
        raise ValueError(f"{describe_failure(error, place)}{hint}") from error
    try:
        named_object: object = attrgetter(attribute)(module)
    except AttributeError:
        if "<" in attribute or place in ("__main__", "program"):
            raise ValueError(
                f"a program made it: give it again, extensions={{{name!r}: ...}} in Python"
            ) from None
        raise ValueError(f"{place} has no {attribute}") from None
    return named_object


def _run(path: Path) -> ModuleType:
    """Run a file as a module, once as long as the file stays the same."""
    from drivers.files.bounded import read_bytes

    code = read_bytes(path, MOST)
    digest, name = sha256(code).hexdigest(), str(path.absolute())
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__dict__["__sha256__"] == digest:
        return loaded
    spec = spec_from_file_location(name, path)
    assert spec is not None
    module = module_from_spec(spec)
    module.__dict__["__sha256__"] = digest
    sys.modules[name] = module  # where dataclasses and pydantic look for what annotations name
    try:
        exec(compile(code, name, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def file_of(name: str) -> Path | None:
    """Find the file in which something of a name lies, if there is one.

    To find that of a module, Python runs the packages that it lies in.
    """
    place = name.rpartition(":")[0]
    if place.endswith(".py"):
        return Path(place)
    module = sys.modules.get(place)
    origin = getattr(module, "__file__", None)
    if module is None:
        with suppress(ImportError, ValueError):
            origin = getattr(find_spec(place), "origin", None)
    return Path(origin) if origin else None


# -- failing ---------------------------------------------------------------------------------------


def blame_errors(value: T, what: str) -> T:
    """Give the same object, whose functions say what they are of when they fail.

    Args:
        value: A dataclass with functions in it, or a function.
        what: What it is, e.g. `rule '/home/me/mine.py:SIGNED'`.
    """
    if not is_dataclass(value):
        return cast(T, _blame_errors_of(value, what)) if callable(value) else value
    functions = {
        f.name: _blame_errors_of(held, what)
        for f in fields(value)
        if callable(held := getattr(value, f.name)) and not isinstance(held, type)
    }
    return cast(T, replace(cast(Any, value), **functions)) if functions else value


def _blame_errors_of(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
        except MemoryError:
            raise
        except Exception as error:
            place = getattr(getattr(function, "__code__", None), "co_filename", "")
            raise ValueError(f"{what} failed: {describe_failure(error, place)}") from error
        return blame_errors(result, what) if is_dataclass(result) else result

    return called


def describe_failure(error: BaseException, file: str) -> str:
    """Describe an error: its type, what it says, and the line of a file in which it came up."""
    lines = [n for frame, n in walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    line = f"line {lines[-1]}: " if lines else ""
    return f"{line}{type(error).__name__}: {error}".rstrip(": ")
