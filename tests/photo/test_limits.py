"""How large a photo may be: by a limit that is given, by free memory otherwise."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from fakes import ROOT

from laa_cli.errors import LaaError, OutOfMemoryError
from laa_cli.photo import PhotoHeader, check_enlargement, limits, max_file_bytes, read_bytes, upscaling_bytes
from laa_cli.photo.encode import FORMAT_OF_SUFFIX
from laa_cli.photo.limits import check_reading
from laa_cli.upscale import Options, Upscaler

CAMERA = PhotoHeader("JPEG", 9504, 6336, 3)  # 61 megapixels


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(limits, "available_bytes", lambda: request.param)


@pytest.mark.parametrize("free", [13 * 10**9], indirect=True)
@pytest.mark.usefixtures("free")
def test_a_camera_of_61_megapixels_fits_a_machine_of_16_gb() -> None:
    check_enlargement(CAMERA, 4, None, "a.jpg")
    with pytest.raises(
        OutOfMemoryError, match=r"a\.jpg: .* which needs about 27\.2 GB of memory, and 13\.0 GB are free: use --scale 4"
    ):
        check_enlargement(CAMERA, 8, None, "a.jpg")


@pytest.mark.parametrize("free", [2 * 10**9], indirect=True)
@pytest.mark.usefixtures("free")
def test_what_takes_little_is_always_tried() -> None:
    small = PhotoHeader("JPEG", 2000, 1500, 3)
    assert upscaling_bytes(small, 4) < limits.ALWAYS_TRIED_BYTES
    check_enlargement(small, 4, None, "a.jpg")
    with pytest.raises(OutOfMemoryError, match="use --scale 1"):
        check_enlargement(CAMERA, 2, None, "a.jpg")


@pytest.mark.parametrize("free", [1000, None, 10**15], indirect=True)
@pytest.mark.usefixtures("free")
def test_a_given_limit_holds_whatever_memory_is_free() -> None:
    check_enlargement(CAMERA, 4, 963_477_504, "a.jpg")
    check_reading(CAMERA, 60_217_344, "a.jpg")
    with pytest.raises(
        LaaError, match="963 megapixels, the limit is 963: use --scale 2, or allow it with --max-pixels 963477504"
    ):
        check_enlargement(CAMERA, 4, 963_477_503, "a.jpg")
    with pytest.raises(LaaError, match="60217344 pixels, and at most 60217343 pixels are allowed"):
        check_reading(CAMERA, 60_217_343, "a.jpg")


@pytest.mark.parametrize("free", [None], indirect=True)
@pytest.mark.usefixtures("free")
def test_where_the_system_does_not_tell_there_is_a_limit_in_pixels() -> None:
    check_enlargement(CAMERA, 2, None, "a.jpg")
    with pytest.raises(LaaError, match="the limit is 700: use --scale 2"):
        check_enlargement(CAMERA, 4, None, "a.jpg")
    assert max_file_bytes(None) > 10**10


@pytest.mark.parametrize("free", [10**9], indirect=True)
@pytest.mark.usefixtures("free")
def test_reading_alone_is_bounded_by_memory_too() -> None:
    check_reading(CAMERA, None, "a.jpg")
    with pytest.raises(
        OutOfMemoryError, match=r"a\.jpg is too large: 30000x20000 is 600000000 pixels, which needs about 7\.8 GB"
    ):
        check_reading(PhotoHeader("JPEG", 30_000, 20_000, 3), None, "a.jpg")
    assert max_file_bytes(None) == 5 * 10**8


def test_the_estimate_grows_with_channels_depth_and_scale() -> None:
    estimates = [upscaling_bytes(PhotoHeader("PNG", 6000, 4000, pixel_bytes), 4) for pixel_bytes in (1, 3, 4, 6, 8)]
    assert estimates == sorted(set(estimates))
    assert upscaling_bytes(CAMERA, 1) < upscaling_bytes(CAMERA, 2) < upscaling_bytes(CAMERA, 4)


def test_what_the_encoder_takes_counts() -> None:
    estimates = [upscaling_bytes(CAMERA, 4, suffix=suffix) for suffix in (".JPG", ".webp", ".avif")]
    assert estimates == [9504 * 6336 * (3 + 16 * (3 + encoding)) for encoding in (4, 16, 45)]


MEASURE = """
import sys
from pathlib import Path
import numpy as np
from laa_cli.photo import Photo, encode_photo

def resident(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) << 10

encode_photo(Photo(np.zeros((8, 8, 3), np.uint8)), sys.argv[1])
pixels = np.full((2500, 3000, 3), 100, np.uint16) * 256
pixels[::7] += np.arange(3000, dtype=np.uint16)[:, None] % 99 * 256
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = resident("VmRSS")
encode_photo(Photo(pixels), sys.argv[1])
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_encoders_take_what_is_estimated(suffix: str) -> None:
    command = [sys.executable, "-c", MEASURE, suffix]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    estimate = 2500 * 3000 * limits.ENCODING_BYTES[FORMAT_OF_SUFFIX[suffix]]
    assert estimate / 2 < int(result.stdout) < estimate + (30 << 20)


def test_the_background_counts_beside_the_photo_and_the_result() -> None:
    asked: list[tuple[int, int, int]] = []

    def background_bytes(height: int, width: int, scale: int) -> int:
        asked.append((height, width, scale))
        return needed

    needed = 10**12
    assert upscaling_bytes(CAMERA, 2, background_bytes) == 9504 * 6336 * 3 * 5 + 10**12
    assert asked == [(6336, 9504, 2)]
    needed = 1000  # the result's own copies, when it is encoded, take more
    assert upscaling_bytes(CAMERA, 2, background_bytes) == upscaling_bytes(CAMERA, 2)


@pytest.mark.parametrize("free", [13 * 10**9], indirect=True)
@pytest.mark.usefixtures("free")
def test_what_fits_with_a_plain_background_is_advised() -> None:
    def background_bytes(height: int, width: int, scale: int) -> int:
        return 10 * 10**9 if scale > 2 else 0

    check_enlargement(CAMERA, 2, None, "a.jpg", background_bytes)
    check_enlargement(CAMERA, 4, 10**9, "a.jpg", background_bytes)
    with pytest.raises(
        OutOfMemoryError, match=r"free: use --background plain, use --scale 2, or allow it with --max-pixels 963"
    ):
        check_enlargement(CAMERA, 4, None, "a.jpg", background_bytes)
    with pytest.raises(OutOfMemoryError, match=r"free: use --scale 2, or allow it with --max-pixels 385"):
        check_enlargement(CAMERA, 8, None, "a.jpg", background_bytes)


@pytest.mark.parametrize("free", [10**9], indirect=True)
@pytest.mark.usefixtures("free")
def test_the_python_api_checks_arrays() -> None:
    upscaler = Upscaler(lambda rgb: [], lambda crops: [])
    pixels = np.broadcast_to(np.zeros(3, np.uint8), (9000, 9000, 3))
    with pytest.raises(OutOfMemoryError, match="the photo: 9000x9000 enlarged 8x is 5184 megapixels"):
        upscaler(pixels, Options(scale=8))


def test_reading_a_file_takes_memory_for_what_it_has_and_not_for_what_it_may_have() -> None:
    tracemalloc.start()
    try:
        assert read_bytes(io.BytesIO(b"photo"), "a.jpg", 10**12) == b"photo"  # which failed: 16 TB were asked for
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()
