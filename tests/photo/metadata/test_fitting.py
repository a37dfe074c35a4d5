"""From format to format: what the other can hold comes along, the rest is named."""

from __future__ import annotations

import io
import struct

import pytest
from fakes import SRGB, decode_photo, encode_image, exif_block
from metadata_samples import (
    IPTC_BLOCK,
    TEXT_CHUNKS,
    captioned_jpeg,
    captioned_tiff,
    extended_jpeg,
    jpeg,
    png,
    wave_image,
    xmp_packet,
    xmp_segment,
)
from PIL import Image

from laa_cli.photo import Photo, encode_photo, left_out
from laa_cli.photo.metadata.jpeg_segments import COM
from laa_cli.photo.metadata.png_chunks import read_text


def converted(photo: Photo, suffix: str) -> tuple[Photo, set[str]]:
    """The photo by a file with that suffix, and what was left out on the way, of which nothing when done again."""
    again = decode_photo(encode_photo(photo, suffix))
    assert left_out(again, suffix) == ()
    return again, set(left_out(photo, suffix)) - set(photo.metadata.left_out)


@pytest.mark.parametrize("make", [captioned_jpeg, captioned_tiff, extended_jpeg])
@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_captions_go_everywhere(make: object, suffix: str) -> None:
    photo = decode_photo(make())  # type: ignore[operator]
    again, names = converted(photo, suffix)
    assert again.metadata.iptc == photo.metadata.iptc == (None if make is extended_jpeg else IPTC_BLOCK)
    assert again.metadata.photoshop == photo.metadata.photoshop
    assert b"Gr\xc3\xbcn &amp; gut" in (again.metadata.xmp or b"")
    assert (b"drawn " in (again.metadata.xmp or b"")) == (make is extended_jpeg)
    assert names == ({"comment"} if make is captioned_jpeg and suffix == ".tif" else set())


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_formats_without_iptc_name_it(suffix: str) -> None:
    again, names = converted(decode_photo(captioned_jpeg()), suffix)
    assert names == {"IPTC", "Photoshop's copyright flag and URL", "comment", "resolution"}
    assert again.metadata.xmp == decode_photo(captioned_jpeg()).metadata.xmp
    assert converted(decode_photo(jpeg(dpi=(72, 72))), suffix)[1] == {"resolution"}


def test_bmp_has_no_more_than_the_resolution() -> None:
    photo = decode_photo(captioned_jpeg())
    again, names = converted(photo, ".bmp")
    assert names == {"EXIF", "XMP", "IPTC", "Photoshop's copyright flag and URL", "comment"}
    assert again.metadata.dpi == (300, 300)


@pytest.mark.parametrize("comment", ["said", "Köln, am Rhein", "夕方"])
def test_comments_between_jpeg_png_and_exif(comment: str) -> None:
    plain = encode_image(wave_image(), "JPEG", comment=comment.encode())
    photo = decode_photo(plain)
    as_png, names = converted(photo, ".png")
    text = read_text(*as_png.metadata.text[0])
    assert (text.keyword, text.content.decode(text.encoding)) == ("Comment", comment)
    assert converted(as_png, ".jpg")[0].metadata.comments == (comment.encode(),)
    as_tiff, more_names = converted(photo, ".tif")
    with Image.open(io.BytesIO(encode_photo(photo, ".tif"))) as image:
        kind, said = (part := image.getexif().get_ifd(0x8769)[0x9286])[:8], part[8:]
    assert said.decode("ascii" if kind.startswith(b"ASCII") else "utf-16-le") == comment
    assert as_tiff.metadata.exif
    assert names == more_names == set()


def test_gif_comments() -> None:
    photo = decode_photo(encode_image(wave_image().quantize(8), "GIF", comment=b"said"))
    assert photo.metadata.comments == (b"said",)
    assert converted(photo, ".png")[0].metadata.text == ((b"tEXt", b"Comment\0said"),)


def test_comments_that_are_no_text() -> None:
    photo = decode_photo(jpeg((COM, b"\0\xff\0\xfe\0"), (COM, b"")))
    assert converted(photo, ".jpg")[0].metadata.comments == (b"\0\xff\0\xfe\0", b"")
    assert converted(photo, ".png")[0].metadata.text == ((b"tEXt", b"Comment\0\xff\n\xfe"),)


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".avif"])
def test_texts_go_where_exif_has_a_place(suffix: str) -> None:
    photo = decode_photo(png(*TEXT_CHUNKS))
    again, names = converted(photo, suffix)
    assert names == {'text "Source"'}
    with Image.open(io.BytesIO(encode_photo(photo, suffix))) as image:
        exif = image.getexif()
    assert exif[270] == "By the river. " * 20
    assert exif[306] == "2020:01:02 03:04:05"
    assert exif[40091].decode("utf-16-le").rstrip("\0") == "An evening"
    assert "José".encode() in (again.metadata.exif or b"")
    if suffix == ".jpg":
        assert again.metadata.comments == ("Schöner Abend, 夕方".encode(),)


def test_texts_never_replace_exif() -> None:
    content = png((b"tEXt", b"Artist\0Bob"), (b"tEXt", b"Author\0Bob"), (b"eXIf", exif_block()[6:]))
    again, names = converted(decode_photo(content), ".jpg")
    assert names == {'text "Artist"', 'text "Author"'}
    assert b"Ada" in (again.metadata.exif or b"")


def test_many_texts_are_counted() -> None:
    many = [(b"tEXt", b"k%d\0\x1b[2J" % number) for number in range(9)]
    assert left_out(decode_photo(png(*many)), ".jpg") == ("9 texts",)
    assert left_out(decode_photo(png((b"tEXt", b"\x1b[2J\0x"))), ".jpg") == ('text "?[2J"',)


def test_what_is_too_long_for_jpeg() -> None:
    long = png(
        (b"eXIf", exif_block(note=b"x" * 70_000)[6:]),
        (b"iTXt", b"Comment\0\0\0\0\0" + b"x" * 70_000),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet("", f'dc:format="{"x" * 70_000}"')),
    )
    again, names = converted(decode_photo(long), ".jpg")
    assert names == {"maker note", "comment (over 64 KB)", "XMP (over 64 KB)"}
    assert b"Maker" in (again.metadata.exif or b"")
    text = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 270, 2, 70_000, 26, 0) + b"x" * 70_000
    assert converted(decode_photo(png((b"eXIf", text))), ".jpg")[1] == {"EXIF (over 64 KB)"}


def test_long_captions_take_several_segments() -> None:
    long = IPTC_BLOCK + struct.pack(">BBBHI", 0x1C, 2, 120, 0x8004, 150_000) + b"x" * 150_000
    content = encode_photo(Photo(decode_photo(png()).pixels, decode_photo(png()).metadata.without(iptc=long)), ".jpg")
    assert decode_photo(content).metadata.iptc == long


def test_profiles_for_other_channels_are_named() -> None:
    photo = decode_photo(encode_image(Image.new("L", (4, 4)), "JPEG", icc_profile=SRGB[:16] + b"GRAY" + SRGB[20:]))
    assert converted(photo, ".webp")[1] == {"colour profile"}


def test_xmp_from_jpeg_to_jpeg_is_the_same() -> None:
    again, names = converted(decode_photo(jpeg(xmp_segment(xmp_packet()))), ".jpg")
    assert again.metadata.xmp == xmp_packet()
    assert names == set()
