"""A photo from the content of its file to the content of the result's, with a fake detector and restorer."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import (
    MAX_PIXELS,
    FakeBackground,
    FakeDetector,
    FakeRestorer,
    brighter,
    fake_upscaler,
    microsoft_regions,
    one_face,
    refuse_to_load,
    write_photo_of_noise,
)

from laa_cli import __version__
from laa_cli.errors import Exit, LaaError, OutOfMemoryError, SetupError, UsageError
from laa_cli.interfaces import RestoredFace
from laa_cli.options import FaceChoice
from laa_cli.photo import Metadata, encode_photo, read_photo
from laa_cli.photo.metadata import png_chunks
from laa_cli.process import PhotoRequest, ProcessedPhoto, decode_photo, load_once, process, process_steps
from laa_cli.restore.doubt import Doubt
from laa_cli.upscale import Options, Upscaler
from laa_cli.utils.steps import run_to_end

REQUEST = PhotoRequest(source="a.png", output="b.png", suffix=".png", options=Options(scale=2))
DPI = Metadata(dpi=(300.0, 300.0))


ONE_FACE_BOX = (10.0, 8.0, 26.0, 24.0)


def metadata_of(processed: ProcessedPhoto) -> Metadata:
    return read_photo(processed.content, max_pixels=MAX_PIXELS).metadata


def tag_faces(content: bytes, *tags: tuple[str, tuple[float, float, float, float]]) -> bytes:
    """The same photo, a PNG, with face tags by Microsoft's schema."""
    photo = read_photo(content, max_pixels=MAX_PIXELS)
    xmp = microsoft_regions(photo.width, photo.height, *tags)
    return encode_photo(replace(photo, metadata=Metadata(xmp=xmp)), ".png")


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return write_photo_of_noise(tmp_path / "a.png").read_bytes()


def test_the_result_is_that_of_the_python_api(content: bytes) -> None:
    photo = read_photo(content, max_pixels=MAX_PIXELS)
    enlarged = fake_upscaler()(photo.pixels, REQUEST.options).pixels
    processed = process(content, replace(REQUEST, mark=False), fake_upscaler)
    assert processed.content == encode_photo(photo.with_pixels(enlarged), ".png")


def test_the_record_names_the_photo_its_faces_and_every_stage(content: bytes) -> None:
    record = process(content, REQUEST, fake_upscaler).record
    assert list(record) == [
        "input",
        "output",
        "width",
        "height",
        "scale",
        "background",
        "background_fidelity",
        "faces",
        "left_out",
        "seconds",
    ]
    assert (record["input"], record["output"], record["width"], record["height"]) == ("a.png", "b.png", 80, 68)
    assert [face["action"] for face in record["faces"]] == ["restored"]
    assert list(record["seconds"]) == ["read", "detect", "crop", "network", "enlarge", "paste", "encode"]


def test_the_record_tells_what_made_the_background(content: bytes) -> None:
    record = process(content, REQUEST, lambda: fake_upscaler(FakeBackground())).record
    assert (record["background"], record["background_fidelity"]) == ("fake", 0.25)
    record = process(content, REQUEST, fake_upscaler).record
    assert (record["background"], record["background_fidelity"]) == ("plain", None)


def test_the_share_of_the_background_is_shown_and_a_photo_given_up_within_it(content: bytes) -> None:
    shares: list[float] = []
    process(content, REQUEST, lambda: fake_upscaler(FakeBackground(4)), shares.append)
    assert shares == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1]  # the faces found, and restored
    background = FakeBackground(4)
    upscaler = fake_upscaler(background)
    steps = process_steps(decode_photo(content, REQUEST), REQUEST, upscaler, upscaler.restore)
    assert [next(steps) for _ in range(5)] == shares[:5]
    steps.close()
    assert (background.steps_done, background.given_up) == (2, 1)


def test_a_photo_is_refused_where_memory_does_not_suffice_for_the_background(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laa_cli.photo.limits.available_bytes", lambda: 4 * 10**9)
    said = r"a\.png: 40x34 enlarged 2x is 0 megapixels, which needs about 5\.0 GB .*: use --background plain, use --scale 1, or"
    upscaler = fake_upscaler(FakeBackground(peak=5 * 10**9))
    with pytest.raises(OutOfMemoryError, match=said):
        process(content, REQUEST, lambda: upscaler)
    monkeypatch.setattr("laa_cli.process.read_photo", refuse_to_load)
    with pytest.raises(OutOfMemoryError, match=said):  # where it is loaded, before anything is decoded
        decode_photo(content, REQUEST, upscaler.background_bytes)


def test_nothing_is_written_or_printed(content: bytes, tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    process(content, REQUEST, fake_upscaler)
    assert os.listdir() == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"options": Options(scale=8, max_pixels=10_000)}, "a.png: 40x34 enlarged 8x is 0 megapixels.* use --scale 2"),
        ({"options": Options(max_pixels=1)}, "a.png is too large"),
        ({"suffix": ".xyz"}, "cannot write b.png"),
    ],
)
def test_models_are_loaded_only_for_a_photo_that_passes_every_check(content: bytes, changes: Any, error: str) -> None:
    with pytest.raises(LaaError, match=error):
        process(content, replace(REQUEST, **changes), refuse_to_load)
    with pytest.raises(LaaError, match=r"cannot read a\.png"):
        process(b"no photo", REQUEST, refuse_to_load)


def test_nothing_is_decoded_of_a_photo_that_is_refused_by_its_header(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object, **__: object) -> None:
        raise AssertionError("the photo was decoded")

    monkeypatch.setattr("laa_cli.process.read_photo", decode)
    cases = [{"options": Options(scale=8, max_pixels=10_000)}, {"options": Options(max_pixels=1)}, {"suffix": ".xyz"}]
    for changes in [*cases, {"options": Options(scale=8), "suffix": ".webp"}]:
        source = png_of_size(3000, 10) if "suffix" in changes else content
        with pytest.raises(LaaError, match=r"a\.png|b\.png"):
            decode_photo(source, replace(REQUEST, **changes))  # type: ignore[arg-type]


def png_of_size(width: int, height: int) -> bytes:
    header = png_chunks.chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunks.chunk(b"IDAT", b"") + png_chunks.chunk(b"IEND", b"")


def test_a_photo_is_refused_where_memory_does_not_suffice(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    large = png_of_size(9504, 6336)
    monkeypatch.setattr("laa_cli.photo.limits.available_bytes", lambda: 4 * 10**9)
    with pytest.raises(OutOfMemoryError) as caught:
        process(large, replace(REQUEST, options=Options(scale=4)), refuse_to_load)
    said = "a.png: 9504x6336 enlarged 4x is 963 megapixels, which needs about 6.9 GB of memory, and 4.0 GB are free"
    assert str(caught.value) == f"{said}: use --scale 2, or allow it with --max-pixels 963477504"
    process(content, replace(REQUEST, options=Options(scale=4)), fake_upscaler)
    monkeypatch.setattr("laa_cli.photo.limits.available_bytes", lambda: 13 * 10**9)
    for options in (Options(scale=4), Options(scale=4, max_pixels=10**9)):
        with pytest.raises(LaaError, match=r"a\.png: it is truncated or damaged"):  # and no more than that
            process(large, replace(REQUEST, options=options), refuse_to_load)


def test_errors_call_streams_by_their_titles() -> None:
    request = replace(REQUEST, source="-", source_title="the photo on standard input")
    with pytest.raises(LaaError, match="cannot read the photo on standard input"):
        process(b"no photo", request, refuse_to_load)


def test_a_photo_without_a_required_face_is_an_error_before_the_network_runs(content: bytes) -> None:
    def load() -> Upscaler:
        return Upscaler(lambda rgb: [], brighter)

    with pytest.raises(LaaError, match=r"no face found in a\.png: lower --confidence or --min-face") as error:
        process(content, replace(REQUEST, require_face=True), load)
    assert error.value.code == Exit.NO_FACE
    assert process(content, REQUEST, load).record["faces"] == []


def test_metadata_can_be_stripped(content: bytes) -> None:
    with_dpi = encode_photo(replace(decode_photo(content, REQUEST), metadata=DPI), ".png")
    stripped = replace(REQUEST, strip_metadata=True)
    assert metadata_of(process(with_dpi, REQUEST, fake_upscaler)).dpi == DPI.dpi
    assert metadata_of(process(with_dpi, stripped, fake_upscaler)).dpi is None
    assert metadata_of(process(with_dpi, replace(stripped, mark=False), fake_upscaler)) == Metadata()


def test_a_photo_with_restored_faces_says_so_unless_it_is_not_to(content: bytes) -> None:
    marked = process(content, replace(REQUEST, strip_metadata=True), fake_upscaler)
    xmp = metadata_of(marked).xmp
    assert marked.is_marked
    assert xmp is not None
    assert b"compositeWithTrainedAlgorithmicMedia" in xmp
    assert f"laa {__version__}".encode() in xmp
    for request, load in (
        (replace(REQUEST, mark=False), fake_upscaler),
        (REQUEST, lambda: Upscaler(lambda rgb: [], brighter)),
        (replace(REQUEST, choice=FaceChoice(excluded=(1,))), fake_upscaler),
    ):
        plain = process(content, request, load)
        assert not plain.is_marked
        assert metadata_of(plain).xmp is None


def test_the_faces_that_a_photo_tags_are_restored_by_their_names(content: bytes) -> None:
    tagged = tag_faces(content, ("Ada", ONE_FACE_BOX), ("Ben", (2.0, 20.0, 12.0, 30.0)))
    processed = process(tagged, REQUEST, lambda: Upscaler(FakeDetector(one_face(None)), brighter))
    assert [(face["number"], face["source"], face["name"], face["action"]) for face in processed.record["faces"]] == [
        (1, "detector", "Ada", "restored"),
        (2, "tag", "Ben", "restored"),
    ]
    request = replace(REQUEST, choice=FaceChoice(persons=("ben",)), strip_metadata=True)
    chosen = process(tagged, request, lambda: Upscaler(FakeDetector(one_face(None)), brighter))
    assert [(face["action"], face["reason"]) for face in chosen.record["faces"]] == [("left", "not chosen"), ("restored", "")]
    assert b"Regions" in (metadata_of(processed).xmp or b"")
    assert b"Regions" not in (metadata_of(chosen).xmp or b"")


def test_a_person_that_is_not_tagged_is_an_error_that_says_who_is(content: bytes) -> None:
    tagged = tag_faces(content, ("Ada", ONE_FACE_BOX))
    request = replace(REQUEST, choice=FaceChoice(persons=("Eve",)))
    with pytest.raises(LaaError, match=r"a\.png has no face tagged Eve: the face tags name Ada"):
        process(tagged, request, fake_upscaler)
    with pytest.raises(LaaError, match="no face is tagged with a name"):
        process(content, request, fake_upscaler)
    allowed = replace(request, choice=FaceChoice(persons=("Eve",), person_required=False))
    assert not process(tagged, allowed, fake_upscaler).result.restored
    with pytest.raises(LaaError, match=r"no face in a\.png is tagged Eve") as caught:
        process(tagged, replace(allowed, require_face=True), fake_upscaler)
    assert caught.value.code == Exit.NO_FACE


def test_proofs_are_made_where_they_are_asked_for(content: bytes) -> None:
    doubts = {0.0: Doubt(torch.full((128, 128), 0.1))}
    upscaler = Upscaler(one_face, brighter, estimate_doubt=lambda crop, restored: doubts[0.0])
    assert process(content, REQUEST, lambda: upscaler).proofs == ()
    processed = process(content, replace(REQUEST, prove=True), lambda: upscaler)
    assert [proof.number for proof in processed.proofs] == [1]
    assert processed.record["faces"][0]["doubt"] == pytest.approx({"eyes": 25.5, "mouth": 25.5, "rest": 25.5})
    assert "proof" in processed.record["seconds"]
    unsure = process(content, replace(REQUEST, prove=True), fake_upscaler)
    assert unsure.proofs[0].doubt is None
    assert unsure.record["faces"][0]["doubt"] is None


@pytest.mark.parametrize(("crops_per_call", "calls"), [(None, [3]), (1, [1, 1, 1]), (2, [2, 1]), (16, [3])])
def test_crops_are_restored_in_groups_with_a_step_after_each(content: bytes, crops_per_call: Any, calls: list[int]) -> None:
    sizes: list[int] = []

    @FakeRestorer
    def restore(crops: list[Any]) -> list[RestoredFace]:
        sizes.append(len(crops))
        return brighter.restore(crops)

    upscaler = Upscaler(lambda rgb: one_face(rgb) * 3, restore)
    steps = process_steps(decode_photo(content, REQUEST), REQUEST, upscaler, restore, crops_per_call)
    next(steps)
    assert sizes == []  # the faces are found, and none is restored
    processed = run_to_end(steps)
    assert sizes == calls
    assert processed.content == process(content, REQUEST, lambda: upscaler).content


def test_models_are_loaded_once_and_what_fails_there_ends_the_run() -> None:
    calls: list[int] = []
    load = load_once(lambda: calls.append(1) or fake_upscaler())  # type: ignore[func-returns-value]
    assert load() is load()
    assert calls == [1]

    def fail() -> Upscaler:
        raise UsageError("fidelity must be from 0 to 1", "fidelity")

    with pytest.raises(SetupError, match=r"^--fidelity must be") as error:
        load_once(fail)()
    assert error.value.code == Exit.USAGE
