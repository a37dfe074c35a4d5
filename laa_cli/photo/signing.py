"""Signs a photo's file with C2PA's content credentials: what was made from which photo, by whom, and in which places.

Nothing of it needs a network: no time stamp is asked for, and nothing is fetched. c2pa-python (the extra `c2pa`) is imported
when a certificate is loaded. A signature is another each time, even of the same photo.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import LaaError, UsageError
from .encode import FORMAT_OF_SUFFIX
from .metadata.marking import COMPOSITE
from .signing_files import Identity, read_identity

if TYPE_CHECKING:
    import c2pa

MIME_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff", "AVIF": "image/avif"}
MIME_OF_MAGIC = (
    *((b"\xff\xd8", "image/jpeg"), (b"\x89PNG", "image/png"), (b"RIFF", "image/webp"), (b"GIF8", "image/gif")),
    *((b"II", "image/tiff"), (b"MM", "image/tiff"), (b"BM", "image/bmp")),
)
ANY_TYPE = "application/octet-stream"  # of which c2pa looks at nothing but the hash
SETTINGS = {
    "verify": {
        **dict.fromkeys(("remote_manifest_fetch", "ocsp_fetch"), False),  # no network
        **dict.fromkeys(("verify_after_sign", "verify_trust"), False),  # it is done once, when the certificate is loaded
    },
    "builder": {"thumbnail": {"enabled": False}},
}
TRIAL = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c6360000000020001737501180000000049454e44ae426082"
)
PARENT = "photo"  # what actions call the original


@dataclass(frozen=True)
class Region:
    """A rectangle of the result that was restored, px: its upper left corner and its size; `name`: as in "face 3"."""

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Claim:
    """What was made of a photo. `agent`: the program as in the photo's mark; `title`, `original_title`: the files' names."""

    title: str
    original_title: str
    agent: str
    scale: int
    background: str
    regions: tuple[Region, ...]


class Signer:
    """Signs files with a certificate and its key, which have been tried. May be used by several threads at once."""

    def __init__(self, identity: Identity) -> None:
        """Takes a certificate and key that fit each other. Raises LaaError where c2pa refuses them."""
        self.identity = identity
        self.c2pa = import_c2pa()
        self.try_out()

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Signer:
        """Reads PEM files: a chain of certificates, the signer's first, and its private key. LaaError where they are no use."""
        import_c2pa()
        return cls(read_identity(certificate, key))

    def try_out(self) -> None:
        """Signs a picture of one pixel, since c2pa says only then what it does not like. Raises LaaError."""
        claim = Claim("trial", "trial", f"laa {__version__}", 1, "", ())
        try:
            content = self.sign_with(TRIAL, "image/png", TRIAL, "image/png", claim)
            context = self.c2pa.Context.from_dict(SETTINGS)
            with context, self.c2pa.Reader("image/png", io.BytesIO(content), context=context) as reader:
                state, problems = reader.get_validation_state(), reader.json()
        except self.c2pa.C2paError as error:
            raise self.refused(str(error)) from error
        if state not in ("Valid", "Trusted"):
            codes = [status["code"] for status in json.loads(problems).get("validation_status", [])]
            raise self.refused(", ".join(codes) or state)

    def refused(self, reason: str) -> LaaError:
        """Builds the error for a certificate that c2pa does not sign with."""
        needs = "it needs the key usage digitalSignature, and emailProtection or documentSigning among the extended ones"
        return LaaError(f"cannot sign with {self.identity.certificate_path}: c2pa refuses it ({reason}): {needs}")

    def sign(self, content: bytes, suffix: str, original: bytes, claim: Claim) -> bytes:
        """Returns a result's file with its credentials. `suffix`: its format; `original`: the photo's file, which they name.

        What credentials the original has are kept in them. Raises LaaError.
        """
        mime_type = MIME_TYPES[FORMAT_OF_SUFFIX[suffix.lower()]]
        try:
            return self.sign_with(content, mime_type, original, original_type(original), claim)
        except self.c2pa.C2paError:  # it may be the original that c2pa cannot read, though laa could
            pass
        try:
            return self.sign_with(content, mime_type, original, ANY_TYPE, claim)
        except self.c2pa.C2paError as error:
            raise LaaError(f"cannot sign {claim.title}: {error}: leave --sign out, or choose another format") from error

    def sign_with(self, content: bytes, mime_type: str, original: bytes, parent_type: str, claim: Claim) -> bytes:
        """Signs as `sign` does, with the original taken for a file of `parent_type`."""
        signed = io.BytesIO()
        parent = {"title": claim.original_title, "relationship": "parentOf", "label": PARENT}
        context = self.c2pa.Context.from_dict(SETTINGS, self.new_signer())
        with context, self.c2pa.Builder(build_manifest(claim), context) as builder:
            builder.add_ingredient(parent, parent_type, io.BytesIO(original))
            builder.sign(mime_type, io.BytesIO(content), signed)
        return signed.getvalue()

    def new_signer(self) -> c2pa.Signer:
        """Builds c2pa's signer, which serves once. Without a time stamp's authority."""
        identity = self.identity
        info = self.c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, None)
        return self.c2pa.Signer.from_info(info)


def load_signer(certificate: Path | None, key: Path | None) -> Signer | None:
    """Loads who signs, if anybody does. Raises UsageError where only one of the two is named, LaaError as `Signer.load`."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("sign and sign_key go together: a certificate and its key, both PEM files", "sign", "sign_key")
    return Signer.load(certificate, key)


def import_c2pa() -> Any:
    """Imports c2pa-python. Raises LaaError where it is not there or does not load."""
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise LaaError(f"--sign needs c2pa-python ({error}): pip install 'laa[c2pa]'") from error
    return c2pa


def check_signable(suffix: str, name: str) -> None:
    """Raises UsageError where a file of that suffix cannot be signed."""
    kind = FORMAT_OF_SUFFIX.get(suffix.lower())
    if kind is not None and kind not in MIME_TYPES:
        raise UsageError(f"cannot sign {name}: {kind} has no place for it: use .jpg, .png, .webp, .tif or .avif", "sign")


def original_type(original: bytes) -> str:
    """Returns the MIME type of a photo's file."""
    if original[4:8] == b"ftyp":
        return "image/avif"
    return next((kind for magic, kind in MIME_OF_MAGIC if original.startswith(magic)), ANY_TYPE)


def build_manifest(claim: Claim) -> dict[str, Any]:
    """Builds c2pa's definition of what is claimed."""
    return {
        "claim_generator_info": [{"name": "laa", "version": __version__}],
        "title": claim.title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list_actions(claim)}}],
    }


def list_actions(claim: Claim) -> list[dict[str, Any]]:
    """Lists what was done: the photo opened, enlarged, its faces restored; at least it was written anew."""
    name, _, version = claim.agent.partition(" ")
    agent = {"softwareAgent": {"name": name, "version": version}}
    actions: list[dict[str, Any]] = [{"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}]
    if claim.scale > 1:
        enlarged = f"enlarged {claim.scale} times, background {claim.background}"
        actions.append({"action": "c2pa.resized", **agent, "description": enlarged})
    if claim.regions:
        changes = [{"name": region.name, "region": [spatial(region)]} for region in claim.regions]
        restored = {"description": "faces restored by a trained network", "digitalSourceType": COMPOSITE, "changes": changes}
        actions.append({"action": "c2pa.edited", **agent, **restored})
    return actions if len(actions) > 1 else [*actions, {"action": "c2pa.transcoded", **agent}]


def spatial(region: Region) -> dict[str, Any]:
    """Describes a rectangle as C2PA does."""
    origin = {"x": region.x, "y": region.y}
    size = {"width": region.width, "height": region.height}
    return {"type": "spatial", "shape": {"type": "rectangle", "unit": "pixel", "origin": origin, **size}}
