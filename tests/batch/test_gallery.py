"""`laa batch --report`: the gallery's files, its links, and the page in a browser."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from browser import needs_chromium, opened
from fakes import records, refuse_to_load, run_batch, write_photo_of_noise

from laa_cli.batch.gallery import Gallery, write_pages
from laa_cli.batch.pagination import NAME, PER_PAGE
from laa_cli.batch.thumbnails import FACE_PX, thumbnail_path
from laa_cli.errors import Exit, LaaError
from laa_cli.utils.storage import LocalStorage


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
def test_a_full_page_opens_at_once_and_loads_pictures_when_they_are_seen(folder: Path) -> None:
    run_batch(folder, report=True)
    (record, *_) = [record for record in records(folder) if record["error"] is None]
    digests = [f"{number:032x}" * 2 for number in range(PER_PAGE)]
    for digest in digests:
        for kind in ("before", "after", "faces"):
            target = folder / "out" / thumbnail_path(digest, kind)
            target.parent.mkdir(exist_ok=True)
            os.link(folder / "out" / thumbnail_path(record["output_sha256"], kind), target)
    copies: Any = {digest: record | {"output_sha256": digest} for digest in digests}
    gallery = Gallery(
        names=digests, load=lambda names: [copies[name] for name in names], faces=PER_PAGE, is_proved=lambda record: False
    )
    write_pages(gallery, LocalStorage(folder / "out"))
    with opened(folder / "out" / NAME, 1000) as tab:
        assert tab.locator(".photo").count() == PER_PAGE
        loaded = "[...document.images].filter(image => image.complete && image.naturalWidth > 0).length"
        tab.wait_for_function(f"{loaded} > 0")
        assert tab.evaluate(loaded) < 300  # of 1500
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
