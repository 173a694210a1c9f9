"""A federation's private certificate authority: EC P-256, one certificate a member, mutual TLS on every link.

A certificate names its member as ``spiffe://<federation>/<role>/<name>``; only the coordinator's also names a server.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine.trusted.clock import Clock
from engine.trusted.home import Tls
from engine.trusted.random import Randomness

EARLY = timedelta(minutes=5)
LATE = timedelta(days=730)
COORDINATOR_NAMES = ("localhost", "coordinator")


@dataclass(frozen=True, slots=True)
class Authority:
    """Issues certificates; its key stays in the root's home."""

    federation: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    clock: Clock
    randomness: Randomness

    @classmethod
    def create(cls, federation: str, clock: Clock, randomness: Randomness) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"{federation} authority")
        builder = (
            _builder(name, name, key, clock, randomness)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(federation, builder.sign(key, hashes.SHA256()), key, clock, randomness)

    def own(self) -> Tls:
        """The authority's own files, for the root's home."""
        return Tls(_pem(self.key), self.pem, self.pem)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, role: str, hosts: tuple[str, ...] = ()) -> Tls:
        """Key and certificate of one member; ``hosts``: DNS names and IP addresses it serves under."""
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        names = [x509.UniformResourceIdentifier(f"spiffe://{self.federation}/{role}/{name}"), *map(_host, hosts)]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(_name(name), self.certificate.subject, key, self.clock, self.randomness)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer, critical=False)
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        return Tls(_pem(key), certificate.public_bytes(serialization.Encoding.PEM), self.pem)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, clock: Clock, randomness: Randomness
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(clock.now_ms() // 1000, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(randomness.bytes(19), "big") + 1)
        .not_valid_before(now - EARLY)
        .not_valid_after(now + LATE)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
