"""Decoding: every mode and orientation, and no file breaks the program."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import MAX_PIXELS, PHOTO_SUFFIXES, SRGB, decode_photo, encode_image, exif_block, noise_pixels, ramp_pixels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from laa_cli.errors import LaaError
from laa_cli.photo import Metadata, Photo, encode_photo, read_photo
from laa_cli.photo.metadata.png_chunks import chunk
from laa_cli.photo.pixels import apply_orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_baked_in(kind: str, orientation: int) -> None:
    image = Image.fromarray(np.kron(noise_pixels(1, height=3, width=4)[:, :, 0], np.ones((16, 16), np.uint8))).convert("RGB")
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # Image.Transpose
    expected = np.asarray(image if turn is None else image.transpose(Image.Transpose(turn)))
    content = encode_image(image, kind, exif=exif_block(orientation))
    photo = decode_photo(content)
    assert photo.pixels.shape == expected.shape
    assert (photo.width, photo.height) == expected.shape[1::-1]
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 12
    again = decode_photo(encode_photo(photo, ".png"))  # and not a second time
    np.testing.assert_array_equal(again.pixels, photo.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(1, 5, 3), (5, 1, 3), (1, 1, 1)])
def test_turned_lines_of_pixels_are_what_torch_takes(shape: tuple[int, int, int], orientation: int) -> None:
    """To NumPy an axis of one pixel is contiguous whatever its stride; torch refuses negative ones."""
    turned = apply_orientation(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), orientation)
    assert torch.from_numpy(turned).shape == turned.shape


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bit_files(orientation: int) -> None:
    pixels = noise_pixels(3, np.uint16)
    plain = encode_photo(Photo(pixels), ".tif")
    block = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    png = encode_photo(Photo(pixels, Metadata(exif=block)), ".png")
    at = plain.index(struct.pack("<HHIH", 284, 3, 1, 1))  # PlanarConfiguration, whose default it holds
    tiff = plain[:at] + struct.pack("<HHIH", 274, 3, 1, orientation) + plain[at + 10 :]
    from_png, from_tiff = decode_photo(png).pixels, decode_photo(tiff).pixels
    assert from_png.dtype == np.uint16
    np.testing.assert_array_equal(from_png, from_tiff)


def test_palettes() -> None:
    palette = Image.fromarray(ramp_pixels()).quantize(16)
    assert decode_photo(encode_image(palette, "PNG")).pixels.shape[2] == 3
    with_clear = decode_photo(encode_image(palette, "PNG", transparency=0)).pixels
    assert with_clear.shape[2] == 4
    np.testing.assert_array_equal(with_clear[:, :, 3] == 0, np.asarray(palette) == 0)
    assert decode_photo(encode_image(palette, "GIF")).pixels.shape[2] == 3


def test_a_transparent_level_of_16_bit_grey() -> None:
    pixels = noise_pixels(1, np.uint16)
    level = int(pixels[3, 5, 0])
    content = encode_photo(Photo(pixels), ".png")
    body = b"tRNS" + struct.pack(">H", level)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    at = content.index(b"IDAT") - 4
    decoded = decode_photo(content[:at] + chunk + content[at:]).pixels
    np.testing.assert_array_equal(decoded[..., :1], pixels)
    np.testing.assert_array_equal(decoded[..., 1], np.where(pixels[..., 0] == level, 0, 65535))


def test_bmp_of_16_bits_per_pixel() -> None:
    """5, 6 and 5 bits for red, green and blue: not 16 for each."""
    levels = np.arange(8, dtype="<u2").reshape(2, 4) * 8111
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    header = struct.pack("<IiiHHIIiiII", 40, 4, -2, 1, 16, 3, levels.nbytes, 2835, 2835, 0, 0)
    head = b"BM" + struct.pack("<IHHI", 14 + 40 + 12 + levels.nbytes, 0, 0, 14 + 40 + 12)
    red, green, blue = (decode_photo(head + header + masks + levels.tobytes()).pixels[..., index] for index in range(3))
    np.testing.assert_array_equal(red >> 3, levels >> 11)
    np.testing.assert_array_equal(green >> 2, levels >> 5 & 63)
    np.testing.assert_array_equal(blue >> 3, levels & 31)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_modes_of_png(mode: str) -> None:
    channels = {"1": 1, "L": 1, "LA": 2, "RGBA": 4, "I;16": 1}.get(mode, 3)
    assert decode_photo(encode_image(Image.new(mode, (5, 4)), "PNG")).pixels.shape == (4, 5, channels)


@pytest.mark.parametrize(("mode", "colour", "channels"), [("L", 9, 2), ("RGB", (1, 2, 3), 4)])
def test_a_colour_marked_as_transparent_becomes_alpha(mode: str, colour: int | tuple[int, ...], channels: int) -> None:
    image = Image.new(mode, (5, 4), colour)
    pixels = decode_photo(encode_image(image, "PNG", transparency=colour)).pixels
    assert pixels.shape == (4, 5, channels)
    assert pixels[:, :, -1].max() == 0


def test_cmyk_becomes_rgb_without_profile() -> None:
    image = Image.fromarray(ramp_pixels()).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        photo = decode_photo(encode_image(image, kind, icc_profile=SRGB))  # a profile of another colour space
        assert photo.metadata.icc is None
        assert np.abs(photo.pixels.astype(int) - ramp_pixels()).max() < 12


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
    photo = decode_photo(encode_image(Image.fromarray(ramp_pixels()).convert("CMYK"), "JPEG", icc_profile=grey_inks()))
    assert photo.metadata.icc is None
    assert np.ptp(photo.pixels) == 0  # the arithmetic without the profile would keep the ramp


def test_lab_tiff_becomes_rgb() -> None:
    pixels = decode_photo(encode_image(Image.new("LAB", (4, 4), (128, 128, 128)), "TIFF")).pixels
    assert pixels.shape == (4, 4, 3)
    assert np.ptp(pixels) <= 2


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_that_are_no_colours_are_refused(mode: str) -> None:
    with pytest.raises(LaaError, match="8 or 16 bits"):
        decode_photo(encode_image(Image.new(mode, (4, 4)), "TIFF"))


def test_premultiplied_16_bit_tiff() -> None:
    pixels = np.full((2, 3, 4), 20000, np.uint16)
    pixels[:, :, 3] = 40000
    content = encode_photo(Photo(pixels), ".tif")
    content = content.replace(struct.pack("<HHIH", 338, 3, 1, 2), struct.pack("<HHIH", 338, 3, 1, 1))
    np.testing.assert_array_equal(decode_photo(content).pixels[0, 0], [32768, 32768, 32768, 40000])


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in chunks)


def broken_files() -> dict[str, bytes]:
    plain = Image.fromarray(noise_pixels(height=60, width=70))
    whole = {kind: encode_image(plain, kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "GIF")}
    files = {f"cut.{kind}": content[: len(content) * 2 // 3] for kind, content in whole.items()}
    files |= {f"stub.{kind}": content[:20] for kind, content in whole.items()}
    files["deflated.TIFF"] = encode_image(plain, "TIFF", compression="tiff_deflate")[:-900]
    files |= {
        f"deep{suffix}": encode_photo(Photo(noise_pixels(3, np.uint16, 60, 70)), suffix)[:-3000] for suffix in (".png", ".tif")
    }
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
        read_photo(path, max_pixels=MAX_PIXELS)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cut_files_never_give_half_a_picture(suffix: str, dtype: type) -> None:
    content = encode_photo(Photo(noise_pixels(3, dtype, 30, 40)), suffix)
    whole = decode_photo(content).pixels
    for size in [*range(1, len(content), len(content) // 20), *range(len(content) - 20, len(content))]:
        try:
            pixels = decode_photo(content[:size]).pixels
        except LaaError:
            continue
        np.testing.assert_array_equal(pixels, whole)


def test_libraries_say_nothing_beside(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    tiff = encode_photo(Photo(noise_pixels()), ".tif")
    for damaged in (tiff[:-9], tiff.replace(struct.pack("<HHIH", 277, 3, 1, 3), struct.pack("<HHIH", 277, 3, 1, 999))):
        with pytest.raises(LaaError):
            decode_photo(damaged)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_several_frames(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    content = encode_image(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(LaaError, match=r"has 3 (frames|pages): export the one you want"):
        decode_photo(content)


def test_mpo_is_the_jpeg_that_it_begins_with() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    assert decode_photo(encode_image(frames[0], "MPO", save_all=True, append_images=frames[1:])).pixels[0, 0, 0] > 200


def test_too_large_is_seen_before_decoding() -> None:
    bomb = png_chunks((b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b""))
    with pytest.raises(LaaError, match=r"3600000000 pixels.*--max-pixels"):
        decode_photo(bomb)
    with pytest.raises(LaaError, match=r"13x9 is 117 pixels.*--max-pixels"):
        decode_photo(encode_photo(Photo(noise_pixels()), ".png"), max_pixels=116)
    assert decode_photo(encode_photo(Photo(noise_pixels()), ".png"), max_pixels=117).width == 13


def test_pillows_own_limit_gives_way_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode_photo(encode_photo(Photo(noise_pixels()), ".png")).width == 13
    assert Image.MAX_IMAGE_PIXELS == 10


def small_files() -> list[bytes]:
    metadata = Metadata(b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0), SRGB[:128], (72, 72), b"<a/>")
    files = [encode_photo(Photo(noise_pixels(), metadata), suffix) for suffix in PHOTO_SUFFIXES]
    files += [encode_photo(Photo(noise_pixels(4, np.uint16), metadata), suffix) for suffix in (".png", ".tif")]
    files.append(encode_image(Image.new("RGB", (9, 9)), "JPEG", exif=exif_block(6)))
    files.append(encode_image(Image.new("LAB", (9, 9)), "TIFF", exif=exif_block(3)))
    text = PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n 8\n49492a0008000000", zip=True)
    files.append(encode_image(Image.fromarray(noise_pixels()).quantize(8), "PNG", pnginfo=text, transparency=1))
    return [*files, encode_image(Image.new("P", (9, 9)), "GIF")]


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
        photo = decode_photo(bytes(damaged))
    except LaaError:
        return
    assert photo.pixels.ndim == 3
    assert photo.rgb8().shape == (photo.height, photo.width, 3)
    encode_photo(photo, ".png")
    encode_photo(photo, ".jpg")
