"""Photos: what is read is what was stored, what is written is what was computed, and no file breaks the program."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile
from PIL.PngImagePlugin import PngInfo

from laa_cli.errors import Exit, LaaError
from laa_cli.photo import Metadata, Photo, check_output, containers, encode_photo, read_photo, without_metadata, write_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]  # only the header's colour space is looked at
SUFFIXES = [".jpg", ".png", ".webp", ".tif", ".bmp", ".avif"]
LOSSLESS = [".png", ".tif", ".bmp"]
MAX = 1_000_000


def noise(channels: int = 3, dtype: type = np.uint8, height: int = 9, width: int = 13) -> np.ndarray:
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def smooth(channels: int = 3) -> np.ndarray:
    ramp = np.linspace(30, 220, 48 * 32).reshape(32, 48, 1)
    return np.round(ramp + 5 * np.arange(channels)).astype(np.uint8)


def stored(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(content: bytes, max_pixels: int = MAX) -> Photo:
    return read_photo(content, max_pixels=max_pixels)


def exif_block(orientation: int = 1, note: bytes = b"private" * 4) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x013B] = "Maker", orientation, "Ada"
    exif[0x8769] = {0xA002: 13, 0xA003: 9, 0x9003: "2020:01:02 03:04:05", 0x927C: note, 0x829A: 0.004}
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5)}
    return exif.tobytes()


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    block = read(stored(Image.new("RGB", (4, 4)), "JPEG", exif=exif_block())).metadata.exif
    return Metadata(block, SRGB, (300.0, 240.0), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")


# Round trips


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_png_and_tiff_are_exact(suffix: str, channels: int, dtype: type) -> None:
    pixels = noise(channels, dtype)
    again = read(encode_photo(Photo(pixels), suffix)).pixels
    if (suffix, channels, dtype) == (".tif", 2, np.uint16):  # written as RGBA
        pixels = pixels[:, :, [0, 0, 0, 1]]
    assert again.dtype == dtype
    assert again.flags.c_contiguous
    assert again.flags.writeable
    np.testing.assert_array_equal(again, pixels)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_opencv_reads_the_same_16_bits(suffix: str, channels: int) -> None:
    pixels = noise(channels, np.uint16)
    content = encode_photo(Photo(pixels, Metadata(icc=SRGB, dpi=(72, 72))), suffix)
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert bgr is not None
    np.testing.assert_array_equal(bgr[:, :, [2, 1, 0, 3][:channels]], pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_files_of_many_blocks(suffix: str, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.photo.pixels.BLOCK_BYTES", 300)
    pixels = noise(3, dtype, 41, 37)
    np.testing.assert_array_equal(read(encode_photo(Photo(pixels), suffix)).pixels, pixels)


def test_large_tiffs_become_bigtiff(monkeypatch: pytest.MonkeyPatch, metadata: Metadata) -> None:
    monkeypatch.setattr(containers, "CLASSIC_TIFF_BYTES", 100)
    monkeypatch.setattr("laa_cli.photo.pixels.BLOCK_BYTES", 300)
    pixels = noise(3, np.uint16, 41, 37)
    content = encode_photo(Photo(pixels, metadata), ".tif")
    assert content[:4] == b"II+\0"
    photo = read(content)
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert (photo.metadata.icc, photo.metadata.dpi) == (SRGB, (300, 240))
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_keeps_the_picture(suffix: str, channels: int) -> None:
    pixels = smooth(channels)
    again = read(encode_photo(Photo(pixels), suffix)).pixels
    assert again.shape[2] == (3 if suffix == ".webp" else channels)
    assert np.abs(again.astype(int) - pixels).max() <= (0 if suffix in LOSSLESS else 6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_16_bits_are_rounded_where_only_8_fit(suffix: str) -> None:
    deep = smooth().astype(np.uint16) * 257 + 100
    again = read(encode_photo(Photo(deep), suffix)).pixels
    expected = deep if suffix in (".png", ".tif") else smooth()
    assert again.dtype == expected.dtype
    assert np.abs(again.astype(int) - expected).max() <= (0 if suffix in LOSSLESS else 6)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_alpha_is_kept_or_laid_over_white(suffix: str, channels: int) -> None:
    pixels = np.zeros((16, 32, channels), np.uint8)
    pixels[:, 16:, -1] = 255
    again = read(encode_photo(Photo(pixels), suffix)).pixels
    if suffix in (".jpg", ".bmp"):
        assert again.shape[2] == channels - 1
        assert again[:, :15].min() >= 250
        assert again[:, 17:].max() <= 5
    else:
        assert again.shape[2] == (4 if suffix in (".webp", ".avif") else channels)
        np.testing.assert_array_equal(again[:, :, -1], pixels[:, :, -1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_survives(suffix: str, dtype: type, metadata: Metadata) -> None:
    content = encode_photo(Photo(noise(3, dtype), metadata), suffix)
    kept = read(content).metadata
    if suffix not in (".webp", ".avif"):
        assert kept.dpi == (300, 240)
    if suffix == ".bmp":
        return
    assert (kept.icc, kept.xmp) == (SRGB, metadata.xmp)
    with Image.open(io.BytesIO(content)) as image:
        exif = image.getexif()
        assert (exif[0x010F], exif[0x013B], exif.get(0x0112, 1)) == ("Maker", "Ada", 1)
        assert image.info["icc_profile"] == SRGB
        assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert exif.get_ifd(0x8769)[0x927C] == b"private" * 4
        assert exif.get_ifd(0x8825)[2] == (52.0, 31.0, 12.5)
        assert not {0xA002, 0xA003} & set(exif.get_ifd(0x8769))


def test_letters_beyond_ascii_survive_in_exif() -> None:
    text = "© José".encode()
    block = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 0x8298, 2, len(text), 26) + bytes(4) + text
    kept = read(stored(Image.new("RGB", (4, 4)), "PNG", exif=block)).metadata.exif
    assert kept is not None
    assert text in kept


def test_profiles_that_do_not_fit_are_dropped() -> None:
    assert read(stored(Image.new("L", (4, 4)), "JPEG", icc_profile=SRGB)).metadata.icc is None
    assert read(stored(Image.new("RGB", (4, 4)), "JPEG", icc_profile=b"nonsense")).metadata.icc is None
    grey = read(stored(Image.new("L", (4, 4)), "JPEG", icc_profile=GREY_PROFILE))
    assert grey.metadata.icc == GREY_PROFILE
    assert read(encode_photo(grey, ".png")).metadata.icc == GREY_PROFILE
    with Image.open(io.BytesIO(encode_photo(grey, ".webp"))) as image:
        assert "icc_profile" not in image.info


def test_without_metadata_keeps_the_profile(metadata: Metadata) -> None:
    assert without_metadata(Photo(noise(), metadata)).metadata == Metadata(icc=SRGB)


def test_exif_too_long_for_jpeg_loses_the_makers_note() -> None:
    photo = read(stored(Image.new("RGB", (4, 4)), "PNG", exif=exif_block(note=b"x" * 70000)))
    with Image.open(io.BytesIO(encode_photo(photo, ".jpg"))) as image:
        assert image.getexif()[0x010F] == "Maker"
        assert 0x927C not in image.getexif().get_ifd(0x8769)


def test_thumbnails_are_dropped() -> None:
    exif = exif_block()[6:]
    count = struct.unpack_from("<H" if exif[:2] == b"II" else ">H", exif, 8)[0]
    order = "<" if exif[:2] == b"II" else ">"
    thumbnail = struct.pack(order + "HHHIIHHIII", 2, 0x0201, 4, 1, len(exif) + 30, 0x0202, 4, 1, 9, 0) + b"THUMBNAIL"
    at = 10 + 12 * count
    exif = exif[:at] + struct.pack(order + "I", len(exif)) + exif[at + 4 :] + thumbnail
    kept = read(stored(Image.new("RGB", (4, 4)), "JPEG", exif=b"Exif\0\0" + exif)).metadata.exif
    assert kept is not None
    assert b"Maker" in kept
    assert b"THUMBNAIL" not in kept


@pytest.mark.parametrize(
    ("packet", "kept"),
    [
        (b'<a tiff:Orientation="6" b="c"/>', b'<a b="c"/>'),
        (b"<a><tiff:Orientation>6</tiff:Orientation></a>", b"<a></a>"),
        (b'<a hdrgm:Version="1.0"/>', None),
    ],
)
def test_stale_xmp_is_dropped(packet: bytes, kept: bytes | None) -> None:
    assert read(stored(Image.new("RGB", (4, 4)), "JPEG", xmp=packet)).metadata.xmp == kept


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_baked_in(kind: str, orientation: int) -> None:
    image = Image.fromarray(np.kron(noise(1, height=3, width=4)[:, :, 0], np.ones((16, 16), np.uint8))).convert("RGB")
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # Image.Transpose
    expected = np.asarray(image if turn is None else image.transpose(Image.Transpose(turn)))
    content = stored(image, kind, exif=exif_block(orientation))
    photo = read(content)
    assert photo.pixels.shape == expected.shape
    assert (photo.width, photo.height) == expected.shape[1::-1]
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 12
    again = read(encode_photo(photo, ".png"))  # and not a second time
    np.testing.assert_array_equal(again.pixels, photo.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bit_files(orientation: int) -> None:
    pixels = noise(3, np.uint16)
    plain = encode_photo(Photo(pixels), ".tif")
    block = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    png = encode_photo(Photo(pixels, Metadata(exif=block)), ".png")
    at = plain.index(struct.pack("<HHIH", 284, 3, 1, 1))  # PlanarConfiguration, whose default it holds
    tiff = plain[:at] + struct.pack("<HHIH", 274, 3, 1, orientation) + plain[at + 10 :]
    from_png, from_tiff = read(png).pixels, read(tiff).pixels
    assert from_png.dtype == np.uint16
    np.testing.assert_array_equal(from_png, from_tiff)


def test_xmp_orientation_counts_where_exif_has_none() -> None:
    content = stored(Image.new("RGB", (4, 8)), "JPEG", xmp=b'<a tiff:Orientation="6"/>')
    assert read(content).pixels.shape == (4, 8, 3)


# Modes


def test_rgb8() -> None:
    deep = np.array([[[0], [128], [129], [65535 - 128], [65535]]], np.uint16)
    expected = np.round(deep.astype(float) * 255 / 65535).astype(np.uint8)
    np.testing.assert_array_equal(Photo(deep).rgb8(), np.repeat(expected, 3, axis=2))
    with_alpha = noise(4)
    np.testing.assert_array_equal(Photo(with_alpha).rgb8(), with_alpha[:, :, :3])
    assert Photo(noise(2)).rgb8().shape == (9, 13, 3)


def test_palettes() -> None:
    palette = Image.fromarray(smooth()).quantize(16)
    assert read(stored(palette, "PNG")).pixels.shape[2] == 3
    with_clear = read(stored(palette, "PNG", transparency=0)).pixels
    assert with_clear.shape[2] == 4
    np.testing.assert_array_equal(with_clear[:, :, 3] == 0, np.asarray(palette) == 0)
    assert read(stored(palette, "GIF")).pixels.shape[2] == 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_modes_of_png(mode: str) -> None:
    channels = {"1": 1, "L": 1, "LA": 2, "RGBA": 4, "I;16": 1}.get(mode, 3)
    assert read(stored(Image.new(mode, (5, 4)), "PNG")).pixels.shape == (4, 5, channels)


@pytest.mark.parametrize(("mode", "colour", "channels"), [("L", 9, 2), ("RGB", (1, 2, 3), 4)])
def test_a_colour_marked_as_transparent_becomes_alpha(mode: str, colour: int | tuple[int, ...], channels: int) -> None:
    image = Image.new(mode, (5, 4), colour)
    pixels = read(stored(image, "PNG", transparency=colour)).pixels
    assert pixels.shape == (4, 5, channels)
    assert pixels[:, :, -1].max() == 0


def test_cmyk_becomes_rgb_without_profile() -> None:
    image = Image.fromarray(smooth()).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        photo = read(stored(image, kind, icc_profile=SRGB))  # a profile of another colour space
        assert photo.metadata.icc is None
        assert np.abs(photo.pixels.astype(int) - smooth()).max() < 12


def grey_inks() -> bytes:
    """A CMYK profile by which every mixture of inks is the same grey."""
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = b"mft1" + bytes([0, 0, 0, 0, 4, 3, 2, 0]) + matrix + ramp * 4 + bytes([128, 128, 128] * 16) + ramp * 3
    header = bytes(8) + bytes.fromhex("02400000") + b"prtrCMYKLab " + bytes(12) + b"acsp" + bytes(28)
    header += bytes.fromhex("0000f6d6 00010000 0000d32d") + bytes(48)
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    return struct.pack(">I", 144 + len(table)) + header[4:] + tags + table


def test_cmyk_is_converted_by_its_profile() -> None:
    photo = read(stored(Image.fromarray(smooth()).convert("CMYK"), "JPEG", icc_profile=grey_inks()))
    assert photo.metadata.icc is None
    assert np.ptp(photo.pixels) == 0  # the arithmetic without the profile would keep the ramp


def test_lab_tiff_becomes_rgb() -> None:
    pixels = read(stored(Image.new("LAB", (4, 4), (128, 128, 128)), "TIFF")).pixels
    assert pixels.shape == (4, 4, 3)
    assert np.ptp(pixels) <= 2


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_that_are_no_colours_are_refused(mode: str) -> None:
    with pytest.raises(LaaError, match="8 or 16 bits"):
        read(stored(Image.new(mode, (4, 4)), "TIFF"))


def test_premultiplied_16_bit_tiff() -> None:
    pixels = np.full((2, 3, 4), 20000, np.uint16)
    pixels[:, :, 3] = 40000
    content = encode_photo(Photo(pixels), ".tif")
    content = content.replace(struct.pack("<HHIH", 338, 3, 1, 2), struct.pack("<HHIH", 338, 3, 1, 1))
    np.testing.assert_array_equal(read(content).pixels[0, 0], [32768, 32768, 32768, 40000])


# Files that are no photos, or no longer


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(containers.chunk(kind, content) for kind, content in chunks)


def broken_files() -> dict[str, bytes]:
    plain = Image.fromarray(noise(height=60, width=70))
    whole = {kind: stored(plain, kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "GIF")}
    files = {f"cut.{kind}": content[: len(content) * 2 // 3] for kind, content in whole.items()}
    files |= {f"stub.{kind}": content[:20] for kind, content in whole.items()}
    files["deflated.TIFF"] = stored(plain, "TIFF", compression="tiff_deflate")[:-900]
    files |= {f"deep{suffix}": encode_photo(Photo(noise(3, np.uint16, 60, 70)), suffix)[:-3000] for suffix in (".png", ".tif")}
    at = whole["PNG"].index(b"IDAT") + 40
    files["crc.png"] = whole["PNG"][:at] + bytes([whole["PNG"][at] ^ 1]) + whole["PNG"][at + 1 :]
    files["zero.png"] = png_chunks((b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"")))
    files["silly.bmp"] = whole["BMP"][:18] + struct.pack("<ii", -5, 0) + whole["BMP"][26:]
    return files


@pytest.mark.parametrize(("name", "content"), broken_files().items(), ids=broken_files().keys())
def test_broken_files(name: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LaaError) as caught:
        read_photo(path, max_pixels=MAX)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cut_files_never_give_half_a_picture(suffix: str, dtype: type) -> None:
    content = encode_photo(Photo(noise(3, dtype, 30, 40)), suffix)
    whole = read(content).pixels
    for size in [*range(1, len(content), len(content) // 20), *range(len(content) - 20, len(content))]:
        try:
            pixels = read(content[:size]).pixels
        except LaaError:
            continue
        np.testing.assert_array_equal(pixels, whole)


def test_libraries_say_nothing_beside(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    tiff = encode_photo(Photo(noise()), ".tif")
    for damaged in (tiff[:-9], tiff.replace(struct.pack("<HHIH", 277, 3, 1, 3), struct.pack("<HHIH", 277, 3, 1, 999))):
        with pytest.raises(LaaError):
            read(damaged)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is no photo\n" * 9, "not a JPEG"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC"),
        (b"\xff\xd8\xff\xe0 and no more", "JPEG header"),
    ],
)
def test_no_photos(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(LaaError, match=words):
        read_photo(path, max_pixels=MAX)
    with pytest.raises(LaaError, match="standard input"):
        read_photo(io.BytesIO(content), max_pixels=MAX)


def test_missing_folder_and_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LaaError, match="No such file"):
        read_photo(tmp_path / "none.jpg", max_pixels=MAX)
    with pytest.raises(LaaError, match="folder"):
        read_photo(tmp_path, max_pixels=MAX)
    (tmp_path / "secret.jpg").touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, whom nothing is denied
    with pytest.raises(LaaError, match="Permission denied"):
        read_photo(tmp_path / "secret.jpg", max_pixels=MAX)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_several_frames(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    content = stored(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(LaaError, match=r"has 3 (frames|pages): export the one you want"):
        read(content)


def test_mpo_is_the_jpeg_that_it_begins_with() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    assert read(stored(frames[0], "MPO", save_all=True, append_images=frames[1:])).pixels[0, 0, 0] > 200


def test_too_large_is_seen_before_decoding() -> None:
    bomb = png_chunks((b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b""))
    with pytest.raises(LaaError, match=r"3600000000 pixels.*--max-pixels"):
        read(bomb)
    with pytest.raises(LaaError, match=r"13x9 is 117 pixels.*--max-pixels"):
        read(encode_photo(Photo(noise()), ".png"), max_pixels=116)
    assert read(encode_photo(Photo(noise()), ".png"), max_pixels=117).width == 13


def test_pillows_own_limit_gives_way_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read(encode_photo(Photo(noise()), ".png")).width == 13
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])  # Pillow neither writes nor opens such an AVIF
@pytest.mark.parametrize("damage", [b"Exif\0\0II*\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1", b"Exif\0\0nothing at all"])
def test_damaged_metadata_is_left_out(kind: str, damage: bytes) -> None:
    block = damage if kind == "JPEG" else damage[6:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = stored(Image.new("RGB", (16, 16)), kind, exif=block, icc_profile=b"\0" * 200)
    photo = read(content)
    assert (photo.metadata.exif, photo.metadata.icc) == (None, None)


def small_files() -> list[bytes]:
    metadata = Metadata(b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0), SRGB[:128], (72, 72), b"<a/>")
    files = [encode_photo(Photo(noise(), metadata), suffix) for suffix in SUFFIXES]
    files += [encode_photo(Photo(noise(4, np.uint16), metadata), suffix) for suffix in (".png", ".tif")]
    files.append(stored(Image.new("RGB", (9, 9)), "JPEG", exif=exif_block(6)))
    files.append(stored(Image.new("LAB", (9, 9)), "TIFF", exif=exif_block(3)))
    text = PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n 8\n49492a0008000000", zip=True)
    files.append(stored(Image.fromarray(noise()).quantize(8), "PNG", pnginfo=text, transparency=1))
    return [*files, stored(Image.new("P", (9, 9)), "GIF")]


FILES = small_files()


@settings(max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FILES), st.data())
def test_no_damage_raises_anything_else(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        near = data.draw(st.sampled_from([min(60, len(damaged)), len(damaged)]))  # headers are where it hurts
        damaged[data.draw(st.integers(0, near - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        photo = read(bytes(damaged))
    except LaaError:
        return
    assert photo.pixels.ndim == 3
    assert photo.rgb8().shape == (photo.height, photo.width, 3)
    encode_photo(photo, ".png")
    encode_photo(photo, ".jpg")


# Writing


def test_write_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "photo.PNG"
    write_photo(Photo(noise()), path, overwrite=False)
    np.testing.assert_array_equal(read_photo(path, max_pixels=MAX).pixels, noise())
    with pytest.raises(LaaError, match="exists already"):
        write_photo(Photo(noise()), path, overwrite=False)
    write_photo(Photo(noise(1)), path, overwrite=True)
    assert os.listdir(tmp_path) == ["photo.PNG"]


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("replace", "link"):
        monkeypatch.setattr(os, name, full)
    for overwrite in (False, True):
        with pytest.raises(LaaError, match="No space left"):
            write_photo(Photo(noise()), tmp_path / "photo.png", overwrite=overwrite)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".gif", ".heic", "", ".jp2"])
def test_formats_that_are_not_written(suffix: str) -> None:
    with pytest.raises(LaaError, match=r"\.avif, \.bmp") as caught:
        check_output(suffix, 4, 4, "x")
    assert caught.value.code == Exit.USAGE


@pytest.mark.parametrize(
    ("suffix", "width", "height"),
    [(".jpg", 65501, 1), (".webp", 1, 16384), (".avif", 32769, 1), (".avif", 20000, 20000), (".bmp", 40000, 40000)],
)
def test_sizes_that_do_not_fit(suffix: str, width: int, height: int) -> None:
    with pytest.raises(LaaError, match=rf"{width}x{height}.*choose \.png or \.tif"):
        check_output(suffix, width, height, "x")
    check_output(".png", width, height, "x")
    check_output(".tif", width, height, "x")


@pytest.mark.parametrize(("suffix", "longest"), [(".jpg", 65500), (".webp", 16383)])
def test_the_longest_sides_are_written(suffix: str, longest: int) -> None:
    assert read(encode_photo(Photo(np.zeros((1, longest, 3), np.uint8)), suffix)).width == longest


def test_with_pixels_refuses_other_channels() -> None:
    photo = Photo(noise())
    assert photo.with_pixels(np.zeros((36, 52, 3), np.uint8)).width == 52
    with pytest.raises(ValueError, match="3 channels"):
        photo.with_pixels(np.zeros((36, 52, 4), np.uint8))
