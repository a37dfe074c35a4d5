"""The pipeline on arrays with another background: what is pasted onto it, where it is left alone, what it may take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import CPU, FakeBackground, FakeRestorer, brighter, noise_pixels, one_face, save_background
from torch import Tensor

from laa_cli.errors import LaaError, OutOfMemoryError
from laa_cli.interfaces import RestoredFace
from laa_cli.options import PLAIN, ModelOptions
from laa_cli.photo import limits
from laa_cli.photo.resample import enlarge
from laa_cli.restore.background import AutoUpscaler, PlainUpscaler
from laa_cli.restore.picture_upscaler import PictureUpscaler
from laa_cli.upscale import Options, Upscaler, build_background
from models.checkpoint import DEFAULT_WEIGHTS

PIXELS = noise_pixels(height=34, width=40)
FACE = np.s_[12:52, 16:56]  # of `one_face`, at scale 2


@FakeRestorer
def noisy(crops: list[Tensor]) -> list[RestoredFace]:
    return [RestoredFace(face.face * 0, 0.1, 0.5, worthwhile=False) for face in brighter.restore(crops)]


def test_faces_are_pasted_onto_the_background_and_it_is_touched_nowhere_else() -> None:
    result = Upscaler(one_face, brighter, FakeBackground())(PIXELS, Options(scale=2))
    background = ~enlarge(PIXELS, 2)
    assert (result.background, result.background_fidelity) == ("fake", 0.25)
    assert len(result.restored) == 1
    assert not np.array_equal(result.pixels[FACE], background[FACE])
    for picture in (result.pixels, background):
        picture[FACE] = 0
    assert np.array_equal(result.pixels, background)


def test_a_noisy_face_is_left_to_the_background() -> None:
    result = Upscaler(one_face, noisy, FakeBackground())(PIXELS, Options(scale=2))
    assert [(report.restored, report.reason) for report in result.faces] == [(False, "noisy for its size")]
    assert np.array_equal(result.pixels, ~enlarge(PIXELS, 2))


def test_at_scale_1_the_background_is_left_alone() -> None:
    background = FakeBackground(peak=1 << 60)
    upscaler = Upscaler(lambda rgb: [], brighter, background)
    result = upscaler(PIXELS, Options(scale=1))
    assert np.array_equal(result.pixels, PIXELS)
    assert (result.background, result.background_fidelity, background.steps_done) == (PLAIN, None, 0)


def test_finish_runs_all_steps() -> None:
    upscaler = Upscaler(one_face, brighter, FakeBackground(5))
    prepared = upscaler.prepare(PIXELS, Options(scale=2))
    restored = brighter(prepared.crops)
    shares = list(upscaler.finish_steps(prepared, restored))
    assert shares == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert np.array_equal(upscaler.finish(prepared, restored).pixels, upscaler(PIXELS, Options(scale=2)).pixels)


def test_the_background_counts_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "available_bytes", lambda: 4 * 10**9)
    assert Upscaler(one_face, brighter, FakeBackground(peak=10**9))(PIXELS).background == "fake"
    with pytest.raises(
        OutOfMemoryError, match=r"needs about 9\.0 GB of memory.*: use --background plain, use --scale 1, or allow"
    ):
        Upscaler(one_face, brighter, FakeBackground(peak=9 * 10**9))(PIXELS)
    assert Upscaler(one_face, brighter, FakeBackground(peak=9 * 10**9))(PIXELS, Options(max_pixels=10**6)).background == "fake"


def test_plain_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.checkpoint.BACKGROUND_WEIGHTS", Path("gone"))
    assert isinstance(build_background(ModelOptions(background="plain"), CPU), PlainUpscaler)
    for background in ("hpinet", "./plain", "gone.pth"):
        with pytest.raises(LaaError, match=r"^cannot read the background's network .*: No such file"):
            build_background(ModelOptions(background=background), CPU)


GPU = torch.device("cuda")


def test_the_shipped_network_is_chosen_by_size_on_a_cpu_and_always_on_request(shipped_background: Path) -> None:
    assert isinstance(build_background(ModelOptions(), CPU), AutoUpscaler)
    assert isinstance(build_background(ModelOptions(background="hpinet"), CPU), PictureUpscaler)
    result = Upscaler(one_face, brighter, build_background(ModelOptions(), CPU))(PIXELS, Options(scale=2))
    assert (result.background, result.background_reason) == ("hpinet", "")


def test_a_model_file_is_named_by_its_stem(tmp_path: Path) -> None:
    path = save_background(tmp_path / "mine.safetensors")
    upscaler = Upscaler(one_face, brighter, build_background(ModelOptions(background=str(path)), CPU))
    assert upscaler(PIXELS, Options(scale=4)).background == "mine"
    assert upscaler(PIXELS, Options(scale=1)).background == PLAIN


def test_auto_on_an_accelerator_knows_no_limit(shipped_background: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[object] = []
    monkeypatch.setattr(PictureUpscaler, "load", lambda *arguments, **_: loaded.append(arguments) or FakeBackground())
    assert isinstance(build_background(ModelOptions(), GPU), FakeBackground)
    assert loaded == [(shipped_background, GPU)]


def test_weights_of_faces_make_no_background() -> None:
    with pytest.raises(LaaError, match="its network restores faces: give it as --weights"):
        build_background(ModelOptions(background=str(DEFAULT_WEIGHTS)), CPU)
