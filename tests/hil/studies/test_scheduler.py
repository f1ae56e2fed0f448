"""A scheduler that demands a certificate, as Dask's own settings have it and the docs show."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

from hil.studies import pool
from support.dask_cluster import cluster

PEM = "study.pem"
TLS = ("--protocol", "tls", "--tls-ca-file", PEM, "--tls-cert", PEM, "--tls-key", PEM)
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=study"
SETTINGS = ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.chdir(tmp_path)
    yield monkeypatch
    monkeypatch.undo()
    dask.config.refresh()


@pytest.mark.thorough
def test_whoever_has_no_certificate_runs_nothing_on_it(setting: pytest.MonkeyPatch) -> None:
    words = [*CERTIFICATE.split(), "-keyout", PEM, "-out", "certificate"]
    subprocess.run(words, check=True, capture_output=True)
    Path(PEM).write_text(Path(PEM).read_text() + Path("certificate").read_text())
    setting.setattr(pool, "PATIENCE", 3.0)
    with cluster(1, options=TLS) as address:
        for told in (address, address.replace("tls", "tcp")):
            with (
                pytest.raises(ValueError, match="no scheduler there"),
                pool._connect(told, []) as client,
            ):
                client.submit(lambda: "ran").result()
        for name in SETTINGS:
            setting.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", PEM)
        dask.config.refresh()
        setting.setattr(pool, "PATIENCE", 60.0)
        with pool._connect(address, []) as client:
            assert client.submit(lambda: "ran").result() == "ran"
