"""Certificates and keys to sign with, made for a test: an authority of its own, and a signer's certificate from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Certified:
    """A signer's certificate, its authority's, and the key."""

    leaf: bytes
    authority: bytes
    key: PrivateKeyTypes

    def pem(self, form: coding.PrivateFormat = coding.PrivateFormat.PKCS8, password: bytes | None = None) -> bytes:
        secret = coding.BestAvailableEncryption(password) if password else coding.NoEncryption()
        return self.key.private_bytes(coding.Encoding.PEM, form, secret)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The chain's file and the key's."""
        certificate, key = folder / "signer.pem", folder / "signer.key"
        certificate.write_bytes(self.leaf + self.authority)
        key.write_bytes(self.pem())
        return certificate, key


def certify(key: PrivateKeyTypes | None = None, days: tuple[int, int] = (-1, 30), for_email: bool = True) -> Certified:
    """Issues a certificate that holds from so many days to so many days from now."""
    key, authority_key = key or p256(), p256()
    authority = builder("Authority", "Authority", authority_key, (-9, 90), is_authority=True).sign(
        authority_key, hashes.SHA256()
    )
    leaf = builder("Signer", "Authority", key, days, is_authority=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    leaf = leaf.add_extension(identifier, critical=False)
    if for_email:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    pem = coding.Encoding.PEM
    return Certified(leaf.sign(authority_key, hashes.SHA256()).public_bytes(pem), authority.public_bytes(pem), key)


def builder(
    subject: str, issuer: str, key: PrivateKeyTypes, days: tuple[int, int], *, is_authority: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
        False,
    )
    signs = x509.KeyUsage(digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, **usage)
    public = key.public_key()
    return (
        x509.CertificateBuilder(named(issuer), named(subject), public, x509.random_serial_number())
        .not_valid_before(now + timedelta(days[0]))
        .not_valid_after(now + timedelta(days[1]))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def named(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "laa's tests"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def other_kinds() -> dict[str, PrivateKeyTypes]:
    """Keys by c2pa's names of how they sign."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return {
        "es384": ec.generate_private_key(ec.SECP384R1()),
        "es512": ec.generate_private_key(ec.SECP521R1()),
        "ps256": rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
