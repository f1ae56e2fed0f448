"""A scheduler that demands a certificate, as Dask's own settings have it and the docs show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.dask_cluster import cluster

PEM = "study.pem"
TLS = ("--protocol", "tls", "--tls-ca-file", PEM, "--tls-cert", PEM, "--tls-key", PEM)
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=study"
SETTINGS = ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")
CLIENT = """
import sys
from hil.studies import pool
pool.PATIENCE = float(sys.argv[2])
try:
    with pool._connect(sys.argv[1], []) as client:
        print(client.submit(lambda: "ran").result())
except ValueError as refusal:
    print(refusal)
"""


def submit(address: str, patience: float, **settings: str) -> str:
    """What a process of its own is told that has something run there."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, address, str(patience)],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.thorough
def test_whoever_has_no_certificate_runs_nothing_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*CERTIFICATE.split(), "-keyout", PEM, "-out", "certificate"]
    subprocess.run(words, check=True, capture_output=True)
    Path(PEM).write_text(Path(PEM).read_text() + Path("certificate").read_text())
    own = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": PEM for name in SETTINGS}
    with cluster(1, options=TLS) as address:
        for stranger in (address, address.replace("tls", "tcp")):
            assert "no scheduler there" in submit(stranger, 3)
        assert submit(address, 60, **own) == "ran\n"
