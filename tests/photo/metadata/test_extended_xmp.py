"""Extended XMP: joined where it is whole, split where a JPEG needs it."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET

import pytest
from metadata_samples import PREFIXES, RDF, extended_packet, xmp_packet

from laa_cli.photo.metadata.extended_xmp import HEADER, MAIN_BYTES, PREFIX, SEGMENT_BYTES, join_extended, split_extended
from laa_cli.photo.metadata.xmp import Packet

HISTORY = f"{{{PREFIXES['photoshop']}}}History"


def properties(packet: bytes) -> dict[str, str | None]:
    """All elements below the descriptions, by an independent parser."""
    root = ET.fromstring(packet)
    return {child.tag: child.text for description in root.iter(f"{{{RDF}}}Description") for child in description}


def test_whole_extensions_are_joined_in_any_order() -> None:
    packet, parts = extended_packet()
    joined = join_extended(Packet(packet), reversed(parts))
    assert joined is not None
    assert len(properties(joined)[HISTORY] or "") == 90_000
    assert b"HasExtendedXMP" not in joined
    assert set(properties(packet)) < set(properties(joined))


@pytest.mark.parametrize("change", ["missing", "overlap", "other GUID", "cut", "no XML"])
def test_damaged_extensions_are_not(change: str) -> None:
    packet, parts = extended_packet()
    guid, size, offset = HEADER.unpack_from(parts[1])
    body = parts[1][HEADER.size :]
    damaged = {
        "missing": [parts[0]],
        "overlap": [parts[0], HEADER.pack(guid, size, offset - 1) + body],
        "other GUID": [part.replace(guid, b"0" * 32) for part in parts],
        "cut": [parts[0], parts[1][:-5]],
        "no XML": [parts[0].replace(b"<photoshop", b"<<hotoshop"), parts[1]],
    }
    assert join_extended(Packet(packet), damaged[change]) is None


def test_namespaces_declared_around_a_description_come_along() -> None:
    extension = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:q="urn:q"><rdf:RDF xmlns:rdf="{RDF}">'
        '<rdf:Description rdf:about=""><q:A>1</q:A></rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().encode()
    packet = xmp_packet("", f'xmpNote:HasExtendedXMP="{guid.decode()}"')
    joined = join_extended(Packet(packet), [HEADER.pack(guid, len(extension), 0) + extension])
    assert joined is not None
    assert properties(joined) == {"{urn:q}A": "1"}


@pytest.mark.parametrize("size", [66_000, 200_000])
def test_split_and_joined_again(size: int) -> None:
    long = xmp_packet(f"<photoshop:History>{'drawn ' * (size // 6)}</photoshop:History><dc:format>image/jpeg</dc:format>")
    split = split_extended(long)
    assert split is not None
    main, segments = split
    assert len(main) <= MAIN_BYTES
    assert all(len(segment) <= SEGMENT_BYTES for segment in segments)
    assert HISTORY not in properties(main)
    joined = join_extended(Packet(main), (segment.removeprefix(PREFIX) for segment in segments))
    assert joined is not None
    assert properties(joined) == properties(long)


def test_short_packets_stay_as_they_are() -> None:
    assert split_extended(xmp_packet()) == (xmp_packet(), [])


def test_padding_goes_first() -> None:
    padded = xmp_packet(padding=70_000)
    split = split_extended(padded)
    assert split is not None
    assert split[1] == []
    assert properties(split[0]) == properties(padded)


@pytest.mark.parametrize(
    "packet", [xmp_packet("", f'dc:format="{"x" * 70_000}"'), b"<a>" + b"x" * 70_000, b"<a/>" + b" " * 70_000]
)
def test_what_cannot_be_split(packet: bytes) -> None:
    assert split_extended(packet) is None
