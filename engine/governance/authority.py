"""A federation's private certificate authority: EC P-256, one certificate a member, mutual TLS on every link.

A certificate names its member as ``spiffe://<federation>/<role>/<name>``; only the coordinator's also names a server.
A member on another machine keeps its key and sends a request that holds the public key alone: every name in the
certificate is the authority's to choose.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine.errors import BadFile, Refused
from engine.trusted.clock import Clock
from engine.trusted.home import Home, Tls
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
            _builder(name, name, key.public_key(), clock, randomness)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(federation, builder.sign(key, hashes.SHA256()), key, clock, randomness)

    @classmethod
    def load(cls, home: Home, clock: Clock, randomness: Randomness) -> Authority:
        """The authority kept in a root's home; BadFile FILE_ROOT_NO_AUTHORITY if another root keeps it."""
        if home.role != "root" or not (home.path / "keys/tls.key").exists():
            raise BadFile("FILE_ROOT_NO_AUTHORITY", path=str(home.path))
        tls = home.tls()
        key = serialization.load_pem_private_key(tls.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BadFile("FILE_HOME_BROKEN", path=str(home.path / "keys/tls.key"))
        return cls(home.federation, x509.load_pem_x509_certificate(tls.certificate), key, clock, randomness)

    def own(self) -> Tls:
        """The authority's own files, for the root's home."""
        return Tls(_pem(self.key), self.pem, self.pem)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, role: str, hosts: tuple[str, ...] = ()) -> Tls:
        """Key and certificate of one member; ``hosts``: DNS names and IP addresses it serves under."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Tls(_pem(key), self._certificate(key.public_key(), name, role, hosts), self.pem)

    def certify(self, request: bytes, name: str, role: str, hosts: tuple[str, ...] = ()) -> bytes:
        """The certificate (PEM) for the key in a request (PKCS #10, DER).

        Raises Refused POLICY_CERTIFICATE_REQUEST unless it is signed by its own P-256 key and asks for nothing else.
        """
        return self._certificate(requested_key(request), name, role, hosts)

    def _certificate(self, key: ec.EllipticCurvePublicKey, name: str, role: str, hosts: tuple[str, ...]) -> bytes:
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
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def draw_key() -> bytes:
    """A fresh key of a member's machine (PEM, secret)."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def request_certificate(key_pem: bytes) -> bytes:
    """A request (DER) that holds the public key and no name at all."""
    key = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of this authority's kind")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a request that holds nothing else and proves possession; Refused POLICY_CERTIFICATE_REQUEST."""
    try:
        asked = x509.load_der_x509_csr(request)
        key = asked.public_key()
        bare = not list(asked.subject) and not list(asked.extensions) and not list(asked.attributes)
        sound = asked.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey) and bare
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        sound = False
    if not sound or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused("POLICY_CERTIFICATE_REQUEST")
    return key


def fits(certificate: bytes, key: bytes) -> bool:
    """Whether a certificate is for this key (both PEM)."""
    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
        return bool(public == serialization.load_pem_private_key(key, None).public_key())
    except (ValueError, TypeError):
        return False


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, clock: Clock, randomness: Randomness
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(clock.now_ms() // 1000, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
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
