"""The mark in XMP: added to what is there, once, and read back from every format that can hold it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from fakes import decode_photo
from metadata_samples import CAPTION, jpeg, xmp_packet, xmp_segment

from laa_cli.photo import Photo, encode_photo, left_out
from laa_cli.photo.metadata import Metadata
from laa_cli.photo.metadata.extended_xmp import MAIN_BYTES, split_extended
from laa_cli.photo.metadata.jpeg_segments import read_jpeg
from laa_cli.photo.metadata.marking import ALL_SYNTHETIC, COMPOSITE, HISTORY, SOURCE_TYPE, event_of, mark, parse_marked
from laa_cli.photo.metadata.xmp import Element, items

AGENT = 'laa 1.0 (a "net" <1> & co)'
DECLARED = (
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
    'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"'
)
EDITED = {"action": "edited", "softwareAgent": AGENT}
OLDER = "<rdf:li stEvt:action='saved' stEvt:when='2020-01-01'/>"
EXIFTOOL = shutil.which("exiftool")


def said(xmp: bytes | None) -> tuple[list[str], list[dict[str, str]]]:
    """The source types, and the history."""
    packet = parse_marked(xmp)
    assert packet is not None
    properties = list(packet.properties())
    histories = [found for found in properties if found.name == HISTORY and isinstance(found, Element)]
    assert len(histories) <= 1
    sources = [found.value.text.strip() for found in properties if found.name == SOURCE_TYPE]
    return sources, [event_of(item) for history in histories for item in items(history)]


@pytest.mark.parametrize("xmp", [None, b"", b"<x", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", b"<!DOCTYPE x><x/>"])
def test_a_packet_of_its_own(xmp: bytes | None) -> None:
    marked = mark(xmp, AGENT)
    assert said(marked) == ([COMPOSITE], [EDITED])
    assert mark(marked, AGENT) == marked


@pytest.mark.parametrize(
    ("properties", "history"),
    [
        (CAPTION, []),
        (f"<xmpMM:History><rdf:Seq>{OLDER}</rdf:Seq></xmpMM:History>", [{"action": "saved", "when": "2020-01-01"}]),
        ("<xmpMM:History><rdf:Seq/></xmpMM:History>", []),
        ("<xmpMM:History/>", []),
        ("<xmpMM:History>?</xmpMM:History>", []),
        (
            "<xmpMM:History><rdf:Seq><rdf:li rdf:parseType='Resource'><stEvt:action>saved</stEvt:action></rdf:li></rdf:Seq>"
            "</xmpMM:History>",
            [{"action": "saved"}],
        ),
    ],
)
def test_a_history_goes_on(properties: str, history: list[dict[str, str]]) -> None:
    marked = mark(xmp_packet(properties, DECLARED), AGENT)
    assert said(marked) == ([COMPOSITE], [*history, EDITED])
    assert mark(marked, AGENT) == marked
    assert said(mark(marked, "laa 2.0"))[1] == [*history, EDITED, EDITED | {"softwareAgent": "laa 2.0"}]


@pytest.mark.parametrize(
    "before",
    [
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/x/digitalCapture</Iptc4xmpExt:DigitalSourceType>",
        "<Iptc4xmpExt:DigitalSourceType/>",
        "<Iptc4xmpExt:DigitalSourceType rdf:resource='http://cv.iptc.org/x/digitalCapture'/>",
    ],
)
def test_another_source_type_gives_way(before: str) -> None:
    assert said(mark(xmp_packet(before + CAPTION, DECLARED), AGENT)) == ([COMPOSITE], [EDITED])
    attribute = f'{DECLARED} Iptc4xmpExt:DigitalSourceType="digitalCapture"'
    assert said(mark(xmp_packet(CAPTION, attribute), AGENT)) == ([COMPOSITE], [EDITED])


def test_what_was_all_synthetic_stays_so() -> None:
    attribute = f'{DECLARED} Iptc4xmpExt:DigitalSourceType="{ALL_SYNTHETIC}"'
    assert said(mark(xmp_packet(CAPTION, attribute), AGENT)) == ([ALL_SYNTHETIC], [EDITED])


def test_all_else_stays_byte_for_byte() -> None:
    packet = xmp_packet(CAPTION, "rdf:type='x'").replace(b'rdf:about=""', b"rdf:about='uuid:1'")
    marked = mark(packet, AGENT)
    place = next(at for at in range(len(packet)) if marked[at] != packet[at])
    added = len(marked) - len(packet)
    assert marked[:place] + marked[place + added :] == packet
    assert b"rdf:about='uuid:1'>" in marked[place - 20 : place + added]


def test_prefixes_that_mean_something_else() -> None:
    history = f'<m:History xmlns:m="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="urn:x"><r:Seq>{OLDER}</r:Seq></m:History>'
    packet = xmp_packet(history).replace(b"rdf:", b"r:").replace(b"xmlns:rdf", b"xmlns:r")
    assert said(mark(packet, AGENT)) == ([COMPOSITE], [{}, EDITED])


def test_characters_that_xml_has_no_place_for() -> None:
    assert said(mark(None, "laa\0\n\ud800"))[1][0]["softwareAgent"] == r"laa\x00\n\ud800"


def photo(xmp: bytes | None = None) -> Photo:
    return Photo(np.zeros((8, 8, 3), np.uint8), Metadata(xmp=xmp).marked(AGENT))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_every_format_says_it(suffix: str, tmp_path: Path) -> None:
    for xmp in (None, xmp_packet()):
        content = encode_photo(photo(xmp), suffix)
        assert content == encode_photo(photo(xmp), suffix)
        assert said(decode_photo(content).metadata.xmp) == ([COMPOSITE], [EDITED])
        assert not left_out(photo(xmp), suffix)
        if EXIFTOOL:
            path = tmp_path / f"x{suffix}"
            path.write_bytes(content)
            command = [EXIFTOOL, "-j", "-n", "-XMP:DigitalSourceType", "-HistorySoftwareAgent", "-Warning", str(path)]
            (read,) = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
            del read["SourceFile"]
            assert read == {"DigitalSourceType": COMPOSITE, "HistorySoftwareAgent": AGENT}


def test_bmp_names_what_it_cannot_say() -> None:
    assert left_out(photo(), ".bmp") == ("mark",)
    assert left_out(photo(xmp_packet()), ".bmp") == ("XMP", "mark")


def test_stripping_keeps_the_mark() -> None:
    assert photo(xmp_packet()).metadata.stripped() == Metadata(mark=AGENT)


def test_it_stays_in_the_main_packet_of_a_jpeg() -> None:
    source = "<Iptc4xmpExt:DigitalSourceType>x</Iptc4xmpExt:DigitalSourceType>"
    long = f"<photoshop:History>{'drawn ' * 20_000}</photoshop:History>"
    events = OLDER * 2000
    for properties in (long, source + long, source + f"<xmpMM:History><rdf:Seq>{events}</rdf:Seq></xmpMM:History>"):
        content = encode_photo(photo(xmp_packet(properties, DECLARED)), ".jpg")
        found = read_jpeg(content)
        assert found.extended_xmp
        assert len(found.xmp) <= MAIN_BYTES
        assert said(found.xmp)[0] == [COMPOSITE]
        assert said(decode_photo(content).metadata.xmp)[1][-1] == EDITED


def test_xmp_that_is_too_long_costs_only_itself() -> None:
    packet = xmp_packet(CAPTION, f'photoshop:Instructions="{"x" * 70_000}"')
    assert split_extended(packet) is None
    content = encode_photo(photo(packet), ".jpg")
    assert said(read_jpeg(content).xmp) == ([COMPOSITE], [EDITED])
    assert left_out(photo(packet), ".jpg") == ("XMP (over 64 KB)",)


def test_a_photo_that_was_marked_before() -> None:
    first = decode_photo(jpeg(xmp_segment(mark(xmp_packet(), AGENT))))
    again = decode_photo(encode_photo(Photo(first.pixels, first.metadata.marked(AGENT)), ".png"))
    assert said(again.metadata.xmp) == ([COMPOSITE], [EDITED])
    assert again.metadata.xmp == first.metadata.xmp
