"""What of XMP no longer holds goes; all else stays byte for byte."""

from __future__ import annotations

import pytest
from metadata_samples import CAPTION, DIRECTORY, xmp_packet

from laa_cli.photo.metadata.regions import Move
from laa_cli.photo.metadata.xmp_cleaning import clean_xmp, parse, xmp_orientation

THUMBNAILS = (
    '<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><xmpGImg:image>/9j/</xmpGImg:image></rdf:li>'
    "</rdf:Alt></xmp:Thumbnails>"
)


def cleaned(properties: str, attributes: str = "") -> tuple[bytes, tuple[str, ...]]:
    packet = parse(xmp_packet(properties, attributes))
    assert packet is not None
    return clean_xmp(packet, Move(1, (64, 48), (64, 48)))


@pytest.mark.parametrize(
    ("properties", "attributes", "names"),
    [
        ("", 'hdrgm:Version="1.0"', ("gain map",)),
        ('<h:Map xmlns:h="http://ns.apple.com/HDRGainMap/1.0/">1</h:Map>', "", ("gain map",)),
        (DIRECTORY.format("GainMap", "image/jpeg", 9), "", ("gain map",)),
        (DIRECTORY.format("MotionPhoto", "video/mp4", 9), 'GCamera:MotionPhoto="1"', ("motion video",)),
        ("<GCamera:MicroVideoOffset>7</GCamera:MicroVideoOffset>", "", ("motion video",)),
        (THUMBNAILS, "", ("thumbnail",)),
        ("", 'xmpNote:HasExtendedXMP="ABC"', ("incomplete extended XMP",)),
        ('<d:Data xmlns:d="http://ns.google.com/photos/1.0/depthmap/">AAAA</d:Data>', "", ("depth map",)),
        ("<tiff:Orientation>6</tiff:Orientation>", 'exif:PixelXDimension="64"', ()),
    ],
)
def test_only_what_no_longer_holds_goes(properties: str, attributes: str, names: tuple[str, ...]) -> None:
    plain = xmp_packet(CAPTION, 'xmp:Rating="4" ')
    packet, left_out = cleaned(properties + CAPTION, f'xmp:Rating="4" {attributes}')
    assert left_out == names
    assert packet.replace(b" >", b">") == plain.replace(b" >", b">")


def test_what_holds_stays_byte_for_byte() -> None:
    packet = xmp_packet(CAPTION, 'xmp:Rating="4" GCamera:BurstID="b" crs:CropTop="0.1"')
    parsed = parse(packet)
    assert parsed is not None
    assert clean_xmp(parsed, Move(1, (64, 48), (64, 48))) == (packet, ())


def test_orientation() -> None:
    for packet, orientation in ((xmp_packet("", 'tiff:Orientation="6"'), 6), (xmp_packet("", 'tiff:Orientation="9"'), None)):
        parsed = parse(packet)
        assert parsed is not None
        assert xmp_orientation(parsed) == orientation


@pytest.mark.parametrize(
    "stale", ['<r tiff:Orientation="8" dc:title="t"/>', '<r dc:title="t"><tiff:Orientation >8</tiff:Orientation></r>']
)
def test_no_orientation_is_left_that_a_search_of_the_text_would_find(stale: str) -> None:
    """Pillow turns pictures by it, wherever it stands."""
    packet = parse(f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{stale}</x:xmpmeta>'.encode())
    assert packet is not None
    cleaned_packet, _ = clean_xmp(packet, Move(8, (48, 64), (64, 48)))
    assert b"tiff:Orientation" not in cleaned_packet
    assert b'dc:title="t"' in cleaned_packet
