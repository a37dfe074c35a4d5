"""PNG's chunks: reads those that hold metadata, and builds them."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from .credentials import CREDENTIALS, PNG_CHUNK

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 64 << 20  # of all texts of a file, once they are decompressed
CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
PIXEL_CHUNKS = CRITICAL | {b"tRNS", b"acTL", b"fcTL", b"fdAT"}  # all that decoding the pixels looks at
COLOR_SIZES = {b"cICP": 4, b"mDCV": 24, b"mDCv": 24, b"cLLI": 8, b"cLLi": 8, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32}
TEXT = {b"tEXt", b"zTXt", b"iTXt"}
# What was said of the pixels' storage before enlarging: significant bits, background, palettes, and hints for decoders.
STORAGE = {b"sBIT", b"bKGD", b"hIST", b"sPLT", b"iDOT", b"vpAg", b"dSIG"}
LABELS = {PNG_CHUNK: CREDENTIALS}
RAW_PROFILE = re.compile(rb"\n[^\n]+\n\s*\d+\n([0-9A-Fa-f\s]*)")

Chunk = tuple[bytes, bytes]  # type and content


@dataclass
class PngMetadata:
    """What the chunks of a PNG file say beside its pixels; `left_out`: the names of those that are damaged or unknown."""

    icc: bytes | None = None
    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    dpi: tuple[float, float] | None = None
    color: list[Chunk] = field(default_factory=list)
    text: list[Chunk] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unpacked: int = 0  # bytes of texts so far


@dataclass(frozen=True)
class Text:
    """A text chunk's keyword and its text, as bytes in `encoding`."""

    keyword: str
    content: bytes
    encoding: str


def read_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields each chunk's type, and where it begins and ends, up to the end of the file or where that is damaged."""
    place = len(SIGNATURE)
    while place + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + size
        if end > len(content):
            return
        yield kind, place, end
        if kind == b"IEND":
            return
        place = end


def pixels_only(content: bytes) -> bytes:
    """Returns a PNG file without the chunks that decoding the pixels does not look at: damage in them costs nothing."""
    chunks = list(read_chunks(content))
    end = chunks[-1][2] if chunks else len(SIGNATURE)
    if all(kind in PIXEL_CHUNKS for kind, _, _ in chunks):
        return content
    return b"".join([SIGNATURE, *(content[a:b] for kind, a, b in chunks if kind in PIXEL_CHUNKS), content[end:]])


def read_png(content: bytes) -> PngMetadata:
    """Reads a PNG file's metadata."""
    found = PngMetadata()
    before_pixels = True
    for kind, start, end in read_chunks(content):
        before_pixels = before_pixels and kind not in (b"PLTE", b"IDAT")
        if kind in PIXEL_CHUNKS | STORAGE:
            continue
        body = content[start + 8 : end - 4]
        crc = zlib.crc32(content[start + 4 : end - 4]).to_bytes(4)
        intact = content[end - 4 : end] == crc and (before_pixels or kind not in {*COLOR_SIZES, b"iCCP"})
        try:
            read_chunk(kind, body, found) if intact else found.left_out.append(f"damaged {name_of(kind)}")
        except (ValueError, IndexError, struct.error, zlib.error):
            found.left_out.append(f"damaged {name_of(kind)}")
    return found


def read_chunk(kind: bytes, body: bytes, found: PngMetadata) -> None:
    """Reads one chunk. Raises ValueError, IndexError, struct.error or zlib.error on damage."""
    if kind in COLOR_SIZES:
        if len(body) != COLOR_SIZES[kind]:
            raise ValueError("wrong size")
        if kind not in dict(found.color):
            found.color.append((kind, body))
    elif kind == b"iCCP":
        found.icc = found.icc or inflate(body.split(b"\0", 1)[1][1:])
    elif kind == b"eXIf":
        found.exif = found.exif or body
    elif kind == b"pHYs":
        x, y, unit = struct.unpack(">IIB", body)
        found.dpi = (x * 0.0254, y * 0.0254) if unit == 1 else None
    elif kind == b"tIME":
        struct.unpack(">H5B", body)
        found.text.append((kind, body))
    elif kind in TEXT:
        read_text_chunk(kind, body, found)
    else:
        found.left_out.append(LABELS.get(kind, f"PNG's {name_of(kind)}"))


def read_text_chunk(kind: bytes, body: bytes, found: PngMetadata) -> None:
    """Reads a text, among them XMP and what ImageMagick puts into texts as hexadecimal numbers."""
    text = read_text(kind, body, MAX_TEXT_BYTES - found.unpacked)
    found.unpacked += len(text.content)
    profile = text.keyword.removeprefix("Raw profile type ").lower()
    if text.keyword == "XML:com.adobe.xmp":
        found.xmp = text.content
    elif profile == text.keyword.lower():
        found.text.append((kind, body))
    else:
        read_profile(profile, unhex(text.content), found)


def read_profile(name: str, content: bytes, found: PngMetadata) -> None:
    """Takes over a raw profile; what the file says in its own chunk counts more."""
    if name == "xmp" or content.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        found.xmp = found.xmp or content.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
    elif name in ("exif", "app1"):
        found.exif = found.exif or content
    elif name in ("iptc", "8bim"):
        found.photoshop += content
    elif name in ("icc", "icm"):
        found.icc = found.icc or content
    else:
        found.left_out.append("an unknown raw profile")


def read_text(kind: bytes, body: bytes, max_bytes: int = MAX_TEXT_BYTES) -> Text:
    """Reads a tEXt, zTXt or iTXt chunk. Raises ValueError, IndexError or zlib.error on damage, or beyond `max_bytes`."""
    keyword, rest = body.split(b"\0", 1)
    if not 1 <= len(keyword) <= 79:
        raise ValueError("no keyword")
    encoding = "utf-8" if kind == b"iTXt" else "latin-1"
    if kind == b"iTXt":
        compressed = rest[0] == 1
        rest = rest[2:].split(b"\0", 2)[2]
        rest = inflate(rest, max_bytes) if compressed else rest
    elif kind == b"zTXt":
        rest = inflate(rest[1:], max_bytes)
    return Text(keyword.decode("latin-1"), rest, encoding)


def inflate(content: bytes, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Decompresses deflated data. Raises ValueError or zlib.error."""
    stream = zlib.decompressobj()
    result = stream.decompress(content, max(max_bytes, 1))
    if not stream.eof:
        raise ValueError("it is cut short, or too large")
    return result


def unhex(content: bytes) -> bytes:
    """Decodes a raw profile. Raises ValueError on damage."""
    match = RAW_PROFILE.fullmatch(content)
    if match is None:
        raise ValueError("it is no raw profile")
    return bytes.fromhex(match[1].decode("ascii"))


def name_of(kind: bytes) -> str:
    """Returns a chunk's type as text."""
    return kind.decode("ascii") if kind.isalpha() and kind.isascii() else "unknown chunk"


# Writing


def chunk(kind: bytes, content: bytes) -> bytes:
    """Builds one PNG chunk: length, type, content, CRC."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def text_chunk(keyword: str, text: str) -> Chunk:
    """Builds a text chunk: Latin-1 where that holds the text, else UTF-8."""
    name = keyword.encode("latin-1")
    try:
        return b"tEXt", name + b"\0" + text.encode("latin-1")
    except ValueError:
        return b"iTXt", name + b"\0\0\0\0\0" + text.encode()


def raw_profile(name: str, content: bytes) -> Chunk:
    """Builds the text that ImageMagick and exiftool keep a block in for which PNG has no chunk."""
    digits = content.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\n{name}\n{len(content):8}\n{lines}\n"
    return b"zTXt", f"Raw profile type {name}".encode() + b"\0\0" + zlib.compress(text.encode())
