"""Face regions, subject areas and panoramas: the same pixels before and after, for every orientation."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pytest
from fakes import decode_photo, encode_image
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_samples import CAPTION, MWG, face_regions, xmp_packet
from PIL import Image

from laa_cli.photo import Photo, encode_photo
from laa_cli.photo.metadata.png_chunks import chunk
from laa_cli.photo.metadata.regions import Move, move_subject
from laa_cli.photo.metadata.xmp_cleaning import clean_xmp, parse

WIDTH, HEIGHT, SCALE = 64, 48, 2
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
Box = tuple[int, int, int, int]


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    return x, y, draw(st.integers(1, WIDTH - x)), draw(st.integers(1, HEIGHT - y))


def tagged_png(pixels: np.ndarray, orientation: int, properties: str) -> bytes:
    """A lossless photo with tags, and stored in that orientation."""
    plain = encode_photo(Photo(pixels), ".png")
    exif = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet(CAPTION + properties)
    return plain[:33] + chunk(b"eXIf", exif) + chunk(b"iTXt", xmp) + plain[33:]


def tags(box: Box, unit: str = "normalized", size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """A face there, by both kinds of tags."""
    x, y, w, h = box
    across, down = (WIDTH, HEIGHT) if unit == "normalized" else (Decimal(WIDTH) / size[0], Decimal(HEIGHT) / size[1])
    area = tuple(f"{Decimal(value) / Decimal(side):.12f}" for value, side in zip(
        (Decimal(2 * x + w) / 2, Decimal(2 * y + h) / 2, w, h), (across, down, across, down), strict=True))  # fmt: skip
    rectangle = ", ".join(f"{Decimal(value) / side:.12f}" for value, side in zip(box, (WIDTH, HEIGHT) * 2, strict=True))
    return face_regions(*size, area, rectangle, unit)


def number(xmp: str, name: str) -> float:
    """The value of an attribute."""
    return float(re.search(rf'{name}="([^"]*)"', xmp)[1])  # type: ignore[index]


def tagged_boxes(photo: Photo) -> tuple[Box, Box, tuple[float, float]]:
    """What both kinds of tags name, in pixels of the photo, and AppliedToDimensions; read without laa."""
    xmp = (photo.metadata.xmp or b"").decode()
    applied = number(xmp, "stDim:w"), number(xmp, "stDim:h")
    size = (photo.width, photo.height)
    frame = size if 'stArea:unit="normalized"' in xmp else tuple(have / said for have, said in zip(size, applied, strict=True))
    x, y, w, h = (number(xmp, f"stArea:{name}") * side for name, side in zip("xywh", frame * 2, strict=True))
    microsoft = [float(part) for part in re.search(r'MPReg:Rectangle="([^"]*)"', xmp)[1].split(",")]  # type: ignore[index]
    second = tuple(round(value * side) for value, side in zip(microsoft, size * 2, strict=True))
    return (round(x - w / 2), round(y - h / 2), round(w), round(h)), second, applied  # type: ignore[return-value]


def crop(pixels: np.ndarray, box: Box) -> np.ndarray:
    x, y, w, h = box
    return pixels[y : y + h, x : x + w]


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns pixels by Pillow."""
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # Image.Transpose
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(Image.Transpose(turn)))


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 8), boxes(), st.sampled_from(["normalized", "pixel"]))
def test_the_tagged_pixels_are_the_same_face(orientation: int, box: Box, unit: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    photo = decode_photo(tagged_png(pixels, orientation, tags(box, unit)))
    face = upright(crop(pixels, box), orientation)
    for shown in (photo, photo.with_pixels(photo.pixels.repeat(SCALE, 0).repeat(SCALE, 1))):
        scale = shown.width // photo.width
        first, second, applied = tagged_boxes(shown)
        assert first == second
        assert applied == (shown.width, shown.height)
        np.testing.assert_array_equal(crop(shown.pixels, first), face.repeat(scale, 0).repeat(scale, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tags_made_for_a_smaller_copy(orientation: int) -> None:
    box = (8, 16, 20, 12)
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    photo = decode_photo(tagged_png(pixels, orientation, tags(box, "pixel", (WIDTH // 2, HEIGHT // 2))))
    first, second, applied = tagged_boxes(photo)
    assert first == second
    assert applied == (photo.width, photo.height)
    np.testing.assert_array_equal(crop(photo.pixels, first), upright(crop(pixels, box), orientation))


@pytest.mark.parametrize("orientation", range(5, 9))
def test_tags_of_the_upright_picture_are_not_turned(orientation: int) -> None:
    regions = face_regions(HEIGHT, WIDTH, ("0.25", "0.5", "0.125", "0.25"), "0.1875, 0.375, 0.125, 0.25")
    photo = decode_photo(tagged_png(np.zeros((HEIGHT, WIDTH, 3), np.uint8), orientation, regions))
    assert regions.encode() in (photo.metadata.xmp or b"")


def test_tags_of_another_crop_stay_as_wrong_as_they_were() -> None:
    regions = face_regions(100, 20, ("0.25", "0.5", "0.125", "0.25"), "0.1875, 0.375, 0.125, 0.25")
    photo = decode_photo(tagged_png(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 6, regions))
    assert tagged_boxes(photo)[2] == (20, 100)
    assert tagged_boxes(photo.with_pixels(np.zeros((4 * WIDTH, 4 * HEIGHT, 3), np.uint8)))[2] == (80, 400)


ELEMENT_FORM = (
    f'<r:Regions xmlns:r="{MWG}" rdf:parseType="Resource"><r:AppliedToDimensions rdf:parseType="Resource">'
    "<stDim:w>{}</stDim:w><stDim:h>{}</stDim:h></r:AppliedToDimensions><r:RegionList><rdf:Bag><rdf:li rdf:parseType='Resource'>"
    "<r:Area rdf:parseType='Resource'><stArea:y>{}</stArea:y><stArea:x>{}</stArea:x></r:Area><r:Name>Ada</r:Name>"
    "</rdf:li></rdf:Bag></r:RegionList></r:Regions>"
)


def cleaned(properties: str, orientation: int = 6) -> tuple[str, tuple[str, ...]]:
    packet = parse(xmp_packet(properties))
    assert packet is not None
    size = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    xmp, left_out = clean_xmp(packet, Move(orientation, (WIDTH, HEIGHT), size))
    return xmp.decode(), left_out


def test_elements_are_edited_in_place() -> None:
    assert cleaned(ELEMENT_FORM.format(64, 48, "0.2", "0.7")) == (
        xmp_packet(ELEMENT_FORM.format(48, 64, "0.7", "0.8")).decode(),
        (),
    )


def test_acdsee_has_the_same_structure() -> None:
    acdsee = ELEMENT_FORM.replace(MWG, "http://ns.acdsee.com/regions/").replace("r:Area", "r:DLYArea")
    for prefix, name in (("stDim", "Dimensions"), ("stArea", "Area")):
        acdsee = acdsee.replace(f"{prefix}:", f"acdsee-{prefix}:").replace(
            "<r:Regions", f'<r:Regions xmlns:acdsee-{prefix}="http://ns.acdsee.com/sType/{name}#"'
        )
    assert cleaned(acdsee.format(64, 48, "0.2", "0.7"))[0] == xmp_packet(acdsee.format(48, 64, "0.7", "0.8")).decode()


@pytest.mark.parametrize("number", ["", "NaN", "1e999", "0x1", "9" * 50, "-"])
def test_damaged_tags_are_left_out(number: str) -> None:
    xmp, left_out = cleaned(ELEMENT_FORM.format(64, 48, number, "0.7") + CAPTION)
    assert left_out == ("damaged face regions",)
    assert "Ada" not in xmp
    assert CAPTION in xmp
    assert cleaned(f"<MP:RegionInfo>{tags((1, 2, 3, 4)).split('<MP:RegionInfo>')[1].replace('0.0', 'x')}")[1] == left_out


def test_a_damaged_tag_costs_no_other() -> None:
    both = tags((8, 16, 20, 12))
    item, rectangle = re.findall("<rdf:li>.*?</rdf:li>", both)
    damaged = re.sub(r'stArea:x="[^"]*"', 'stArea:x="?"', item).replace("Ada", "Bob")
    worse = re.sub(r'Rectangle="[^"]*"', 'Rectangle="1, 2"', rectangle).replace("Ada", "Bob")
    expected = cleaned(both)[0]
    assert cleaned(both.replace(item, damaged + item).replace(rectangle, rectangle + worse)) == (
        expected,
        ("damaged face regions",),
    )


@pytest.mark.parametrize("size", ["", "NaN", "0", "-64"])
def test_damaged_dimensions_cost_no_tag(size: str) -> None:
    both = tags((8, 16, 20, 12))
    xmp, left_out = cleaned(both.replace('stDim:w="64"', f'stDim:w="{size}"'))
    assert left_out == ("damaged face regions",)
    assert re.sub("<mwg-rs:AppliedToDimensions[^>]*>", "", cleaned(both)[0]) == xmp


def test_tags_in_a_tiff_are_turned_with_its_pixels() -> None:
    packet = xmp_packet(tags((1, 2, 30, 10)), 'tiff:Orientation="6"')
    box, turns = (1, 2, 30, 10), ({700: packet}, {700: packet, 274: 3}, {700: packet, 274: 8})
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    for info, orientation in zip(turns, (6, 3, 8), strict=True):
        photo = decode_photo(encode_image(Image.fromarray(pixels), "TIFF", tiffinfo=info))
        np.testing.assert_array_equal(crop(photo.pixels, tagged_boxes(photo)[0]), upright(crop(pixels, box), orientation))


def test_panoramas_scale_and_cannot_be_turned() -> None:
    panorama = f'<P:FullPanoWidthPixels xmlns:P="{PANORAMA}">{{}}</P:FullPanoWidthPixels>'
    assert cleaned(panorama.format(64))[1] == ("panorama geometry",)
    photo = decode_photo(tagged_png(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 1, panorama.format(64)))
    larger = photo.with_pixels(np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8))
    assert panorama.format(128).encode() in (larger.metadata.xmp or b"")


def test_image_regions_stay_where_nothing_moves() -> None:
    region = (
        f'<I:ImageRegion xmlns:I="{IPTC}"><rdf:Bag><rdf:li rdf:parseType="Resource"><I:RegionBoundary rdf:parseType="Resource">'
        "<I:rbUnit>relative</I:rbUnit></I:RegionBoundary></rdf:li></rdf:Bag></I:ImageRegion>"
    )
    assert cleaned(region, 1) == (xmp_packet(region).decode(), ())
    assert cleaned(region, 6)[1] == ("image regions (IPTC)",)
    assert cleaned(region.replace("relative", "pixel"), 1)[1] == ("image regions (IPTC)",)


def test_subject_areas() -> None:
    move = Move(6, (WIDTH, HEIGHT), (HEIGHT * 4, WIDTH * 4))
    assert move_subject([20, 10], move) == [152, 80]
    assert move_subject([20, 10, 5], move) == [152, 80, 20]
    assert move_subject([20, 10, 8, 6], move) == [152, 80, 24, 32]
    area = "<exif:SubjectArea><rdf:Seq><rdf:li>{}</rdf:li><rdf:li>{}</rdf:li></rdf:Seq></exif:SubjectArea>"
    assert cleaned(area.format(20, 10))[0] == xmp_packet(area.format(38, 20)).decode()
    assert cleaned(area.format(20, "x"))[1] == ("damaged subject area",)
