"""Photos with metadata of every kind, made up: what tests/photo/metadata looks at, and the listing of ten photos.

`python tests/metadata_samples.py FOLDER` writes the ten.
"""

from __future__ import annotations

import hashlib
import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from laa_cli.photo.metadata.jpeg_segments import APP1, APP2, APP13, COM, insert_segments
from laa_cli.photo.metadata.png_chunks import chunk

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
PREFIXES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpGImg": "http://ns.adobe.com/xap/1.0/g/img/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "mwg-rs": MWG,
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
}
CAPTION = '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Grün &amp; gut</rdf:li></rdf:Alt></dc:description>'
DIGEST = 0x0425


def xmp_packet(properties: str = CAPTION, attributes: str = "", padding: int = 200) -> bytes:
    """A packet as Adobe writes it."""
    declared = "".join(f'\n    xmlns:{prefix}="{uri}"' for prefix, uri in PREFIXES.items())
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="laa">\n'
        f' <rdf:RDF xmlns:rdf="{RDF}">\n  <rdf:Description rdf:about=""{declared}\n   {attributes}>\n   {properties}\n'
        f'  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n{" " * padding}<?xpacket end="w"?>'
    ).encode()


def face_regions(width: int, height: int, area: tuple[str, ...], rectangle: str, unit: str = "normalized") -> str:
    """One face, as the Metadata Working Group and as Microsoft tag it."""
    x, y, w, h = area
    return (
        f'<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="{width}" stDim:h="{height}" '
        'stDim:unit="pixel"/><mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Ada" mwg-rs:Type="Face">'
        f'<mwg-rs:Area stArea:x="{x}" stArea:y="{y}" stArea:w="{w}" stArea:h="{h}" stArea:unit="{unit}"/>'
        "</rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
        '<MP:RegionInfo><rdf:Description><MPRI:Regions><rdf:Bag><rdf:li><rdf:Description MPReg:PersonDisplayName="Ada" '
        f'MPReg:Rectangle="{rectangle}"/></rdf:li></rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo>'
    )


def dataset(record: int, number: int, content: bytes) -> bytes:
    """A dataset of IPTC-IIM."""
    return struct.pack(">BBBH", 0x1C, record, number, len(content)) + content


IPTC_BLOCK = (
    dataset(1, 90, b"\x1b%G") + dataset(2, 0, b"\0\4") + dataset(2, 120, "Ein Abend in Köln".encode())
    + dataset(2, 25, b"evening") + dataset(2, 25, b"river") + dataset(2, 80, b"Ada")
)  # fmt: skip


def resource(number: int, content: bytes) -> bytes:
    """An image resource of Photoshop's."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + b"\0" * (len(content) % 2)


def photoshop_block(iptc: bytes = IPTC_BLOCK) -> bytes:
    """Resolution, thumbnail, IPTC, its digest, the copyright flag and a URL."""
    resolution = struct.pack(">IHHIHH", 300 << 16, 1, 1, 300 << 16, 1, 1)
    digest = hashlib.md5(iptc, usedforsecurity=False).digest()
    parts = {
        0x03ED: resolution,
        0x0404: iptc,
        0x040C: b"\0" * 40,
        0x040A: b"\1",
        0x040B: b"https://example.org",
        DIGEST: digest,
    }
    return b"".join(resource(number, content) for number, content in parts.items())


def wave_image(width: int = 64, height: int = 48) -> Image.Image:
    """A picture of slow waves."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(
        np.rint(127 + 100 * np.sin(x[..., None] / 9 + [0, 1, 2]) * np.cos(y[..., None] / 7)).astype(np.uint8)
    )


def jpeg(*segments: tuple[int, bytes], orientation: int = 1, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    """A JPEG with EXIF and these segments."""
    exif = Image.Exif()
    exif[0x010E], exif[0x010F], exif[0x0112] = "A caption", "Maker", orientation
    exif[0x8769] = {0x9003: "2020:01:02 03:04:05", 0x927C: b"private" * 4, 0x9286: b"ASCII\0\0\0said of it",
                    0x9214: (20, 10, 8, 6)}  # fmt: skip
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5)}
    exif[0x9C9B] = "Title".encode("utf-16-le") + b"\0\0"
    buffer = io.BytesIO()
    wave_image(*size).save(buffer, "JPEG", exif=exif, quality=90, **options)
    return insert_segments(buffer.getvalue(), list(segments))


def xmp_segment(packet: bytes) -> tuple[int, bytes]:
    """A JPEG segment of XMP."""
    return APP1, b"http://ns.adobe.com/xap/1.0/\0" + packet


def captioned_jpeg() -> bytes:
    """IPTC, a comment, XMP and EXIF."""
    return jpeg(
        (APP13, b"Photoshop 3.0\0" + photoshop_block()),
        xmp_segment(xmp_packet()),
        (COM, "Köln, am Rhein".encode()),
        dpi=(300, 300),
    )


DIRECTORY = (
    "<Container:Directory><rdf:Seq>"
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{}" Item:Mime="{}" Item:Length="{}"/></rdf:li>'
    "</rdf:Seq></Container:Directory>"
)


def gain_map_jpeg() -> bytes:
    """A phone's: a gain map after the picture, told of by XMP, MPF and ISO 21496-1."""
    map_packet = xmp_packet("", 'hdrgm:Version="1.0" hdrgm:GainMapMax="2.3"')
    gain_map = jpeg(xmp_segment(map_packet))
    packet = xmp_packet(
        DIRECTORY.format("GainMap", "image/jpeg", len(gain_map)) + CAPTION, 'hdrgm:Version="1.0" xmp:Rating="4"'
    )
    mpf = b"MPF\0II*\0\x08\0\0\0" + struct.pack("<H", 0) + bytes(4)
    return jpeg(xmp_segment(packet), (APP2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"), (APP2, mpf)) + gain_map


def motion_jpeg() -> bytes:
    """A motion photo: a video after the picture."""
    video = struct.pack(">I4s4sI", 16, b"ftyp", b"mp42", 0) + struct.pack(">I4s", 4008, b"mdat") + bytes(range(250)) * 16
    packet = xmp_packet(
        DIRECTORY.format("MotionPhoto", "video/mp4", len(video)) + CAPTION,
        'GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1" GCamera:BurstID="b1" xmp:Rating="5"',
    )
    return jpeg(xmp_segment(packet)) + video


def extended_packet(size: int = 90_000) -> tuple[bytes, list[bytes]]:
    """XMP with an extension: the main packet, and the segments' contents after their prefix."""
    history = f"<photoshop:History>{'drawn ' * (size // 6)}</photoshop:History>"
    extension = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""'
        f' xmlns:photoshop="{PREFIXES["photoshop"]}">{history}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()
    parts = [
        guid + struct.pack(">II", len(extension), at) + extension[at : at + 65000] for at in range(0, len(extension), 65000)
    ]
    return xmp_packet(CAPTION, f'xmpNote:HasExtendedXMP="{guid.decode()}"'), parts


def extended_jpeg() -> bytes:
    """A JPEG with extended XMP."""
    packet, parts = extended_packet()
    return jpeg(xmp_segment(packet), *((APP1, b"http://ns.adobe.com/xmp/extension/\0" + part) for part in parts))


def png(*chunks: tuple[bytes, bytes], dtype: type = np.uint8, channels: int = 3) -> bytes:
    """A PNG with these chunks before its pixels."""
    pixels = np.asarray(wave_image())[:, :, : min(channels, 3)].astype(dtype)
    pixels = (pixels * np.iinfo(dtype).max // 255).astype(">u2" if dtype == np.uint16 else np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", 64, 48, 8 * pixels.itemsize, {1: 0, 3: 2}[channels], 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


P3_CHRM = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
GAMA = struct.pack(">I", 45455)
P3_CHUNKS = ((b"gAMA", GAMA), (b"cHRM", P3_CHRM))
HDR_CHUNKS = (
    (b"cICP", bytes([9, 16, 0, 1])),
    (b"mDCV", struct.pack(">8HII", 35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, 10000000, 50)),
    (b"cLLI", struct.pack(">II", 10000000, 4000000)),
)
TEXT_CHUNKS = (
    (b"tEXt", b"Title\0An evening"),
    (b"tEXt", "Author\0José".encode("latin-1")),
    (b"zTXt", b"Description\0\0" + zlib.compress(b"By the river. " * 20)),
    (b"iTXt", b"Comment\0\0\0de\0Kommentar\0" + "Schöner Abend, 夕方".encode()),
    (b"iTXt", b"Source\0\1\0\0\0" + zlib.compress(b"A camera")),
    (b"tIME", struct.pack(">H5B", 2020, 1, 2, 3, 4, 5)),
)


def captioned_tiff() -> bytes:
    """A TIFF with IPTC, Photoshop's resources and XMP."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[270] = "A caption"
    for tag, content, kind in ((700, xmp_packet(), 1), (33723, IPTC_BLOCK, 7), (34377, photoshop_block(), 7)):
        tags[tag], tags.tagtype[tag] = content, kind
    buffer = io.BytesIO()
    wave_image().save(buffer, "TIFF", tiffinfo=tags, dpi=(300, 300))
    return buffer.getvalue()


def captioned_webp() -> bytes:
    """A WebP with XMP."""
    buffer = io.BytesIO()
    wave_image().save(buffer, "WEBP", xmp=xmp_packet(CAPTION, 'xmp:Rating="3" tiff:Orientation="1"'))
    return buffer.getvalue()


def tagged_jpeg(orientation: int = 6) -> bytes:
    """A turned JPEG with a tagged face."""
    regions = face_regions(64, 48, ("0.25", "0.5", "0.125", "0.25"), "0.1875, 0.375, 0.125, 0.25")
    return jpeg(
        xmp_segment(xmp_packet(CAPTION + regions, f'tiff:Orientation="{orientation}" crs:CropTop="0.1"')),
        orientation=orientation,
    )


def ten_photos() -> dict[str, bytes]:
    """Ten photos of different kinds by their file names."""
    return {
        "01-captions.jpg": captioned_jpeg(),
        "02-gain-map.jpg": gain_map_jpeg(),
        "03-motion.jpg": motion_jpeg(),
        "04-extended-xmp.jpg": extended_jpeg(),
        "05-p3.png": png(*P3_CHUNKS),
        "06-hdr.png": png(*HDR_CHUNKS, dtype=np.uint16),
        "07-text.png": png(*TEXT_CHUNKS),
        "08-captions.tif": captioned_tiff(),
        "09-xmp.webp": captioned_webp(),
        "10-face-tags.jpg": tagged_jpeg(),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ten_photos().items():
        (folder / name).write_bytes(content)
