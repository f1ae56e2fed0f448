"""Check that tests notice small changes of meaning in `hil`, `drivers` and `device_models`.

    python benchmarks/mutations.py [--only WORD]

Each mutation of `mutations.toml` is made by itself in a copy of the project, where the tests that
it names are run until the first one fails. Those tests are run once without any change, before.
Prints a line for each: whether it was noticed, in how many seconds, and by which test.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".toml")
PASSED, FAILED, BROKEN = 0, 1, 2  # exit status of pytest; the last where a file of tests is broken
LIMIT = 600  # seconds that the tests of one mutation may take
# That an example fails is enough here: the smallest that does is not looked for.
AS_FOUND = """
from hypothesis import Phase
settings.register_profile("as found", settings.default, phases=(Phase.explicit, Phase.generate))
settings.load_profile("as found")
"""


@dataclass(frozen=True)
class Mutation:
    """A change that makes the project wrong.

    Attributes:
        meaning: What is then wrong.
        file: Where, relative to the project.
        before: The text there that is replaced.
        after: What it is replaced by.
        tests: Which should notice: files, or tests of files.
        equivalent: Why nothing can notice; empty where something can.
    """

    meaning: str
    file: str
    before: str
    after: str
    tests: Sequence[str]
    equivalent: str = ""

    def applied(self, text: str) -> str:
        """The text of its file, changed.

        Raises:
            ValueError: When what is to be replaced is not there, or more than once.
        """
        times = text.count(self.before)
        if times != 1:
            raise ValueError(
                f"{self.file}, {self.meaning!r}: `before` is there {times} times: give a text that "
                f"is there once, in {LIST.name}"
            )
        return text.replace(self.before, self.after)


def read() -> list[Mutation]:
    """All mutations, in the order of the file."""
    return [
        Mutation(**entry) for entry in tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]
    ]


def copied(copy: Path) -> None:
    """Copy the project, but for what is made of it."""
    made = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info")

    def left_out(folder: str, names: list[str]) -> set[str]:
        found = set(made(folder, names))
        return found | {"runs"} if Path(folder) == ROOT else found

    shutil.copytree(ROOT, copy, ignore=left_out)
    with (copy / "tests" / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(AS_FOUND)


def tested(copy: Path, tests: Sequence[str]) -> tuple[bool, str]:
    """Tell if tests pass in a copy of the project, with the last lines, or the first that fails."""
    # What an earlier mutation was noticed by is not to be tried first.
    shutil.rmtree(copy / ".hypothesis", ignore_errors=True)
    options = ["-n", "0", "-x", "-q", "--show-capture=no", "--tb=no", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "HIL_THOROUGH": "1"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return False, f"no end within {LIMIT} s"
    if done.returncode not in (PASSED, FAILED, BROKEN):
        sys.exit(f"pytest did not run {' '.join(tests)}: {done.stdout}{done.stderr}")
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", done.stdout, re.M)
    last = " ".join((done.stdout + done.stderr).split())[-200:]
    return done.returncode == PASSED, failed.group(1) if failed else last


def noticed(copy: Path, mutation: Mutation) -> tuple[bool, str]:
    """Tell if the tests of a mutation notice it in a copy of the project, and which one did."""
    path = copy / mutation.file
    before, stamp = path.read_text(encoding="utf-8"), path.stat()
    compiled = Path(cache_from_source(str(path)))
    path.write_text(mutation.applied(before), encoding="utf-8")
    compiled.unlink(missing_ok=True)
    try:
        passed, said = tested(copy, mutation.tests)
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        compiled.unlink(missing_ok=True)
    return not passed, "" if passed else said


def main() -> int:
    """Print which mutations are noticed; 1 where one is not that could be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", default="", help="mutations whose meaning or file has this word")
    word = parser.parse_args().only
    chosen = [m for m in read() if word in f"{m.file} {m.meaning}"]
    for mutation in chosen:
        mutation.applied((ROOT / mutation.file).read_text(encoding="utf-8"))
    found = dict.fromkeys(("noticed", "equivalent", "NOT NOTICED"), 0)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        copied(copy)
        passed, said = tested(copy, sorted({test for m in chosen for test in m.tests}))
        if not passed:
            sys.exit(f"without any mutation a test fails: {said}")
        for mutation in chosen:
            begun = time.monotonic()
            seen, by = noticed(copy, mutation)
            kind = "noticed" if seen else "equivalent" if mutation.equivalent else "NOT NOTICED"
            found[kind] += 1
            told = f"{kind:11s} {time.monotonic() - begun:5.1f} s  {mutation.file}: "
            print(f"{told}{mutation.meaning}  [{by or mutation.equivalent}]", flush=True)
    print(f"\n{len(chosen)} mutations: {', '.join(f'{n} {kind}' for kind, n in found.items())}")
    return 1 if found["NOT NOTICED"] else 0


if __name__ == "__main__":
    sys.exit(main())
