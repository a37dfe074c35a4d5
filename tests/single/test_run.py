"""`laa upscale` on files, with a fake detector and network: outputs, names, errors, exit codes."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fakes import ROOT, FakeBackground, FakeRestorer, in_a_terminal, no_stdin
from metadata_samples import gain_map_jpeg, motion_jpeg
from PIL import Image
from torch import Tensor

from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit, LaaError, UsageError
from laa_cli.interfaces import RestoredFace
from laa_cli.restore.background import AutoUpscaler
from laa_cli.single.output_paths import STREAM
from laa_cli.single.plan import UpscaleRequest
from laa_cli.single.run import run
from laa_cli.upscale import Options, Upscaler
from models.protocol import HR_SIZE


def face(x: float, y: float, size: float) -> Face:
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    return Face((x, y, x + size, y + size), 0.99, tuple((x + size * a, y + size * b) for a, b in points))


@FakeRestorer
def white(crops: list[Tensor]) -> list[RestoredFace]:
    """A network that paints faces white."""
    return [RestoredFace(torch.ones(3, HR_SIZE, HR_SIZE), 0.25, 0.5) for _ in crops]


def fake(*faces: Face) -> Upscaler:
    return Upscaler(lambda rgb: list(faces), white)


def upscale(inputs: list[Path], upscaler: Upscaler | None = None, stdin: Any = no_stdin, **job: Any) -> Exit:
    options = job.pop("options", Options())
    loaded = upscaler or fake(face(20, 20, 16))
    return run(
        inputs, UpscaleRequest(options=options, **job), lambda: loaded, Screen(data_on_stdout=job.get("json", False)), stdin
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (60, 50), (90, 100, 110)).save(path)
    return path


def test_the_result_lies_beside_the_photo_and_the_table_says_what_was_done(photo: Path, capsys: Any) -> None:
    assert upscale([photo], fake(face(20, 20, 16), face(0, 0, 90))) == Exit.OK
    with Image.open(photo.with_name("photo_x4.png")) as result:
        assert result.size == (240, 200)
        assert result.getpixel((28 * 4, 28 * 4)) == (255, 255, 255)
        assert result.getpixel((2, 2)) == (90, 100, 110)
    out = capsys.readouterr().out
    assert "restored" in out
    assert "left" in out
    assert "--max-face" in " ".join(out.split())
    assert "photo_x4.png: 240x200, 1 of 2 faces restored" in out


def test_the_table_and_the_line_name_the_background(photo: Path, capsys: Any) -> None:
    loaded = fake(face(20, 20, 16), face(0, 0, 90))
    assert upscale([photo], loaded) == Exit.OK
    out = capsys.readouterr().out
    assert "left: over --max-face 96" in out
    assert "1 of 2 faces restored, background plain, " in out
    loaded.background = FakeBackground()
    assert upscale([photo], loaded, overwrite=True) == Exit.OK
    captured = capsys.readouterr()
    assert "left to fake: over --max-face 96" in captured.out
    assert "1 of 2 faces restored, background fake, " in captured.out
    assert captured.err == ""
    assert upscale([photo], loaded, overwrite=True, options=Options(scale=1)) == Exit.OK
    assert ", background plain, " in capsys.readouterr().out


def test_why_a_large_photo_is_enlarged_plainly_is_a_notice(photo: Path, capsys: Any) -> None:
    loaded = fake(face(20, 20, 16))
    loaded.background = AutoUpscaler(FakeBackground(), max_pixels=4 * 60 * 50)
    assert upscale([photo, photo.with_name("gone.png")], loaded) == Exit.PARTLY
    reason = "0.048 megapixels are more than 0.012; --background hpinet does them, too, and takes its time"
    assert f"notice: {photo}: background plain: {reason}\n" in capsys.readouterr().err
    assert upscale([photo], loaded, options=Options(scale=2)) == Exit.OK
    assert "notice" not in capsys.readouterr().err


def test_json_is_one_record_per_photo_on_stdout(photo: Path, capsys: Any) -> None:
    missing = photo.with_name("missing.jpg")
    assert upscale([photo, missing], json=True) == Exit.PARTLY
    captured = capsys.readouterr()
    good, bad = map(json.loads, captured.out.splitlines())
    assert good["output"] == str(photo.with_name("photo_x4.png"))
    assert good["faces"][0]["action"] == "restored"
    assert good["faces"][0]["crop"] == {"x": 18, "y": 18, "side": 20}
    assert set(good["seconds"]) == {"read", "detect", "crop", "network", "enlarge", "paste", "write"}
    assert bad["input"] == str(missing)
    assert "missing.jpg" in bad["error"]


def test_what_was_left_out_is_one_notice(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(gain_map_jpeg() + motion_jpeg())
    assert upscale([path], json=True) == Exit.OK
    captured = capsys.readouterr()
    assert f"notice: {path}: left out: gain map, motion video\n" in captured.err
    assert json.loads(captured.out)["left_out"] == ["gain map", "motion video"]
    assert upscale([path], json=True, strip_metadata=True, overwrite=True) == Exit.OK
    captured = capsys.readouterr()
    assert "left out" not in captured.err
    assert json.loads(captured.out)["left_out"] == []


def test_no_face_is_a_notice(photo: Path, capsys: Any) -> None:
    assert upscale([photo], fake()) == Exit.OK
    assert "no face found" in capsys.readouterr().err
    assert photo.with_name("photo_x4.png").exists()


def test_several_photos_have_a_line_each_and_their_faces_on_request(photo: Path, capsys: Any) -> None:
    other = photo.with_name("other.png")
    other.write_bytes(photo.read_bytes())
    assert upscale([photo, other]) == Exit.OK
    captured = capsys.readouterr()
    assert [line.partition(",")[0] for line in captured.out.splitlines()] == [
        f"{photo.parent}/photo_x4.png: 240x200", f"{photo.parent}/other_x4.png: 240x200",
    ]  # fmt: skip
    assert captured.err == ""
    assert upscale([photo, other], overwrite=True, list_faces=True) == Exit.OK
    assert capsys.readouterr().out.count("restored ") >= 2


def test_no_face_is_an_error_if_asked(photo: Path) -> None:
    assert upscale([photo], fake(), require_face=True) == Exit.NO_FACE
    assert os.listdir(photo.parent) == ["photo.png"]


def test_quiet_says_nothing(photo: Path, capsys: Any) -> None:
    loaded = fake()
    assert run([photo], UpscaleRequest(options=Options()), lambda: loaded, Screen(quiet=True), no_stdin) == Exit.OK
    assert capsys.readouterr() == ("", "")


def test_nothing_is_overwritten_unless_allowed(photo: Path, capsys: Any) -> None:
    target = photo.with_name("photo_x4.png")
    target.write_bytes(b"precious")
    assert upscale([photo]) == Exit.FAILED
    assert target.read_bytes() == b"precious"
    assert "--overwrite" in capsys.readouterr().err
    assert upscale([photo], overwrite=True) == Exit.OK
    assert target.read_bytes() != b"precious"


def test_another_photo_of_the_run_is_never_the_output(photo: Path) -> None:
    earlier = photo.with_name("photo_x4.png")
    Image.new("RGB", (7, 7)).save(earlier)
    before = earlier.read_bytes()
    assert upscale([photo, earlier], overwrite=True) == Exit.PARTLY
    assert earlier.read_bytes() == before


def test_a_faces_picture_never_replaces_a_photo_of_the_run(photo: Path) -> None:
    other = photo.with_name("photo_face01_before.png")
    Image.new("RGB", (40, 40), (1, 2, 3)).save(other)
    before = other.read_bytes()
    upscale([photo, other], faces_dir=photo.parent, overwrite=True)
    assert other.read_bytes() == before


def test_results_that_would_share_a_name_are_refused_before_any_work(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "photo.png"
    twin.write_bytes(photo.read_bytes())
    for job in ({"faces_dir": tmp_path / "faces"}, {"output": tmp_path}, {"compare": tmp_path}):
        with pytest.raises(LaaError, match="written twice"):
            upscale([photo, twin], **job, overwrite=True)
    with pytest.raises(LaaError, match="written twice"):
        upscale([photo], output=tmp_path / "same.png", compare=tmp_path / "same.png", overwrite=True)


def test_names_that_no_file_can_have_are_errors_of_the_photo(photo: Path) -> None:
    impossible = [photo.with_name("x" * 250 + ".png"), photo.with_name("y" * 300 + ".png"), photo.with_name("a\0b.png")]
    impossible[0].write_bytes(photo.read_bytes())
    assert upscale([*impossible, photo]) == Exit.PARTLY
    assert photo.with_name("photo_x4.png").exists()


def test_a_photo_that_cannot_be_read_leaves_no_folder(photo: Path, tmp_path: Path) -> None:
    assert upscale([photo.with_name("gone.png")], output=tmp_path / "new" / "x.png") == Exit.FAILED
    assert not (tmp_path / "new").exists()


def test_an_impossible_comparison_is_refused_before_any_work(photo: Path, tmp_path: Path) -> None:
    assert upscale([photo], compare=tmp_path / "sheet.xyz") == Exit.USAGE
    with pytest.raises(UsageError, match="compare - is not possible") as error:
        upscale([photo], compare=STREAM)
    assert error.value.for_command_line().startswith("--compare - is not possible")
    assert os.listdir(tmp_path) == ["photo.png"]


def test_a_very_high_photo_can_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "high.png"
    Image.new("RGB", (2, 9000)).save(path)
    assert upscale([path], fake(), options=Options(scale=1), compare=tmp_path / "sheet.jpg") == Exit.OK


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_the_photo_itself_is_never_the_output(photo: Path, link: Any) -> None:
    before = photo.read_bytes()
    other = photo.with_name("other.png")
    link(photo, other)
    for output in (photo, other):
        assert upscale([photo], output=output, overwrite=True) == Exit.FAILED
    assert photo.read_bytes() == before


def test_one_bad_photo_does_not_stop_the_others(photo: Path, capsys: Any) -> None:
    broken = photo.with_name("broken.jpg")
    broken.write_bytes(b"not a photo")
    assert upscale([broken, photo, photo.with_name("gone.png")]) == Exit.PARTLY
    assert photo.with_name("photo_x4.png").exists()
    assert capsys.readouterr().err.count("error:") == 2
    assert upscale([broken]) == Exit.FAILED


def test_models_are_not_loaded_for_nothing(photo: Path) -> None:
    def load() -> Upscaler:
        raise AssertionError("loaded")

    assert run([photo.with_name("gone.png")], UpscaleRequest(options=Options()), load, Screen(), no_stdin) == Exit.FAILED


def test_unusable_weights_end_the_run(photo: Path) -> None:
    def load() -> Upscaler:
        raise LaaError("cannot use the weights")  # once, not for every photo

    with pytest.raises(LaaError, match="weights"):
        run([photo, photo.with_name("gone.png")], UpscaleRequest(options=Options()), load, Screen(), no_stdin)


def test_faces_and_comparison_are_written(photo: Path, tmp_path: Path) -> None:
    faces, sheet = tmp_path / "faces", tmp_path / "sheet.png"
    assert upscale([photo], faces_dir=faces, compare=sheet) == Exit.OK
    assert sorted(os.listdir(faces)) == ["photo_face01_after.png", "photo_face01_before.png"]
    with Image.open(faces / "photo_face01_after.png") as after, Image.open(faces / "photo_face01_before.png") as before:
        assert after.size == before.size == (80, 80)
        assert after.getpixel((40, 40)) == (255, 255, 255)
        assert before.getpixel((40, 40)) == (90, 100, 110)
    with Image.open(sheet) as both:
        assert both.size == (482, 200)


def test_the_extension_chooses_the_format(photo: Path, tmp_path: Path) -> None:
    assert upscale([photo], output=tmp_path / "new" / "small.jpg", options=Options(scale=1)) == Exit.OK
    with Image.open(tmp_path / "new" / "small.jpg") as result:
        assert (result.format, result.size) == ("JPEG", (60, 50))


def test_an_unknown_extension_is_refused_before_any_work(photo: Path, tmp_path: Path, capsys: Any) -> None:
    assert upscale([photo], output=tmp_path / "photo.xyz") != Exit.OK
    assert ".xyz" in capsys.readouterr().err


def test_from_stdin_to_stdout(photo: Path, capfdbinary: Any) -> None:
    loaded = fake(face(20, 20, 16))
    assert (
        run(
            [STREAM],
            UpscaleRequest(options=Options()),
            lambda: loaded,
            Screen(data_on_stdout=True),
            lambda: BytesIO(photo.read_bytes()),
        )
        == Exit.OK
    )
    captured = capfdbinary.readouterr()
    assert captured.out.startswith(b"\x89PNG")
    assert b"1 of 1 faces restored" in captured.err


def test_too_large_an_output_is_refused_before_detection(photo: Path, capsys: Any) -> None:
    def detect(rgb: Any) -> list[Face]:
        raise AssertionError("detected")

    assert upscale([photo], Upscaler(detect, white), options=Options(scale=4, max_pixels=20_000)) == Exit.FAILED
    assert "use --scale 2" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory"),
        cv2.error("(-4:Insufficient memory) Failed to allocate 123 bytes"),
    ],
)
def test_out_of_memory_is_an_error_of_the_photo(photo: Path, capsys: Any, error: Exception) -> None:
    def detect(rgb: Any) -> list[Face]:
        raise error

    assert upscale([photo], Upscaler(detect, white)) == Exit.FAILED
    assert "not enough memory" in capsys.readouterr().err
    assert os.listdir(photo.parent) == ["photo.png"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing_behind(photo: Path, monkeypatch: Any, error: BaseException, capsys: Any) -> None:
    def fsync(handle: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fsync)
    if isinstance(error, OSError):
        assert upscale([photo]) == Exit.FAILED
        assert "No space left" in capsys.readouterr().err
    else:
        with pytest.raises(KeyboardInterrupt):
            upscale([photo])
    assert os.listdir(photo.parent) == ["photo.png"]


@pytest.mark.parametrize("values", [{"scale": 3}, {"feather": 0.6}, {"margin": 0.5}, {"max_face_px": -1}, {"max_pixels": 0}])
def test_senseless_options_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(LaaError) as caught:
        Options(**values)
    assert caught.value.code == Exit.USAGE


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_photo_keeps_its_kind(kind: type, channels: int) -> None:
    top = np.iinfo(kind).max
    pixels = np.full((40, 50, channels), top // 2, kind)
    result = fake(face(15, 10, 16))(pixels, Options(scale=2))
    assert (result.pixels.shape, result.pixels.dtype) == ((80, 100, channels), kind)
    colours = channels - (channels in (2, 4))
    assert (result.pixels[36, 46, :colours] == top).all()
    assert (result.pixels[..., colours:] == top // 2).all()  # alpha is not touched


def test_a_photo_of_one_pixel() -> None:
    assert fake()(np.zeros((1, 1, 3), np.uint8)).pixels.shape == (4, 4, 3)
    assert fake(face(-5, -5, 12))(np.zeros((1, 1, 3), np.uint8)).pixels.shape == (4, 4, 3)


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 5), (0, 5, 3), (5, 5, 3, 1)])
def test_arrays_that_are_no_photo_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LaaError, match="uint8 or uint16"):
        fake()(np.zeros(shape, np.uint8))


def test_floats_are_refused() -> None:
    with pytest.raises(LaaError, match="float64"):
        fake()(np.zeros((5, 5, 3)))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("scale", [1, 2])
def test_views_and_read_only_arrays_are_photos_too(kind: type, scale: int) -> None:
    pixels = np.arange(60 * 60 * 3).reshape(60, 60, 3).astype(kind)
    view = pixels[::-1, ::2]
    view.flags.writeable = False
    expected = fake(face(8, 20, 12))(np.ascontiguousarray(view), Options(scale=scale))
    assert np.array_equal(fake(face(8, 20, 12))(view, Options(scale=scale)).pixels, expected.pixels)


def test_a_folder_among_photos_is_one_failure_among_several(photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(photo.parent)
    gone, too_long = Path("gone.png"), Path("x" * 300 + ".png")
    assert upscale([Path("."), Path("/"), gone, too_long, photo]) == Exit.PARTLY
    assert photo.with_name("photo_x4.png").exists()
    lines = capsys.readouterr().err.splitlines()
    assert ["." in lines[0], "it is a folder" in lines[0], "/" in lines[1], "gone" in lines[2], "too long" in lines[3]] == [
        True
    ] * 5
    assert upscale([Path(".")]) == Exit.FAILED


IN_A_TERMINAL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fakes import FakeBackground, fake_upscaler, no_stdin
from laa_cli import console
from laa_cli.single.plan import UpscaleRequest
from laa_cli.single.run import run
from laa_cli.upscale import Options
console.PATIENCE_SECONDS = 0
request = UpscaleRequest(options=Options(), overwrite=True)
upscaler = fake_upscaler(FakeBackground(4, 0.01))
run([Path(name) for name in sys.argv[2:]], request, lambda: upscaler, console.Screen(), no_stdin)
"""


def test_a_single_photo_has_a_progress_bar_of_its_background(photo: Path, tmp_path: Path) -> None:
    other = photo.with_name("other.png")
    other.write_bytes(photo.read_bytes())
    alone, _ = in_a_terminal(tmp_path, IN_A_TERMINAL, str(ROOT / "tests"), str(photo))
    assert "background \x1b" in alone
    assert "25%" in alone
    several, _ = in_a_terminal(tmp_path, IN_A_TERMINAL, str(ROOT / "tests"), str(photo), str(other))
    assert "photos" in several
    assert "%" not in several
