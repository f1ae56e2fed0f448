"""Whatever is in a file, reading it ends in two ways: it is read, or refused in one line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from support.effort import tries
from support.read_kinds import KINDS, ending, made

DAMAGED = tries(50, 1000)  # files of each kind


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name: str, world: Path) -> None:
    kind = KINDS[name]
    path = next(iter(sorted(world.glob(kind.file))))
    good = path.read_bytes()
    ends: Counter[str] = Counter()
    before = sorted(world.rglob("*"))
    try:
        assert ending(kind, path) == "read"
        for seed in range(DAMAGED):
            path.write_bytes(kind.damage(good, Random(seed)))
            try:
                ends[ending(kind, path)] += 1
            except BaseException as error:
                error.add_note(f"{name}, seed {seed}: {path.read_bytes()[:2000]!r}")
                raise
    finally:
        path.write_bytes(good)
    assert ends["refused"] > DAMAGED / 4, ends
    assert sorted(world.rglob("*")) == before
