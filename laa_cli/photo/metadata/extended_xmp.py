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
NOTE_BYTES = 120  # of the reference to the extension
START_OF_TAG = re.compile(rb"<[^\s>/]+")
PADDING = re.compile(rb"\s{64,}(?=<\?xpacket end)")


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
    added = b"".join(self_contained(element, more) for element in more.descriptions())
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
    inherited = {prefix: uri for prefix, uri in element.scope.items() if prefix not in element.declared}
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
    unpadded = PADDING.sub(b"", xmp)
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
    note = f' xmlns:xmpNote="{NOTE}" xmpNote:HasExtendedXMP="{guid}"'.encode()
    end = START_OF_TAG.match(packet.content, first.start)
    assert end is not None  # it was parsed
    edits = [Edit(end.end(), end.end(), note), *(removal(found) for _, found in moved)]
    parts = [extension[at : at + PART_BYTES] for at in range(0, len(extension), PART_BYTES)]
    headers = [HEADER.pack(guid.encode(), len(extension), at) for at in range(0, len(extension), PART_BYTES)]
    return apply_edits(packet.content, edits), [PREFIX + header + part for header, part in zip(headers, parts, strict=True)]


def choose_moved(packet: Packet) -> list[tuple[Element, Element]] | None:
    """Chooses the properties to move, each after its description; None where the rest would still be too long."""
    described = [(description, found) for description in packet.descriptions() for found in description.children]
    surplus = len(packet.content) + NOTE_BYTES - MAIN_BYTES
    moved = []
    for description, found in sorted(described, key=lambda pair: pair[1].start - pair[1].end):
        if surplus <= 0:
            break
        if description.scope.get("rdf") != RDF or "xmpNote" in description.declared:
            return None
        moved.append((description, found))
        surplus -= found.end - found.start
    return moved if surplus <= 0 and moved else None


def build_extension(packet: Packet, moved: list[tuple[Element, Element]]) -> bytes:
    """Builds the extension: a packet of the properties, each with its namespaces, without the "xpacket" lines."""
    descriptions = [
        b'<rdf:Description rdf:about=""' + declarations({**description.scope, "rdf": RDF}) + b">"
        + packet.content[found.start : found.end] + b"</rdf:Description>"
        for description, found in moved
    ]  # fmt: skip
    head = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'.encode()
    return head + b"".join(descriptions) + b"</rdf:RDF></x:xmpmeta>"
