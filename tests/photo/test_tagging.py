"""Tags added to photos' files: where the faces are, in every orientation and format, and all else byte for byte."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fakes import decode_photo, encode_image, exif_block
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_samples import CAPTION, extended_packet, face_regions, jpeg, png, ten_photos, wave_image, xmp_packet, xmp_segment
from PIL import Image

from laa_cli.errors import LaaError
from laa_cli.photo.metadata.extended_xmp import MAIN_BYTES
from laa_cli.photo.metadata.ifd import first_offset, read_directory
from laa_cli.photo.metadata.jpeg_segments import APP1, APP2, build_segment, read_jpeg, read_segments
from laa_cli.photo.metadata.png_chunks import read_chunks
from laa_cli.photo.tagging import add_face_tags

WIDTH, HEIGHT = 64, 48
BOX = (10.0, 12.5, 26.0, 31.0)  # in the upright picture
EXIFTOOL = shutil.which("exiftool")
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"


def tiff(orientation: int, xmp: bytes | None, **options: object) -> bytes:
    """A TIFF, with its directory before or after the pixels as tifffile likes."""
    buffer = io.BytesIO()
    tags = [(274, 3, 1, orientation, True), (270, 2, 0, "said", True)] + ([(700, 1, len(xmp), xmp, True)] if xmp else [])
    tifffile.imwrite(buffer, np.asarray(wave_image()), photometric="rgb", metadata=None, extratags=tags, **options)
    return buffer.getvalue()


def png_of(orientation: int, xmp: bytes | None) -> bytes:
    text = [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)] if xmp else []
    return png((b"eXIf", exif_block(orientation)[6:]), (b"tEXt", b"Title\0A title"), *text)


MAKERS: dict[str, Callable[[int, bytes | None], bytes]] = {
    "jpg": lambda orientation, xmp: jpeg(*[xmp_segment(xmp)] if xmp else [], orientation=orientation),
    "png": png_of,
    "webp": lambda orientation, xmp: encode_image(
        wave_image(), "WEBP", exif=exif_block(orientation), **({"xmp": xmp} if xmp else {})
    ),
    "tif": tiff,
    "big.tif": lambda orientation, xmp: tiff(orientation, xmp, byteorder=">", bigtiff=True, compression="zlib"),
}


def bare(content: bytes) -> list[bytes]:
    """A JPEG, PNG or WebP file in parts, without those of XMP."""
    if content.startswith(b"\xff\xd8"):
        found = list(read_segments(content))
        segments = [content[start:end] for _, start, end in found]
        return [*(part for part in segments if b"ns.adobe.com/x" not in part[:40]), content[found[-1][2] :]]
    if content.startswith(b"\x89PNG"):
        return [
            content[start:end] for kind, start, end in read_chunks(content) if b"XML:com" not in content[start : start + 30]
        ]
    if content.startswith(b"RIFF"):
        parts, place = [], 12
        while place < len(content):
            kind, size = struct.unpack_from("<4sI", content, place)
            parts += [content[place : place + 8 + size]] if kind not in (b"XMP ", b"VP8X") else []
            place += 8 + size + size % 2
        return parts
    raise AssertionError(content[:4])


def assert_else_unchanged(before: bytes, after: bytes) -> None:
    if before[:2] in (b"II", b"MM"):
        old, new = (read_directory(content, first_offset(content), 1 << 30) for content in (before, after))
        assert {tag: entry for tag, entry in new.items() if tag != 700} == {
            tag: entry for tag, entry in old.items() if tag != 700
        }
        assert after[16 : len(before)] == before[16:]
    else:
        assert bare(after) == bare(before)
    first, second = decode_photo(before), decode_photo(after)
    np.testing.assert_array_equal(second.pixels, first.pixels)
    assert (second.metadata.exif, second.metadata.text) == (first.metadata.exif, first.metadata.text)


def upright_size(orientation: int) -> tuple[int, int]:
    return (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)


def exiftool_box(content: bytes, suffix: str, folder: Path) -> tuple[tuple[float, ...], str]:
    """The region's box in pixels of the stored picture, and the size that it applies to."""
    path = folder / f"x.{suffix}"
    path.write_bytes(content)
    options = ["-j", "-n", "-struct", "-validate", "-warning", "-a", "-RegionInfo", "-ImageSize"]
    (read,) = json.loads(subprocess.run([str(EXIFTOOL), *options, path], check=True, capture_output=True, timeout=60).stdout)
    assert "XMP" not in str(read.get("Warning"))
    size, (region,) = read["RegionInfo"]["AppliedToDimensions"], read["RegionInfo"]["RegionList"]
    assert f"{size['W']} {size['H']}" == read["ImageSize"]
    assert region["Type"] == "Face"
    x, y, w, h = (region["Area"][key] * side for key, side in zip("XYWH", (WIDTH, HEIGHT) * 2, strict=True))
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2), read["ImageSize"]


def stored_box(orientation: int) -> tuple[float, ...]:
    """BOX in the stored picture, by Pillow: as a mask of 4 points a pixel, turned back."""
    width, height = upright_size(orientation)
    mask = np.zeros((height * 4, width * 4), np.uint8)
    left, top, right, bottom = (round(value * 4) for value in BOX)
    mask[top:bottom, left:right] = 1
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)  # Image.Transpose
    turned = mask if back is None else np.asarray(Image.fromarray(mask).transpose(Image.Transpose(back)))
    rows, columns = np.nonzero(turned)
    return columns.min() / 4, rows.min() / 4, (columns.max() + 1) / 4, (rows.max() + 1) / 4


@pytest.mark.parametrize("suffix", [*MAKERS])
@pytest.mark.parametrize("xmp", [None, xmp_packet()], ids=["new", "there"])
def test_every_format_and_orientation(suffix: str, xmp: bytes | None, tmp_path: Path) -> None:
    for orientation in range(1, 9):
        content = MAKERS[suffix](orientation, xmp)
        tagged, added = add_face_tags(content, [BOX], "a photo")
        assert added == 1
        photo = decode_photo(tagged)
        assert (photo.width, photo.height) == upright_size(orientation)
        (tag,) = photo.face_tags
        assert tag.name == ""
        assert tag.box_xyxy == pytest.approx(BOX, abs=1e-5)
        assert_else_unchanged(content, tagged)
        if xmp is not None:
            assert CAPTION.encode() in (photo.metadata.xmp or b"")
        if EXIFTOOL and (orientation == 6 or suffix == "jpg"):
            assert exiftool_box(tagged, suffix, tmp_path)[0] == pytest.approx(stored_box(orientation), abs=1e-4)
        assert add_face_tags(tagged, [BOX], "a photo") == (tagged, 0)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 8), st.sampled_from([*MAKERS]), st.lists(st.tuples(*[st.floats(-20, 90)] * 4), min_size=1, max_size=4))
def test_any_boxes(orientation: int, suffix: str, corners: list[tuple[float, ...]]) -> None:
    boxes = [(min(a, c), min(b, d), max(a, c) + 2, max(b, d) + 2) for a, b, c, d in corners]
    content = MAKERS[suffix](orientation, None)
    tagged, added = add_face_tags(content, boxes, "a photo")
    assert len(decode_photo(tagged).face_tags) <= added <= len(boxes)  # those on top of each other are read as one
    width, height = upright_size(orientation)
    cut = [(max(a, 0), max(b, 0), min(c, width), min(d, height)) for a, b, c, d in boxes]
    for tag in decode_photo(tagged).face_tags:
        assert any(tag.box_xyxy == pytest.approx(box, abs=1e-5) for box in cut)
    assert add_face_tags(tagged, boxes, "a photo")[1] == 0
    assert_else_unchanged(content, tagged)


# Tags that are there


def existing(orientation: int = 6) -> bytes:
    """A photo stored at 64x48 with one face, Ada's, in both formats."""
    regions = face_regions(64, 48, ("0.25", "0.5", "0.125", "0.25"), "0.1875, 0.375, 0.125, 0.25")
    return jpeg(xmp_segment(xmp_packet(CAPTION + regions)), orientation=orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tags_stay_and_get_no_second(orientation: int) -> None:
    content = existing(orientation)
    (ada,) = decode_photo(content).face_tags
    left, top, right, bottom = ada.box_xyxy
    near = (left + 1, top + 1, right + 1, bottom + 2)
    within = (left + 2, top + 2, left + 4, top + 4)
    far = (1.0, 1.0, 9.0, 9.0)
    assert add_face_tags(content, [near, within], "a photo") == (content, 0)
    tagged, added = add_face_tags(content, [near, far], "a photo")
    assert added == 1
    photo = decode_photo(tagged)
    first, second = photo.face_tags  # both formats have both
    assert first == ada
    assert (second.name, second.box_xyxy) == ("", pytest.approx(far, abs=1e-5))
    xmp = photo.metadata.xmp or b""
    assert xmp.count(b"MPReg:Rectangle") == xmp.count(b"<mwg-rs:Area") == 2


def test_tags_made_for_the_upright_picture_get_more_of_those() -> None:
    regions = face_regions(48, 64, ("0.25", "0.5", "0.125", "0.25"), "0.1875, 0.375, 0.125, 0.25")
    tagged, added = add_face_tags(jpeg(xmp_segment(xmp_packet(regions)), orientation=6), [(30, 40, 40, 50)], "a photo")
    assert added == 1
    assert decode_photo(tagged).face_tags[1].box_xyxy == pytest.approx((30, 40, 40, 50), abs=1e-5)


def test_tags_of_another_crop_are_not_mixed_with_new_ones() -> None:
    regions = face_regions(100, 20, ("0.25", "0.5", "0.125", "0.25"), "0.1875, 0.375, 0.125, 0.25").split("<MP:")[0]
    with pytest.raises(LaaError, match="a photo: its face regions are those of a picture of 100x20, not of 64x48"):
        add_face_tags(jpeg(xmp_segment(xmp_packet(regions))), [BOX], "a photo")


REGIONS = '<mwg-rs:Regions rdf:parseType="Resource">{}</mwg-rs:Regions>'
APPLIED = '<mwg-rs:AppliedToDimensions stDim:w="64" stDim:h="48" stDim:unit="pixel"/>'
BAG = "<mwg-rs:RegionList><rdf:Bag/></mwg-rs:RegionList>"


@pytest.mark.parametrize(
    "properties",
    [
        "<mwg-rs:Regions/>",
        REGIONS.format(""),
        REGIONS.format(APPLIED),
        REGIONS.format(BAG),
        REGIONS.format(APPLIED + "<mwg-rs:RegionList/>"),
        REGIONS.format(APPLIED.replace("64", "x") + BAG),
        f"<mwg-rs:Regions><rdf:Description>{APPLIED}</rdf:Description></mwg-rs:Regions>",
        f"<mwg-rs:Regions><rdf:Description>{BAG}</rdf:Description></mwg-rs:Regions><MP:RegionInfo/>",
        f'<r:Regions xmlns:r="{"http://www.metadataworkinggroup.com/schemas/regions/"}" xmlns:mwg-rs="urn:x" '
        'rdf:parseType="Resource"><r:RegionList><rdf:Bag/></r:RegionList></r:Regions>',
    ],
)
def test_what_is_missing_around_regions_is_added(properties: str) -> None:
    tagged, added = add_face_tags(jpeg(xmp_segment(xmp_packet(CAPTION + properties))), [BOX], "a photo")
    assert added == 1
    photo = decode_photo(tagged)
    assert [tag.box_xyxy for tag in photo.face_tags] == [pytest.approx(BOX, abs=1e-5)]
    xmp = photo.metadata.xmp or b""
    assert xmp.count(b"AppliedToDimensions ") == xmp.count(b'w="64"') == 1
    assert not photo.metadata.left_out


# Files of other kinds


def test_extended_xmp_is_kept_and_goes_on() -> None:
    packet, parts = extended_packet()
    content = jpeg(xmp_segment(packet), *((APP1, EXTENSION + part) for part in parts))
    tagged, added = add_face_tags(content, [BOX], "a photo")
    assert added == 1
    assert_else_unchanged(content, tagged)
    photo = decode_photo(tagged)
    assert b"drawn drawn" in (photo.metadata.xmp or b"")
    assert photo.face_tags[0].box_xyxy == pytest.approx(BOX, abs=1e-5)
    assert b"mwg-rs:Regions" in read_jpeg(tagged).xmp


def test_an_incomplete_extension_stays() -> None:
    packet, parts = extended_packet()
    content = jpeg(xmp_segment(packet), (APP1, EXTENSION + parts[0]))
    tagged, added = add_face_tags(content, [BOX], "a photo")
    assert added == 1
    assert read_jpeg(tagged).extended_xmp == read_jpeg(content).extended_xmp
    assert b"HasExtendedXMP" in read_jpeg(tagged).xmp
    padding = f"<photoshop:History>{'x' * (MAIN_BYTES - len(packet))}</photoshop:History>"
    full = packet.replace(CAPTION.encode(), padding.encode())
    with pytest.raises(LaaError, match="a photo: its XMP would be over 64 KB"):
        add_face_tags(jpeg(xmp_segment(full), (APP1, EXTENSION + parts[0])), [BOX], "a photo")


def with_pictures(content: bytes, order: str, place: int) -> bytes:
    """A JPEG followed by another, told of by MPF in its `place`th segment."""
    preview = encode_image(wave_image(16, 16), "JPEG")

    def segment(first: int, second: int) -> bytes:
        entries = struct.pack(f"{order}IIIHH", 0x030000, first, 0, 0, 0) + struct.pack(
            f"{order}IIIHH", 1, len(preview), second, 0, 0
        )
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1)
        return build_segment(APP2, b"MPF\0" + head + struct.pack(f"{order}HHIII", 0xB002, 7, 32, 26, 0) + entries)

    at = [end for _, _, end in read_segments(content)][place]
    whole = len(content) + len(segment(0, 0))
    return content[:at] + segment(whole, whole - at - 8) + content[at:] + preview


def pictures(content: bytes) -> list[bytes]:
    """The pictures that MPF tells of, cut out."""
    ((start, body),) = [
        (a, content[a + 8 : b]) for marker, a, b in read_segments(content) if content.startswith(b"MPF\0", a + 4)
    ]
    (entry,) = read_directory(body, first_offset(body)).values()
    order = "<" if body[:2] == b"II" else ">"
    listed = [struct.unpack_from(f"{order}II", body, 30 + 16 * number) for number in range(len(entry.payload) // 16)]
    return [content[offset and offset + start + 8 :][:size] for size, offset in listed]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("xmp", [False, True])
def test_further_pictures_are_found_where_they_moved_to(order: str, place: int, xmp: bool) -> None:
    plain = jpeg(*[xmp_segment(xmp_packet())] * xmp)
    content = with_pictures(plain, order, place)
    first, second = pictures(content)
    assert first + second == content
    tagged, _ = add_face_tags(content, [BOX], "a photo")
    grown, same = pictures(tagged)
    assert grown + same == tagged
    assert same == second


@pytest.mark.parametrize(("name", "content"), ten_photos().items())
def test_photos_with_other_metadata(name: str, content: bytes) -> None:
    before = decode_photo(content)
    tagged, added = add_face_tags(content, [(2, 30, 14, 44)], name)
    assert added == 1
    after = decode_photo(tagged)
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert after.face_tags[-1].box_xyxy == pytest.approx((2, 30, 14, 44), abs=1e-5)
    assert (after.metadata.iptc, after.metadata.exif, after.metadata.icc) == (
        before.metadata.iptc, before.metadata.exif, before.metadata.icc
    )  # fmt: skip


def test_simple_webp_becomes_extended() -> None:
    for options in ({"lossless": True}, {"quality": 80}):
        for mode in ("RGB", "RGBA"):
            image = wave_image().convert(mode)
            if mode == "RGBA":
                image.putalpha(Image.fromarray(np.asarray(wave_image())[:, :, 0]))
            content = encode_image(image, "WEBP", **options)
            tagged, _ = add_face_tags(content, [BOX], "a photo")
            assert tagged[12:16] == b"VP8X"
            np.testing.assert_array_equal(decode_photo(tagged).pixels, decode_photo(content).pixels)
            assert decode_photo(tagged).face_tags


def test_odd_lengths_and_trailers_of_webp() -> None:
    content = encode_image(wave_image(), "WEBP", xmp=xmp_packet(padding=1), exif=exif_block())
    for padding in (0, 1):
        one = encode_image(wave_image(), "WEBP", xmp=xmp_packet(padding=padding), exif=exif_block()) + b"trailer"
        tagged, _ = add_face_tags(one, [BOX], "a photo")
        assert tagged.endswith(b"trailer")
        assert struct.unpack_from("<I", tagged, 4)[0] == len(tagged) - 8 - len(b"trailer")
        assert len(decode_photo(tagged).face_tags) == 1
    assert bare(content)


def test_raw_profiles_of_png_give_way() -> None:
    packet = xmp_packet()
    lines = f"\nxmp\n{len(packet):8}\n{packet.hex()}\n"
    content = png((b"tEXt", b"Raw profile type xmp\0" + lines.encode()))
    tagged, _ = add_face_tags(content, [BOX], "a photo")
    assert b"Raw profile" not in tagged
    assert CAPTION.encode() in (decode_photo(tagged).metadata.xmp or b"")


@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF"])
def test_formats_without_a_place_for_tags(kind: str) -> None:
    with pytest.raises(LaaError, match=f"a photo: it is {kind}: the formats that can be tagged are JPEG, PNG, WebP, TIFF"):
        add_face_tags(encode_image(wave_image(), kind), [BOX], "a photo")


@pytest.mark.parametrize("suffix", [*MAKERS])
def test_damaged_xmp_is_not_replaced(suffix: str) -> None:
    for packet in (xmp_packet()[:300], b"no XML at all", b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + xmp_packet()):
        with pytest.raises(LaaError, match="cannot add face tags to a photo: its XMP is damaged"):
            add_face_tags(MAKERS[suffix](1, packet), [BOX], "a photo")


def test_nothing_to_add_changes_nothing() -> None:
    content = jpeg()
    assert add_face_tags(content, [], "a photo") == (content, 0)
