"""Face tags: names and boxes out of XMP, whatever wrote it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fakes import decode_photo, exif_block
from metadata_samples import MWG, face_regions, png, xmp_packet

from laa_cli.photo import FaceTag
from laa_cli.photo.metadata.face_tags import MAX_NAME, MAX_TAGS, read_face_tags

WIDTH, HEIGHT = 400, 200
ACDSEE = "http://ns.acdsee.com/regions/"
Area = tuple[float | str, ...]


def region(
    name: str = "", area: Area = (0.25, 0.5, 0.1, 0.2), kind: str = 'mwg-rs:Type="Face"', unit: str = "normalized"
) -> str:
    """One of MWG's regions; `area`: x, y, w, h, or x, y, d."""
    keys = "xyd" if len(area) == 3 else "xywh"
    said = " ".join(f'stArea:{key}="{value}"' for key, value in zip(keys, area, strict=True))
    named = f'mwg-rs:Name="{name}"' if name else ""
    return f'<rdf:li><rdf:Description {named} {kind}><mwg-rs:Area {said} stArea:unit="{unit}"/></rdf:Description></rdf:li>'


def mwg(*regions: str, size: str = f'stDim:w="{WIDTH}" stDim:h="{HEIGHT}" stDim:unit="pixel"') -> str:
    applied = f"<mwg-rs:AppliedToDimensions {size}/>" if size else ""
    listed = f"<mwg-rs:RegionList><rdf:Bag>{''.join(regions)}</rdf:Bag></mwg-rs:RegionList>"
    return f'<mwg-rs:Regions rdf:parseType="Resource">{applied}{listed}</mwg-rs:Regions>'


def microsoft(*faces: tuple[str, str]) -> str:
    """Microsoft's regions; each with a name and a rectangle."""
    items = "".join(
        f'<rdf:li MPReg:Rectangle="{rectangle}"' + (f' MPReg:PersonDisplayName="{name}"/>' if name else "/>")
        for name, rectangle in faces
    )
    return f'<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>{items}</rdf:Bag></MPRI:Regions></MP:RegionInfo>'


def read(properties: str) -> tuple[FaceTag, ...]:
    return read_face_tags(xmp_packet(properties), WIDTH, HEIGHT)


def names(properties: str) -> list[str]:
    return [tag.name for tag in read(properties)]


def box_of(properties: str) -> tuple[float, ...]:
    (tag,) = read(properties)
    return pytest.approx(tag.box_xyxy)


def test_no_tags() -> None:
    assert read_face_tags(None, WIDTH, HEIGHT) == read_face_tags(b"<x", WIDTH, HEIGHT) == read("") == ()


def test_both_formats_of_one_face_are_one_tag() -> None:
    (tag,) = read(face_regions(WIDTH, HEIGHT, ("0.25", "0.5", "0.1", "0.2"), "0.2, 0.4, 0.1, 0.2"))
    assert tag.name == "Ada"
    assert tag.box_xyxy == pytest.approx((80, 80, 120, 120))


def test_microsoft_alone() -> None:
    assert box_of(microsoft(("Ada", "0.2, 0.4, 0.1, 0.2"))) == (80, 80, 120, 120)


def test_units_and_circles() -> None:
    expected = (80, 80, 120, 120)
    assert box_of(mwg(region(area=(100, 100, 40, 40), unit="pixel"))) == expected
    assert box_of(mwg(region(area=(0.25, 0.5, 0.2)))) == expected  # of the shorter side
    assert box_of(mwg(region(area=(100, 100, 40), unit="pixel"))) == expected
    assert box_of(mwg(region(area=(50, 50, 20, 20), unit="pixel"), size='stDim:w="200" stDim:h="100"')) == expected
    assert box_of(mwg(region(area=(100, 100, 40, 40), unit="pixel"), size="")) == expected
    assert box_of(mwg(region(), size="")) == expected


def test_acdsee() -> None:
    text = mwg(region("Ada")).replace("mwg-rs:Area", "mwg-rs:DLYArea").replace("mwg-rs:", "a:")
    for prefix, name in (("stDim", "Dimensions"), ("stArea", "Area")):
        text = text.replace(f"{prefix}:", f"acdsee-{prefix}:")
        text = text.replace("<a:Regions", f'<a:Regions xmlns:acdsee-{prefix}="http://ns.acdsee.com/sType/{name}#"')
    text = text.replace("<a:Regions", f'<a:Regions xmlns:a="{ACDSEE}"')
    assert box_of(text) == (80, 80, 120, 120)
    assert names(text) == ["Ada"]
    assert names(text + microsoft(("Ada", "0.2, 0.4, 0.1, 0.2"))) == ["Ada"]


def test_elements_instead_of_attributes() -> None:
    inside = "".join(
        f"<stArea:{key}> {value}\n</stArea:{key}>" for key, value in zip("xywh", (0.25, 0.5, 0.1, 0.2), strict=True)
    )
    resource = 'rdf:parseType="Resource"'
    item = f"<rdf:li {resource}><r:Area {resource}>{inside}</r:Area><r:Name>A &amp; B</r:Name></rdf:li>"
    text = f'<r:Regions xmlns:r="{MWG}" {resource}><r:RegionList><rdf:Bag>{item}</rdf:Bag></r:RegionList></r:Regions>'
    assert read(text) == (FaceTag("A & B", pytest.approx((80, 80, 120, 120))),)


@pytest.mark.parametrize("kind", ["Pet", "Focus", "BarCode", "Unknown"])
def test_what_is_no_face(kind: str) -> None:
    assert read(mwg(region("Rex", kind=f'mwg-rs:Type="{kind}"'))) == ()
    assert names(mwg(region("Ada", kind=""))) == ["Ada"]


@pytest.mark.parametrize(
    "area",
    [
        (1.5, 0.5, 0.1, 0.2), (-0.1, 0.5, 0.1, 0.2), (0.25, 0.5, 0, 0.2), (0.25, 0.5, -0.1, 0.2), (0.25, 0.5, 0.001, 0.2),
        ("NaN", 0.5, 0.1, 0.2), (0.25, 0.5, "inf", 0.2), (0.25, 0.5, "1e99", 0.2), ("", 0.5, 0.1, 0.2), (0.25, 0.5, -0.1),
    ],
)  # fmt: skip
def test_a_region_without_place_costs_no_other(area: Area) -> None:
    assert names(mwg(region("Bad", area), region("Ada"))) == ["Ada"]


@pytest.mark.parametrize(
    "rectangle", ["", "1, 2, 3", "0.2, 0.4, 0.1, 0.2, 0.3", "NaN, 0, 1, 1", "0.9, 0.9, 0.4, 0.4", "0, 0, 0, 0"]
)
def test_a_rectangle_without_place_costs_no_other(rectangle: str) -> None:
    assert names(microsoft(("Bad", rectangle), ("Ada", "0.2, 0.4, 0.1, 0.2"))) == ["Ada"]


def test_what_reaches_over_the_edge_is_cut_off() -> None:
    assert box_of(mwg(region(area=(0.05, 0.5, 0.2, 3)))) == (0, 0, 60, 200)


def test_tags_of_another_crop_are_passed_over() -> None:
    assert read(mwg(region("Ada"), size='stDim:w="200" stDim:h="400"')) == ()
    assert names(mwg(region("Ada"), size='stDim:w="200" stDim:h="400"') + microsoft(("Bob", "0.2, 0.4, 0.1, 0.2"))) == ["Bob"]
    assert names(mwg(region("Ada"), size='stDim:w="NaN" stDim:h="0"')) == ["Ada"]


def test_the_same_face() -> None:
    there, nearby, elsewhere = "0.2, 0.4, 0.1, 0.2", "0.21, 0.41, 0.1, 0.2", "0.26, 0.4, 0.1, 0.2"
    assert names(mwg(region()) + microsoft(("Ada", nearby))) == ["Ada"]
    assert names(mwg(region("Ada")) + microsoft(("", nearby), ("ADA", there))) == ["Ada"]
    assert names(mwg(region("Ada")) + microsoft(("Bob", there))) == ["Ada", "Bob"]
    assert names(mwg(region("Ada")) + microsoft(("Ada", elsewhere))) == ["Ada", "Ada"]
    assert names(mwg(region(), region(area=(0.75, 0.5, 0.1, 0.2)))) == ["", ""]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("&lt;b&gt;Ada&lt;/b&gt; [red]", "<b>Ada</b> [red]"),
        (" Ada\n\t&#10;&#13; Lovelace&#xA0;", "Ada Lovelace"),
        ("A\u202eda\u2066 \u200fL\u200b\ufeff", "Ada L"),
        ("Jose\u0301", "José"),
        ("می\u200cخواهم \u200d", "می\u200cخواهم"),
        ("x" * 5000, "x" * MAX_NAME),
        ("\u200e", ""),
    ],
)
def test_names_are_text_on_one_line(said: str, name: str) -> None:
    assert names(mwg(region(said))) == [name]
    assert names(microsoft((said, "0.2, 0.4, 0.1, 0.2"))) == [name]


def test_a_multitude() -> None:
    def face(number: int) -> str:
        return region(f"P{number}", ((number % 100) / 100, (number // 100) / 100, 0.01, 0.01))

    assert len(read(mwg(*map(face, range(100))))) == 100
    assert len(read(mwg(*map(face, range(10_000))))) == MAX_TAGS


def test_damaged_packets() -> None:
    packet = xmp_packet(mwg(region("Ada")))
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + packet.replace(b"Ada", b"&b;")
    for damaged in (packet[: len(packet) // 2], b"no XML", bomb, b"\xff" * 10_000):
        assert read_face_tags(damaged, WIDTH, HEIGHT) == ()
    assert [
        tag.name for tag in read_face_tags(packet.replace(b"</x:xmpmeta>", b"</x:xmpmeta>" + b" " * 10_000_000), WIDTH, HEIGHT)
    ] == ["Ada"]


def stored(packet: bytes) -> bytes:
    """A photo that is stored turned."""
    return png((b"eXIf", exif_block(6)[6:]), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))


def test_every_tag_of_many_is_turned_and_kept() -> None:
    places = [((number % 100) / 100 + 0.005, (number // 100) / 100 + 0.005) for number in range(10_000)]
    many = (region(f"P{number}", (x, y, 0.05, 0.05)) for number, (x, y) in enumerate(places))
    photo = decode_photo(stored(xmp_packet(mwg(*many, size='stDim:w="64" stDim:h="48"'))))
    xmp = photo.with_pixels(photo.pixels.repeat(2, 0).repeat(2, 1)).metadata.xmp or b""
    assert not photo.metadata.left_out
    assert [float(text) for text in re.findall(rb'stArea:x="([^"]*)"', xmp)] == pytest.approx([1 - y for _, y in places])
    assert xmp.count(b"mwg-rs:Name=") == 10_000
    assert b'stDim:w="96" stDim:h="128"' in xmp


def test_damage_is_one_notice_and_costs_no_pixels() -> None:
    packet = xmp_packet(mwg(region("Ada"), size=""))
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + packet.replace(b"Ada", b"&b;")
    for damaged in (packet[: len(packet) // 2], b"no XML", bomb, b"<a>" * 3_000_000):
        photo = decode_photo(stored(damaged))
        assert photo.metadata.left_out == ("damaged XMP",)
        assert (photo.face_tags, photo.metadata.xmp) == ((), None)
        np.testing.assert_array_equal(photo.pixels, decode_photo(stored(packet)).pixels)
