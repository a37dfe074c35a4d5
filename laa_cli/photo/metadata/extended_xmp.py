"""JPEG's extended XMP: one packet of more than 64 KB in several segments, put together on reading and split on writing."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from .xmp import NOTE, RDF, Edit, Element, Packet, XmpError, apply_edits, removal

MAIN_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
PREFIX = b"http://ns.adobe.com/xmp/extension/\0"
SEGMENT_BYTES = 65533  # what a JPEG segment can hold
MAIN_BYTES = SEGMENT_BYTES - len(MAIN_PREFIX)
HEADER = struct.Struct(">32sII")  # GUID, whole size, offset
PART_BYTES = SEGMENT_BYTES - len(PREFIX) - HEADER.size
MAX_DECLARATIONS = 1 << 20  # bytes of namespaces that a hostile file could have repeated
NOTE_BYTES = 120  # of the reference to the extension
START_OF_TAG = re.compile(rb"<[^\s>/]+")
PACKET_END = b"<?xpacket end"
IN_MAIN = "DigitalSourceType"  # never moves: some programs read no extension, and this is for all to see


def join_extended(packet: Packet, segments: Iterable[bytes]) -> bytes | None:
    """Joins a packet and its extension, segments that begin after PREFIX; None where the extension is not whole."""
    note = next((found for found in packet.properties() if found.name == (NOTE, "HasExtendedXMP")), None)
    extension = assemble(note.value.text.strip(), segments) if note else None
    rdf = packet.rdf()
    if note is None or extension is None or rdf is None or rdf.close == rdf.end:
        return None
    try:
        more = Packet(extension)
    except XmpError:
        return None
    descriptions = more.descriptions()
    if sum(len(declarations(element.scope())) for element in descriptions) > MAX_DECLARATIONS:
        return None
    added = b"".join(self_contained(element, more) for element in descriptions)
    return apply_edits(packet.content, [removal(note), Edit(rdf.close, rdf.close, added)])


def assemble(guid: str, segments: Iterable[bytes]) -> bytes | None:
    """Assembles the parts of the extension of that GUID; None where one is missing."""
    parts: dict[int, bytes] = {}
    whole = 0
    for segment in segments:
        if len(segment) > HEADER.size:
            name, size, offset = HEADER.unpack_from(segment)
            if name == guid.encode("ascii", "replace"):
                parts[offset], whole = segment[HEADER.size :], size
    place = 0
    for offset, part in sorted(parts.items()):
        if offset != place:
            return None
        place += len(part)
    return b"".join(part for _, part in sorted(parts.items())) if parts and place == whole else None


def self_contained(element: Element, packet: Packet) -> bytes:
    """Returns an element's bytes, with the namespaces that are declared around it declared on itself."""
    inherited = {prefix: uri for prefix, uri in element.scope().items() if prefix not in element.declared}
    name = START_OF_TAG.match(packet.content, element.start)
    assert name is not None  # it was parsed
    return name[0] + declarations(inherited) + packet.content[name.end() : element.end]


def declarations(scope: dict[str, str]) -> bytes:
    """Builds the attributes that declare namespaces."""
    return "".join(f" xmlns{':' * bool(prefix)}{prefix}={quoteattr(uri)}" for prefix, uri in scope.items()).encode()


def split_extended(xmp: bytes) -> tuple[bytes, list[bytes]] | None:
    """Splits a packet for JPEG into a main one and the content of the extension's segments; None where that cannot be done.

    Padding goes first, then properties move to the extension, the largest first.
    """
    if len(xmp) <= MAIN_BYTES:
        return xmp, []
    content, mark, rest = xmp.rpartition(PACKET_END)
    unpadded = content.rstrip() + mark + rest
    if len(unpadded) <= MAIN_BYTES:
        return unpadded, []
    try:
        packet = Packet(unpadded)
    except XmpError:
        return None
    moved = choose_moved(packet)
    if moved is None:
        return None
    extension = build_extension(packet, moved)
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    first = packet.descriptions()[0]
    declaration = b"" if "xmpNote" in first.declared else declarations({"xmpNote": NOTE})
    note = declaration + f' xmpNote:HasExtendedXMP="{guid}"'.encode()
    end = START_OF_TAG.match(packet.content, first.start)
    assert end is not None  # it was parsed
    edits = [Edit(end.end(), end.end(), note), *(removal(found) for properties in moved.values() for found in properties)]
    parts = [extension[at : at + PART_BYTES] for at in range(0, len(extension), PART_BYTES)]
    headers = [HEADER.pack(guid.encode(), len(extension), at) for at in range(0, len(extension), PART_BYTES)]
    return apply_edits(packet.content, edits), [PREFIX + header + part for header, part in zip(headers, parts, strict=True)]


def choose_moved(packet: Packet) -> dict[int, list[Element]] | None:
    """Chooses the properties to move, by the number of their description; None where the rest would still be too long."""
    described = [
        (number, found)
        for number, outer in enumerate(packet.descriptions())
        for found in outer.children
        if found.name[1] != IN_MAIN
    ]
    surplus = len(packet.content) + NOTE_BYTES - MAIN_BYTES
    moved: dict[int, list[Element]] = {}
    for number, found in sorted(described, key=lambda pair: pair[1].start - pair[1].end):
        if surplus > 0:
            moved.setdefault(number, []).append(found)
            surplus -= found.end - found.start
    scopes = [packet.descriptions()[number].scope() for number in {0, *moved}]
    usual = all(scope.get("rdf") == RDF and scope.get("xmpNote", NOTE) == NOTE for scope in scopes)
    return moved if surplus <= 0 and moved and usual else None


def build_extension(packet: Packet, moved: dict[int, list[Element]]) -> bytes:
    """Builds the extension: a packet of the properties, each with its namespaces, without the "xpacket" lines."""
    parts = [f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'.encode()]
    for number, properties in moved.items():
        parts.append(b'<rdf:Description rdf:about=""' + declarations(packet.descriptions()[number].scope()) + b">")
        parts += [packet.content[found.start : found.end] for found in properties]
        parts.append(b"</rdf:Description>")
    return b"".join([*parts, b"</rdf:RDF></x:xmpmeta>"])
