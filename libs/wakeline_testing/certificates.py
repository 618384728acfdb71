"""An authority of a test run, and the certificates that it signs: all made when they are needed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """Files in PEM."""

    cert_file: Path
    key_file: Path

    @property
    def both(self) -> bytes:
        """The key and the certificate behind each other, as mongod wants them."""
        return self.key_file.read_bytes() + self.cert_file.read_bytes()


class Authority:
    """Signs certificates for this machine; whoever trusts ``ca_file`` trusts them.

    ``host`` is one more address of it.
    """

    def __init__(self, folder: Path, name: str = "wakeline tests", *, host: str = HOST) -> None:
        self._folder = folder
        self._hosts = {HOST, host}
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._ca = _signed(
            self._name,
            self._name,
            self._key.public_key(),
            self._key,
            lambda b: b.add_extension(x509.BasicConstraints(ca=True, path_length=0), True),
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(self._ca.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Certificate:
        """A certificate for 127.0.0.1, localhost, and the other address."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = [x509.IPAddress(ipaddress.ip_address(host)) for host in sorted(self._hosts)]
        places = [*addresses, x509.DNSName("localhost")]
        certificate = _signed(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            self._name,
            key.public_key(),
            self._key,
            lambda b: b.add_extension(x509.SubjectAlternativeName(places), False),
        )
        issued = Certificate(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        issued.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return issued


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    by: ec.EllipticCurvePrivateKey,
    extend: Callable[[x509.CertificateBuilder], x509.CertificateBuilder],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=2))
    )
    return extend(builder).sign(by, hashes.SHA256())
