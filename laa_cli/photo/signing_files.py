"""Reads a signer's certificate and key (PEM), and checks all of them that can be checked before anything is signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError, LaaError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

MAX_FILE_BYTES = 1 << 20
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
KINDS_OF_KEYS = "P-256, P-384, P-521, RSA of 2048 bits or more, or Ed25519"


@dataclass(frozen=True)
class Identity:
    """Who signs: a chain of certificates, the signer's first, and its key without a password (PEM), and c2pa's `algorithm`."""

    certificate_path: Path
    key_path: Path
    chain: bytes
    key: bytes
    algorithm: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the chain: who signs, without what keeps it secret."""
        return hashlib.sha256(self.chain).hexdigest()

    @property
    def files(self) -> list[Path]:
        """The files that were read."""
        return [self.certificate_path, self.key_path]


def read_identity(certificate: Path, key: Path) -> Identity:
    """Reads a chain of certificates and a key. LaaError where they are no PEM, do not fit each other, or do not hold now."""
    from cryptography.hazmat.primitives import serialization as coding

    chain, secret = read_chain(certificate), read_key(key)
    public = secret.public_key()
    if not any(each.public_key() == public for each in chain):
        raise LaaError(f"{key} is not the key of {certificate}: name the files of one signer")
    if chain[0].public_key() != public:
        raise LaaError(f"{certificate} begins with another certificate than its key's: put the signer's first")
    check_dates(chain[0], certificate)
    pem = b"".join(each.public_bytes(coding.Encoding.PEM) for each in chain)
    form = coding.Encoding.PEM, coding.PrivateFormat.PKCS8, coding.NoEncryption()  # the one that c2pa reads
    return Identity(certificate, key, pem, secret.private_bytes(*form), algorithm_of(secret, key))


def read_pem(path: Path) -> bytes:
    """Reads a file of at most MAX_FILE_BYTES. Raises LaaError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"cannot read {path}: {reason}: check that it exists and that you may read it", error) from error
    if len(content) > MAX_FILE_BYTES:
        raise LaaError(f"{path} is no certificate or key: it has over {MAX_FILE_BYTES} bytes")
    return content


def read_chain(path: Path) -> list[Certificate]:
    """Reads certificates. Raises LaaError."""
    from cryptography.x509 import load_pem_x509_certificates

    content = read_pem(path)
    try:
        return load_pem_x509_certificates(content)
    except ValueError as error:
        hint = "openssl x509 -inform DER -in FILE -out FILE.pem turns another kind of file into one"
        raise LaaError(f"{path} is no PEM file of certificates, or damaged: {hint}") from error


def read_key(path: Path) -> PrivateKeyTypes:
    """Reads a private key. Raises LaaError, with what to do where it has a password."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = read_pem(path)
    try:
        return load_pem_private_key(content, None)
    except TypeError as error:
        hint = f"openssl pkey -in {path} -out FILE.pem writes it without one"
        raise LaaError(f"{path} is encrypted, and laa asks for no passwords: {hint}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise LaaError(f"{path} is no PEM file of a private key, or damaged: name the key that belongs to --sign") from error


def check_dates(certificate: Certificate, path: Path) -> None:
    """Raises LaaError where a certificate does not hold now."""
    begin, end, now = certificate.not_valid_before_utc, certificate.not_valid_after_utc, datetime.now(UTC)
    if not begin <= now <= end:
        raise LaaError(f"{path} holds from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, not now: name a certificate that holds")


def algorithm_of(key: PrivateKeyTypes, path: Path) -> str:
    """Returns c2pa's name of how such a key signs. Raises LaaError where it has none."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise LaaError(f"{path} is a key of a kind that c2pa does not sign with: use {KINDS_OF_KEYS}")
