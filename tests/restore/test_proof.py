"""Proofs of faces, and their page in a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import needs_chromium, opened
from fakes import MIDDLE, portrait

from laa_cli.interfaces import FaceCrop, RestoredFace
from laa_cli.options import Options
from laa_cli.restore.doubt import Doubt
from laa_cli.restore.proof import (
    DARKEST_DOUBT,
    DIFFERENCE_GAIN,
    FaceProof,
    crop_picture,
    difference_picture,
    doubt_picture,
    face_picture,
    no_doubt,
    prove_faces,
    reduced_picture,
    with_doubts,
)
from laa_cli.restore.proof_page import build_proof_page
from laa_cli.restore.selection import FaceReport, assess, with_result
from models.protocol import resize

SIDE = 20
FACE = portrait()[0]
CROP = FaceCrop(resize(FACE[None], SIDE)[0].clamp(0, 1))
RESULT = RestoredFace(FACE, 0.5, 0.01)
DOUBT = Doubt(torch.linspace(0, 0.2, 128).expand(128, 128).contiguous())


def report(name: str = "") -> FaceReport:
    return with_result(assess(replace(MIDDLE, name=name), Options(max_face_px=500)), RESULT)


def proof(crop: FaceCrop = CROP, doubt: Doubt | None = DOUBT) -> FaceProof:
    return FaceProof(1, report(), crop, RESULT, doubt)


def test_only_restored_faces_are_proved_and_each_by_its_own_crop() -> None:
    other = RestoredFace(FACE.flip(-1), 0.2, 0.3, worthwhile=False)
    waiting, left = assess(MIDDLE, Options(max_face_px=500)), assess(MIDDLE, Options(max_face_px=10))
    faces = [left, with_result(waiting, other), with_result(waiting, RESULT)]
    proofs = list(prove_faces(faces, [FaceCrop(CROP.image.flip(-1)), CROP], [other, RESULT], lambda crop, restored: DOUBT))
    assert [(one.number, one.crop, one.restored) for one in proofs] == [(3, CROP, RESULT)]
    assert [face.doubt for face in with_doubts(faces, proofs)] == [None, None, proofs[0].summary]
    assert next(prove_faces(faces[2:], [CROP], [RESULT], no_doubt)).summary is None


def test_the_difference_is_that_of_the_two_pictures_beside_it() -> None:
    shifted = FaceCrop((CROP.image + 5 / 255).clamp(0, 1))
    shown = difference_picture(proof(shifted)).astype(int)
    expected = 127.5 + DIFFERENCE_GAIN * (reduced_picture(proof()).astype(int) - crop_picture(proof(shifted)))
    assert np.abs(shown - expected.clip(0, 255)).max() <= DIFFERENCE_GAIN + 1  # each picture is rounded
    assert np.median(shown) == pytest.approx(127.5 - 5 * DIFFERENCE_GAIN, abs=DIFFERENCE_GAIN)
    assert face_picture(proof()).shape == (128, 128, 3)
    assert crop_picture(proof()).shape == reduced_picture(proof()).shape == (SIDE, SIDE, 3)


def test_more_doubt_is_brighter_up_to_the_end_of_the_scale() -> None:
    lightness = doubt_picture(DOUBT).astype(float)[0] @ [0.3, 0.6, 0.1]
    end = (
        next(place for place, value in enumerate(DOUBT.half_width[0].tolist()) if 255 * value >= DARKEST_DOUBT)
        if (255 * DOUBT.half_width.max() >= DARKEST_DOUBT)
        else 128
    )
    assert (np.diff(lightness[:end]) >= 0).all()
    assert lightness[0] < 5 < lightness[end - 1]


@needs_chromium
@pytest.mark.parametrize(("width", "dark"), [(360, False), (1200, True)])
def test_the_page_shows_every_face_whatever_its_name(tmp_path: Path, width: int, dark: bool) -> None:
    name = '<script>alert("x")</script>'
    faces = [report(name), assess(MIDDLE, Options(max_face_px=10))]
    page = build_proof_page('a "b" <c>.jpg', faces, [replace(proof(), report=faces[0])])
    (tmp_path / "proof.html").write_text(page)
    with opened(tmp_path / "proof.html", width, dark=dark) as shown:
        assert shown.locator("script").count() == 0
        assert name in shown.locator("h2").first.inner_text()
        assert shown.locator(".face img").count() == 5
        assert shown.evaluate("[...document.images].every(image => { image.loading = 'eager'; return true })")
        shown.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        sides = shown.evaluate("[...document.querySelectorAll('.face img')].map(image => image.getBoundingClientRect().width)")
        assert len(set(sides)) == 1
        assert "over --max-face 10" in shown.inner_text("table")
        assert "1 of 2 faces restored" in shown.inner_text("body")


def test_without_error_bars_nothing_is_said_of_them() -> None:
    page = build_proof_page("a.jpg", [report()], [proof(doubt=None)])
    assert "oubt" not in page
    assert page.count("<figure>") == 4
    assert "no face found" in build_proof_page("a.jpg", [], [])
