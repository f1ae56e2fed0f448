"""Files are read in few places: whoever reads another kind joins them, and the table of kinds."""

from __future__ import annotations

import re

from support.paths import ROOT

OPENS = re.compile(
    r"(?<![\w.])open\(|\b(?:io|builtins)\.open\(|\bos\.open\(|\.open\(\"r|\.read_text\(|\.read_bytes\("
    r"|\bnp\.(load|loadtxt|genfromtxt|fromfile)\(|\btomllib\.loads?\(|\bjson\.load\("
    r"|\bpickle\b|\bgzip\.open\(|\bZipFile\("
)
# Where files are opened, and which.
PLACES = {
    "device_models/engine/model_code.py": "our own sources",
    "device_models/measured_mismatch.py": "twins",
    "device_models/tables.py": "chips and neurons",
    "drivers/board/doctor.py": "what Linux says of USB",
    "drivers/board/holders.py": "what Linux says of locks and processes",
    "drivers/contract/watchdog.py": "standard error, to be written",
    "drivers/files/archives.py": "archives",
    "drivers/files/bounded.py": "everything else",
    "drivers/files/writing.py": "what is written",
    "drivers/firmware/building.py": "our own sources",
    "drivers/firmware/uf2.py": "what is built",
    "drivers/isolation.py": "what its own process says",
    "drivers/session/file.py": "what is recorded",
    "hil/runs/exclusive.py": "a folder and its lock, to be held",
    "hil/runs/records.py": "what installed libraries say of themselves",
    "hil/studies/folder.py": "the journal, to be written",
    "hil/tasks/digits.py": "what scikit-learn brings",
    "machine_code/compiling.py": "orders, and a lock",
    "machine_code/library.py": "what was compiled, for nobody else to write",
    "machine_code/user_cache.py": "the same",
}


def test_files_are_opened_where_they_are_read_within_bounds() -> None:
    found = set()
    for package in ("hil", "drivers", "device_models", "machine_code"):
        for path in (ROOT / package).rglob("*.py"):
            code = re.sub(r"^ *(def|async def) open\(.*$", "", path.read_text("utf-8"), flags=re.M)
            code = re.sub(r'"""(?:.|\n)*?"""', "", code)
            if OPENS.search(code):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == set(PLACES)


def test_the_search_would_notice() -> None:
    for line in ('open("x")', "path.read_text()", "np.load(path)", 'path.open("rb")', "os.open(p)"):
        assert OPENS.search(f"found = {line}"), line
    for line in ("drivers.open(url)", "Run.open(path)", "json.loads(text)"):
        assert not OPENS.search(f"found = {line}"), line
