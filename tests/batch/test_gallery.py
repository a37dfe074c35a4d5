"""`laa batch --report`: the gallery's files, its links, and the page in a browser."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from browser import needs_chromium, opened
from fakes import records, refuse_to_load, run_batch, write_photo_of_noise
from PIL import Image

from laa_cli.batch.gallery import FACE_PX, LONGEST_PX, NAME, build_page, make_thumbnails, thumbnail_path
from laa_cli.errors import Exit, LaaError
from laa_cli.restore.alignment import Square


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos with a face each, one with a name that needs quoting, and a broken one."""
    for seed, name in enumerate(('a "b" <c>.png', "b/50%#ä.jpg")):
        write_photo_of_noise(tmp_path / "in" / name, seed, (60, 40))
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no photo")
    return tmp_path


def test_every_address_of_the_page_is_a_file(folder: Path) -> None:
    assert run_batch(folder, report=True) == Exit.PARTLY
    page = (folder / "out" / "index.html").read_text()
    addresses = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert len(addresses) == 2 * 4  # the result, before, after and faces of each photo
    assert all((folder / "out" / unquote(address)).is_file() for address in addresses)
    assert "a &quot;b&quot; &lt;c&gt;.png" in page
    assert "2 photos, 2 faces restored, failed: 1" in page
    assert "it is not a JPEG" in page


def test_a_gallery_of_earlier_results_is_the_same(folder: Path) -> None:
    run_batch(folder, report=True)
    run_batch(folder, out=folder / "other")
    assert run_batch(folder, refuse_to_load, out=folder / "other", report=True) == Exit.PARTLY
    pages = [(folder / out / "index.html").read_text() for out in ("out", "other")]
    assert pages[0] == pages[1]
    assert run_batch(folder, refuse_to_load, report=True) == Exit.PARTLY
    assert (folder / "out" / "index.html").read_text() == pages[0]


def test_views_of_replaced_results_are_removed(folder: Path) -> None:
    run_batch(folder, report=True)
    count = len(list((folder / "out" / ".laa").glob("*/*.jpg")))
    write_photo_of_noise(folder / "in" / "b" / "50%#ä.jpg", 7, (60, 40))
    run_batch(folder, report=True)
    assert len(list((folder / "out" / ".laa").glob("*/*.jpg"))) == count == 6


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_views_of_every_kind_of_photo(kind: Any, channels: int) -> None:
    before = np.full((30, 2000, channels), np.iinfo(kind).max, kind)
    pictures = make_thumbnails(before, before.repeat(2, 0).repeat(2, 1), [Square(-3, 2, 20), Square(50, 5, 200)], 2)
    assert pictures.keys() == {"before", "after", "faces"}
    sizes = {}
    for name, content in pictures.items():
        with Image.open(io.BytesIO(content)) as image:
            sizes[name] = image.size
            assert np.asarray(image).min() > 250
    assert sizes == {"before": (LONGEST_PX, 14), "after": (LONGEST_PX, 14), "faces": (2 * FACE_PX, 2 * FACE_PX)}


@needs_chromium
def test_the_gallery_in_a_browser(folder: Path) -> None:
    run_batch(folder, report=True)
    with opened(folder / "out" / "index.html", 1000) as tab:
        tab.wait_for_function("[...document.images].every(image => image.complete)")
        assert tab.evaluate("[...document.images].map(image => image.naturalWidth > 0)") == [True] * 6
        box = tab.locator(".slider").first
        at_middle = box.screenshot()
        place = box.bounding_box()
        assert place is not None
        tab.mouse.click(place["x"] + 0.9 * place["width"], place["y"] + place["height"] / 2)
        assert float(tab.locator("input").first.input_value()) == pytest.approx(90, abs=1)
        assert box.screenshot() != at_middle
        face = tab.locator(".faces img").first.bounding_box()
        assert face is not None
        assert (face["width"], face["height"]) == (2 * FACE_PX, FACE_PX)


@needs_chromium
def test_a_thousand_photos_open_at_once_and_load_when_they_are_seen(folder: Path) -> None:
    run_batch(folder, report=True)
    (record, *_) = [record for record in records(folder) if record["error"] is None]
    digests = [f"{number:032x}" * 2 for number in range(1000)]
    for digest in digests:
        for kind in ("before", "after", "faces"):
            target = folder / "out" / thumbnail_path(digest, kind)
            target.parent.mkdir(exist_ok=True)
            os.link(folder / "out" / thumbnail_path(record["output_sha256"], kind), target)
    path = folder / "out" / "many.html"
    path.write_text(build_page([record | {"output_sha256": digest} for digest in digests], []))
    with opened(path, 1000) as tab:
        assert tab.locator(".photo").count() == 1000
        loaded = "[...document.images].filter(image => image.complete && image.naturalWidth > 0).length"
        tab.wait_for_function(f"{loaded} > 0")
        assert tab.evaluate(loaded) < 300  # of 3000
        tab.locator(".photo").last.scroll_into_view_if_needed()
        tab.wait_for_function("[...document.images].at(-1).complete && [...document.images].at(-1).naturalWidth > 0")


def test_names_of_control_characters_are_shown_and_lead_to_their_files(tmp_path: Path) -> None:
    names = ["\x1b[2J.png", "a\nb.png", "\u202egpj.png", "\udcff.png"]
    for name in names:
        write_photo_of_noise(tmp_path / "in" / name)
    assert run_batch(tmp_path, report=True) == Exit.OK
    page = (tmp_path / "out" / "index.html").read_text()
    for shown in (r"\x1b[2J.png", r"a\nb.png", r"\u202egpj.png", r"\udcff.png"):
        assert f">{shown}</a>" in page
    assert not {"\x1b", "\u202e"} & set(page)
    links = {unquote(address, errors="surrogateescape") for address in re.findall(r'href="([^"]+)"', page)}
    assert links == set(names)


def test_a_folder_with_the_gallerys_name_is_said_before_any_work(tmp_path: Path) -> None:
    write_photo_of_noise(tmp_path / "in" / NAME / "a.png", 0, (40, 40))
    with pytest.raises(LaaError, match=r"index\.html is a folder with the gallery's name"):
        run_batch(tmp_path, report=True)
    assert not (tmp_path / "out" / NAME).exists()
    assert run_batch(tmp_path) == Exit.OK
    assert (tmp_path / "out" / NAME / "a.png").is_file()
