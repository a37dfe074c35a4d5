"""What the photos of the hard test show, a small face or none, and what their metadata says."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

PORTRAIT = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
FACE_BOX = (18, 0, 70, 52)  # of the portrait
SECRET = b"Secret of Ada"  # in all metadata but the profile: it must not stay where metadata is left out
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="%s"/></rdf:RDF></x:xmpmeta>' % SECRET
)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x18\x1c\x02\x00\0\2\0\4\x1c\x02x\0\x0d" + SECRET


def face() -> Image.Image:
    """A photo with a small face."""
    with Image.open(PORTRAIT) as portrait:
        return portrait.convert("RGB").crop(FACE_BOX)


def scene() -> Image.Image:
    """A photo without a face: waves and noise."""
    return Image.fromarray(scene_samples(3, 8).astype(np.uint8))


def scene_samples(channels: int, bits: int, height: int = 40, width: int = 56) -> NDArray[np.int64]:
    """Waves and noise over the full range, (height, width, channels), of so many bits."""
    y, x = np.mgrid[:height, :width]
    wave = np.sin(x[..., None] / 9 + np.arange(channels)) * np.cos(y[..., None] / 7)
    noise = np.random.default_rng(bits).uniform(-0.05, 0.05, (height, width, channels))
    return np.rint(np.clip(0.5 + 0.45 * wave + noise, 0, 1) * (2**bits - 1)).astype(np.int64)


def exif_block(orientation: int = 1) -> Image.Exif:
    """EXIF with a main, an EXIF and a GPS directory."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x013B] = "Maker", orientation, SECRET.decode()
    exif[0x8769] = {0xA002: 13, 0xA003: 9, 0x9003: "2020:01:02 03:04:05", 0x927C: SECRET * 3, 0x829A: 0.004}
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5)}
    return exif


def pillow(image: Image.Image, kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Encodes a picture with Pillow."""
    buffer = io.BytesIO()
    converted = image.copy() if image.mode == mode else image.convert(mode)
    if mode in ("LA", "RGBA"):
        converted.putalpha(Image.linear_gradient("L").resize(image.size))
    converted.save(buffer, kind, **options)
    return buffer.getvalue()


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """Puts a segment behind a JPEG's first two bytes."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def tiff(samples: NDArray[np.integer], **options: object) -> bytes:
    """Encodes samples with tifffile."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, metadata=None, maxworkers=1, **options)  # type: ignore[arg-type]
    return buffer.getvalue()
