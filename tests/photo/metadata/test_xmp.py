"""XMP packets: found by namespace, edited in place, and never expanded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_samples import CAPTION, RDF, tagged_jpeg, xmp_packet

from laa_cli.photo.metadata.xmp import (
    MAX_PARTS,
    TIFF,
    XMP,
    Edit,
    Element,
    Packet,
    XmpError,
    apply_edits,
    fields,
    items,
    normalize,
    removal,
)

DC = "http://purl.org/dc/elements/1.1/"
BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">%s]><a>&j;</a>' % b"".join(
    b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(9)
)


def names(packet: Packet) -> set[tuple[str, str]]:
    return {found.name for found in packet.properties()}


def test_prefixes_are_not_what_counts() -> None:
    packet = Packet(
        b'<m xmlns="adobe:ns:meta/"><r:RDF xmlns:r="%s"><r:Description xmlns:q="%s" q:Orientation="6">'
        b'<Label xmlns="%s">red</Label></r:Description></r:RDF></m>' % (RDF.encode(), TIFF.encode(), XMP.encode())
    )
    assert {(TIFF, "Orientation"), (XMP, "Label")} <= names(packet)


def test_usual_prefixes_count_where_none_is_declared() -> None:
    assert (TIFF, "Orientation") in names(Packet(b'<a tiff:Orientation="6"/>'))


def test_values_and_where_they_lie() -> None:
    content = b"<a xmlns:t='%s' t:x = '1 &amp; 2'\n t:y=\"3\"><t:z> 4 </t:z><t:e/></a>" % TIFF.encode()
    packet = Packet(content, [TIFF])
    values = {found.name[1]: found.value for found in packet.properties() if found.name[0] == TIFF}
    assert {name: value.text for name, value in values.items()} == {"x": "1 & 2", "y": "3", "z": " 4 ", "e": ""}
    assert content[values["x"].start : values["x"].end] == b"1 &amp; 2"
    assert content[values["z"].start : values["z"].end] == b" 4 "
    without = apply_edits(content, [removal(found) for found in packet.properties() if found.name[1] in "xyze"])
    assert without == b"<a xmlns:t='%s'\n></a>" % TIFF.encode()


def test_structures_have_four_forms() -> None:
    forms = (
        '<rdf:li dc:name="Ada"/>',
        '<rdf:li><rdf:Description dc:name="Ada"/></rdf:li>',
        '<rdf:li rdf:parseType="Resource"><dc:name>Ada</dc:name></rdf:li>',
        "<rdf:li><rdf:Description><dc:name>Ada</dc:name></rdf:Description></rdf:li>",
    )
    packet = Packet(xmp_packet(f"<dc:people><rdf:Bag>{''.join(forms)}</rdf:Bag></dc:people>"), [DC])
    people = next(found for found in packet.properties() if found.name == (DC, "people"))
    assert [fields(item)[DC, "name"].value.text for item in items(people)] == ["Ada"] * 4


def test_only_the_picture_s_own_properties_count() -> None:
    inner = f'<dc:source rdf:parseType="Resource"><tiff:Orientation>6</tiff:Orientation></dc:source>{CAPTION}'
    assert (TIFF, "Orientation") not in names(Packet(xmp_packet(inner), [TIFF]))


@pytest.mark.parametrize(
    "content",
    [BOMB, b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', xmp_packet()[:-900], b"no XML", b"\xff\xfe<", b"<a>\xff</a>", b""],
)
def test_what_is_refused(content: bytes) -> None:
    with pytest.raises(XmpError):
        Packet(normalize(content))


def test_nesting_is_bounded() -> None:
    with pytest.raises(XmpError, match="nested"):
        Packet(b"<a>" + b"<rdf:li>" * 300 + b"</rdf:li>" * 300 + b"</a>")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(encoding: str) -> None:
    text = '<?xml version="1.0"?><a tiff:Orientation="6">ü</a>'
    assert (TIFF, "Orientation") in names(Packet(normalize(text.encode(encoding))))


def test_zero_bytes_after_the_packet_are_no_damage() -> None:
    assert Packet(normalize(b"<a/>\0\0\0")).root is not None


def test_of_overlapping_edits_the_outer_one_holds() -> None:
    assert apply_edits(b"0123456789", [Edit(5, 6, b"x"), Edit(3, 8), Edit(9, 9, b"+")]) == b"0128+9"


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    content = bytearray(xmp_packet() if data.draw(st.booleans()) else tagged_jpeg())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b"<>/=\"' &;:x\0\xff"))
    try:
        packet = Packet(normalize(bytes(content)), [TIFF])
    except XmpError:
        return
    assert all(isinstance(found, Element) or found.start < found.end for found in packet.properties())


@pytest.mark.parametrize(
    "hostile",
    [
        b"<a>" * 300,
        b"<y/>" * (MAX_PARTS + 1),
        b"<x " + b" ".join(b"a%d='1'" % n for n in range(MAX_PARTS)) + b"/>",
    ],
    ids=["deep", "elements", "attributes"],
)
def test_packets_beyond_any_measure(hostile: bytes) -> None:
    with pytest.raises(XmpError, match="too"):
        Packet(f"<r:RDF xmlns:r='{RDF}'><r:Description>".encode() + hostile)
