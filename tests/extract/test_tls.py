"""A server with TLS whose certificate is its own authority: who it is believed to be, and what is sent without."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.errors import BadFile, Unavailable
from engine.extract.reader import opened
from engine.extract.source import Postgresql
from tests.postgres import PASSWORD, USER, Cluster, cluster

NAME = "db.example"


def certificate(names: list[str]) -> tuple[bytes, bytes]:
    """Key and certificate in PEM, signed by itself, for a day."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a database")])
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = (
        x509.CertificateBuilder(own, own, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def secured() -> Iterator[tuple[Cluster, bytes]]:
    import pg8000.native

    with cluster() as running:
        owner = pg8000.native.Connection(
            USER, host="127.0.0.1", port=running.port, database="postgres", password=PASSWORD
        )
        [[place]] = owner.run("SHOW data_directory")
        key, pem = certificate([NAME])
        for name, body in (("server.key", key), ("server.crt", pem)):
            file = Path(place) / name
            file.touch(mode=0o600)
            file.write_bytes(body)
            shutil.chown(file, os.stat(place).st_uid)  # noqa: PTH116
        owner.run("ALTER SYSTEM SET ssl = on")
        owner.run("SELECT pg_reload_conf()")
        owner.close()
        yield running, pem


@pytest.fixture
def source(secured: tuple[Cluster, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Postgresql:
    """The server under the name db.example; other.example is another name of it."""
    running, pem = secured
    (tmp_path / "own.pem").write_bytes(pem)
    (tmp_path / "other.pem").write_bytes(certificate([NAME])[1])
    (tmp_path / "none.pem").write_text("no certificate")
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    dial = socket.create_connection

    def routed(address: tuple[str, int], *given: Any) -> socket.socket:
        host, port = address
        return dial(("127.0.0.1" if host.endswith(".example") else host, port), *given)

    monkeypatch.setattr(socket, "create_connection", routed)
    return Postgresql("main", NAME, running.port, "postgres", USER, str(secret), str(tmp_path / "own.pem"))


def secured_by(source: Postgresql) -> bool:
    with opened(source) as reader:
        asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        [[ssl]] = reader._connection.run(asked)  # type: ignore[attr-defined]
        return bool(ssl)


def test_a_server_is_known_by_the_authority_that_is_named(source: Postgresql) -> None:
    assert secured_by(source)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": "other.example"}, "Hostname mismatch"),
        ({"host": "127.0.0.1"}, "IP address mismatch"),
        ({"ca_file": ""}, "self-signed certificate"),
        ({"ca_file": "other.pem"}, "its certificate does not hold"),
    ],
    ids=["name", "address", "no authority", "another authority"],
)
def test_a_certificate_that_does_not_hold(source: Postgresql, change: dict[str, str], says: str) -> None:
    if change.get("ca_file"):
        change = {"ca_file": str(Path(source.ca_file).with_name(change["ca_file"]))}
    with pytest.raises(Unavailable, match="NODE_DATABASE_UNREACHABLE") as caught, opened(replace(source, **change)):
        pass
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["none.pem", "absent.pem"])
def test_an_authority_that_is_none(source: Postgresql, name: str) -> None:
    changed = replace(source, ca_file=str(Path(source.ca_file).with_name(name)))
    with pytest.raises(BadFile, match="FILE_AUTHORITY_UNREADABLE"), opened(changed):
        pass


@pytest.mark.parametrize("answer", [b"N", b"", b"S", b"E"], ids=["refused", "silent", "spoilt", "error"])
def test_nothing_is_sent_to_a_server_that_gives_no_tls(
    source: Postgresql, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands between can say that there is no TLS; neither account nor password goes out then."""
    heard = []

    class Between(socket.socket):
        def sendall(self, body: Any, *given: Any) -> None:
            heard.append(bytes(body))

        def recv(self, *given: Any) -> bytes:
            return answer

    between, end = socket.socketpair()
    with end, Between(fileno=between.detach()) as listening:
        end.close()
        monkeypatch.setattr(socket, "create_connection", lambda *_, **__: listening)
        with pytest.raises(Unavailable, match="NODE_DATABASE_UNREACHABLE"), opened(source):
            pass
    assert heard == [b"\0\0\0\x08\x04\xd2\x16\x2f"]
