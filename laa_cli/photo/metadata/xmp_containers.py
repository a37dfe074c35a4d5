"""Puts another XMP packet into a photo's file (JPEG, PNG, WebP, TIFF), with all else in it byte for byte as it was."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from . import exif
from .extended_xmp import MAIN_PREFIX, PREFIX, split_extended
from .ifd import BYTE, MAX_ENTRIES, first_offset, layout, read_table
from .jpeg_segments import APP0, APP1, APP2, EXIF_PREFIX, MPF_PREFIX, build_segment, read_segments
from .png_chunks import SIGNATURE, TEXT, PngMetadata, chunk, read_chunks, read_text_chunk

PNG_KEYWORD = b"XML:com.adobe.xmp\0"
PNG_HEADER_END = len(SIGNATURE) + 25  # IHDR is 25 bytes long
PICTURES = 0xB002  # MPF's list of pictures: 16 bytes each, with size and offset after 4
WEBP_XMP, WEBP_ALPHA = 0x04, 0x10  # flags in VP8X
Size = tuple[int, int]


def with_xmp(kind: str, content: bytes, xmp: bytes, size: Size) -> bytes:
    """Returns a file of format `kind`, a picture of `size`, with `xmp` as its XMP. Raises ValueError where it has no room."""
    if kind in ("JPEG", "MPO"):
        return jpeg_with_xmp(content, xmp)
    if kind == "PNG":
        return png_with_xmp(content, xmp)
    return webp_with_xmp(content, xmp, size) if kind == "WEBP" else tiff_with_xmp(content, xmp)


# JPEG


def jpeg_with_xmp(content: bytes, xmp: bytes) -> bytes:
    """Replaces a JPEG file's XMP, its extension too, unless that was not whole, or adds it after EXIF."""
    old = [(start, end) for _, start, end in xmp_segments(content, MAIN_PREFIX)]
    extension = [(start, end) for _, start, end in xmp_segments(content, PREFIX)]
    split = split_extended(xmp)
    incomplete = b"HasExtendedXMP" in xmp
    if split is None or (incomplete and split[1]):
        raise ValueError("its XMP would be over 64 KB")
    place = old[0][0] if old else header_end(content)
    new = b"".join(build_segment(APP1, body) for body in (MAIN_PREFIX + split[0], *split[1]))
    removed = sorted(old if incomplete else old + extension)
    changed = splice(content, removed, place, new)
    return with_pictures_moved(content, changed, removed, place, len(new))


def xmp_segments(content: bytes, prefix: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields the segments of XMP."""
    for marker, start, end in read_segments(content):
        if marker == APP1 and content.startswith(prefix, start + 4):
            yield marker, start, end


def header_end(content: bytes) -> int:
    """Finds where JFIF's segment and EXIF's end, with which a JPEG file begins."""
    place = 2
    for marker, start, end in read_segments(content):
        if marker != APP0 and not (marker == APP1 and content.startswith(EXIF_PREFIX, start + 4)):
            break
        place = end
    return place


def splice(content: bytes, removed: list[tuple[int, int]], place: int, new: bytes) -> bytes:
    """Takes spans out, and puts bytes in at a place that is in none of them."""
    parts, last = [], 0
    for start, end in sorted([*removed, (place, place)], key=lambda span: (span[0], span[1] > span[0])):
        parts += [content[last:start], new if start == end else b""]
        last = end
    return b"".join([*parts, content[last:]])


def with_pictures_moved(content: bytes, changed: bytes, removed: list[tuple[int, int]], place: int, added: int) -> bytes:
    """Corrects, in the list of the pictures that follow (MPF), their offsets and the size of the first."""
    whole = len(changed) - len(content)
    result = bytearray(changed)
    for marker, start, end in read_segments(content):
        if marker == APP2 and content.startswith(MPF_PREFIX, start + 4):
            before = added * (place <= start) - sum(b - a for a, b in removed if b <= start)
            block = content[start + 8 : end]
            corrected = pictures_moved(block, whole, whole - before)
            result[start + 8 + before : end + before] = corrected
    return bytes(result)


def pictures_moved(block: bytes, grown: int, moved: int) -> bytes:
    """Corrects MPF's block: the first picture has grown, and the others have moved away from the block."""
    format_, result = layout(block), bytearray(block)
    for tag, _, _, place, size in read_table(block, first_offset(block), format_) if format_ else ():
        if tag != PICTURES or place + size > len(block):
            continue
        for at in range(place + 4, place + size - 11, 16):
            length, offset = struct.unpack_from(f"{format_.order}II", block, at) if format_ else (0, 0)
            pair = (length + grown, 0) if offset == 0 else (length, offset + moved)
            if all(0 <= value < 1 << 32 for value in pair) and (length or offset):
                struct.pack_into(f"{format_.order if format_ else '<'}II", result, at, *pair)
    return bytes(result)


# PNG


def png_with_xmp(content: bytes, xmp: bytes) -> bytes:
    """Replaces a PNG file's XMP, or adds it after the header."""
    old = [(start, end) for kind, start, end in read_chunks(content) if is_xmp(kind, content[start + 8 : end - 4])]
    new = chunk(b"iTXt", PNG_KEYWORD + b"\0\0\0\0" + xmp)
    return splice(content, old, old[0][0] if old else PNG_HEADER_END, new)


def is_xmp(kind: bytes, body: bytes) -> bool:
    """Whether a chunk holds XMP, if only as a raw profile."""
    found = PngMetadata()
    try:
        if kind in TEXT and not body.startswith(PNG_KEYWORD):
            read_text_chunk(kind, body, found)
    except (ValueError, IndexError, struct.error, zlib.error):
        return False
    return bool(found.xmp) or (kind in TEXT and body.startswith(PNG_KEYWORD))


# WebP


def webp_with_xmp(content: bytes, xmp: bytes, size: Size) -> bytes:
    """Replaces a WebP file's XMP, or adds it at its end; a simple file becomes an extended one."""
    end = min(8 + struct.unpack_from("<I", content, 4)[0], len(content))
    parts, place, found = [], 12, False
    while place + 8 <= end:
        kind, length = struct.unpack_from("<4sI", content, place)
        stop = min(place + 8 + length + length % 2, end)
        part = content[place:stop]
        if kind == b"XMP ":
            part, found = b"" if found else webp_chunk(b"XMP ", xmp), True
        parts.append(part)
        place = stop
    if not parts:
        raise ValueError("it has no chunks")
    if parts[0][:4] == b"VP8X":
        parts[0] = parts[0][:8] + bytes([parts[0][8] | WEBP_XMP]) + parts[0][9:]
    else:
        parts.insert(0, webp_header(parts[0], size))
    body = b"".join(parts) + (b"" if found else webp_chunk(b"XMP ", xmp))
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body + content[end:]


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    """Builds a chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp_header(picture: bytes, size: Size) -> bytes:
    """Builds the header of an extended file. `picture`: the one chunk of the simple file."""
    alpha = WEBP_ALPHA if picture[:4] == b"VP8L" and picture[12] & 0x10 else 0
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    return webp_chunk(b"VP8X", bytes([WEBP_XMP | alpha, 0, 0, 0]) + sides)


# TIFF


def tiff_with_xmp(content: bytes, xmp: bytes) -> bytes:
    """Appends a copy of a TIFF file's directory, with other XMP, and points the header to it: nothing else moves."""
    format_, start = layout(content), first_offset(content)
    if format_ is None or start >= len(content):
        raise ValueError("it has no directory")
    room = struct.calcsize(format_.offset)
    first, step = start + struct.calcsize(format_.entries), format_.table.size + room
    count = min(format_.number(format_.entries, content, start), MAX_ENTRIES)
    if first + count * step + room > len(content):
        raise ValueError("its directory is cut short")
    entries = [content[at : at + step] for at in range(first, first + count * step, step)]
    kept = [entry for entry in entries if tag_of(entry, format_.order) != exif.XMP]
    here = len(content) + -len(content) % 8
    payload = here + struct.calcsize(format_.entries) + (len(kept) + 1) * step + room
    if len(kept) == MAX_ENTRIES or payload + len(xmp) >= 1 << 8 * room:
        raise ValueError("it has no room for XMP")
    new = format_.table.pack(exif.XMP, BYTE, len(xmp)) + struct.pack(format_.order + format_.offset, payload)
    table = sorted([*kept, new], key=lambda entry: tag_of(entry, format_.order))
    after = content[first + count * step :][:room]
    pointer, place = struct.pack(format_.order + format_.offset, here), room  # after 4 bytes, and after 8 in a BigTIFF
    header = content[:place] + pointer + content[place + room :]
    counted = struct.pack(format_.order + format_.entries, len(table))
    return b"".join([header.ljust(here, b"\0"), counted, *table, after, xmp])


def tag_of(entry: bytes, order: str) -> int:
    """Returns the tag of a directory's entry."""
    return int(struct.unpack_from(f"{order}H", entry)[0])
