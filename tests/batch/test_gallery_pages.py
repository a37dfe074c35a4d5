"""The gallery's pages: how photos and failures are shared out among them, the ways between them, and pages of earlier runs."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pytest
from browser import needs_chromium, opened
from fakes import made_up_record, noise_pixels, run_batch, write_photo_of_noise

from laa_cli.batch import gallery_page
from laa_cli.batch.gallery import Gallery, build_pages, write_pages
from laa_cli.batch.gallery_page import build_figure
from laa_cli.batch.pagination import CONTENTS, NAME, PAGES, PER_PAGE, nearby
from laa_cli.batch.schema import ManifestRecord
from laa_cli.batch.thumbnails import make_thumbnails, write_thumbnails
from laa_cli.errors import Exit
from laa_cli.restore.alignment import Square
from laa_cli.utils.html import page
from laa_cli.utils.storage import LocalStorage

DIGEST = "ab" * 32  # of all results: their thumbnails are the same files


def made_up_gallery(photos: int, failed: int = 0) -> Gallery:
    """A gallery whose records are made up when they are asked for, a page at a time."""

    def load(names: Sequence[str]) -> list[ManifestRecord]:
        assert 0 < len(names) <= PER_PAGE
        return [record_of(name) for name in names]

    names = [made_up_record(number)["input"] for number in range(photos)]
    errors = [(f"bad/{number:05d}.jpg", f"cannot read it: reason {number}") for number in range(failed)]
    return Gallery(names=names, load=load, faces=2 * photos, is_proved=lambda record: False, failed=errors)


def record_of(name: str) -> ManifestRecord:
    return made_up_record(int(re.sub(r".*_|\.jpg", "", name))) | {"output_sha256": DIGEST}  # type: ignore[return-value]


def links(path: str, html: str) -> set[str]:
    """What a page leads to, relative to the folder of the results."""
    addresses = re.findall(r'(?:src|href)="([^"#]+)', html)
    return {posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(address))) for address in addresses}


def shown(html: str) -> list[str]:
    """The names of the photos of a page, in its order."""
    return re.findall(r'<figcaption><a href="[^"]+">([^<]+)</a>', html)


def htmls(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*.html") if path.is_file()}


def test_what_fits_on_one_page_is_on_one() -> None:
    gallery = made_up_gallery(PER_PAGE, PER_PAGE)
    figures = "\n".join(build_figure(record_of(name), proved=False, root="") for name in gallery.names)
    rows = "".join(f"<tr><td>{name}<td>{error}" for name, error in gallery.failed)
    body = f'{gallery_page.STYLE}\n<p>500 photos, 1000 faces restored, failed: 500.</p>\n<div class="grid">\n{figures}\n</div>'
    table = f'<h2>Failed</h2>\n<div class="scroll"><table>{rows}</table></div>'
    assert dict(build_pages(gallery)) == {NAME: page("Photos before and after", f"{body}\n{table}")}


def test_pages_show_every_photo_once_in_order_and_lead_to_all_others() -> None:
    gallery = made_up_gallery(1200)
    pages = dict(build_pages(gallery))
    assert list(pages) == [f"{PAGES}/photos-2.html", f"{PAGES}/photos-3.html", CONTENTS, NAME]  # the first is written last
    in_order = [NAME, *list(pages)[:2]]
    assert [len(shown(pages[path])) for path in in_order] == [500, 500, 200]
    assert [name for path in in_order for name in shown(pages[path])] == list(gallery.names)
    for path in in_order:
        files = {record_of(name)["output"] for name in shown(pages[path])}
        thumbnails = {f".laa/ab/{DIGEST[:32]}.{kind}.jpg" for kind in ("before", "after", "faces")}
        assert links(path, pages[path]) == files | thumbnails | pages.keys() - {path}
        assert pages[path].count('<nav aria-label="Pages">') == 2
    assert links(CONTENTS, pages[CONTENTS]) == pages.keys() - {CONTENTS}
    assert "Photos 501 to 1000 of 1200" in pages[in_order[1]]


def test_failures_have_pages_too() -> None:
    gallery = made_up_gallery(3, 1100)
    pages = dict(build_pages(gallery))
    in_order = [NAME, f"{PAGES}/failed-2.html", f"{PAGES}/failed-3.html"]
    assert pages.keys() == {*in_order, CONTENTS}
    rows = [row for path in in_order for row in re.findall(r"<tr><td>([^<]+)<td>([^<]+)", pages[path])]
    assert rows == list(gallery.failed)
    assert '<a href="#failed">failed: 1100</a>' in pages[NAME]
    assert all(f'href="../../{NAME}#failed"' in pages[path] for path in in_order[1:])
    assert all(set(in_order) - {path} <= links(path, pages[path]) for path in in_order)


def test_the_list_of_pages_leads_to_each_by_its_first_and_last_name() -> None:
    pages = dict(build_pages(made_up_gallery(1001, 501)))
    lines = re.findall(r'<li><a href="../../([^"]+)">([^<]+) <small>to</small> ([^<]+)</a>', pages[CONTENTS])
    assert [path for path, *_ in lines] == [
        NAME, f"{PAGES}/photos-2.html", f"{PAGES}/photos-3.html", f"{NAME}#failed", f"{PAGES}/failed-2.html",
    ]  # fmt: skip
    for path, first, last in lines[:3]:
        names = shown(pages[path])
        assert (first, last) == (names[0], names[-1])
    assert lines[3][1:] == ("bad/00000.jpg", "bad/00499.jpg")
    assert lines[4][1:] == ("bad/00500.jpg",) * 2


@pytest.mark.parametrize(
    ("number", "last", "expected"),
    [(1, 1, [1]), (1, 3, [1, 2, 3]), (150, 200, [1, 50, 140, 148, 149, 150, 151, 152, 160, 200])],
)
def test_which_pages_a_page_leads_to(number: int, last: int, expected: list[int]) -> None:
    assert nearby(number, last) == expected


def test_pages_of_a_longer_gallery_go_and_nothing_else_does(tmp_path: Path) -> None:
    results = LocalStorage(tmp_path)
    assert write_pages(made_up_gallery(1200, 600), results) == str(tmp_path / NAME)
    further = {f"{PAGES}/photos-2.html", f"{PAGES}/photos-3.html", f"{PAGES}/failed-2.html", CONTENTS}
    assert htmls(tmp_path) == {NAME, *further}
    own = {"index-2.html", "photos-2.html", f"{PAGES}/notes.html", ".laa/photos-2.html"}
    for name in own:
        (tmp_path / name).write_text("a person's own")
    write_pages(made_up_gallery(600), results)
    assert htmls(tmp_path) == {NAME, f"{PAGES}/photos-2.html", CONTENTS, *own}
    write_pages(made_up_gallery(6), results)
    assert htmls(tmp_path) == {NAME, *own}
    assert {(tmp_path / name).read_text() for name in own} == {"a person's own"}


@pytest.mark.parametrize("link", [".laa", PAGES])
def test_no_page_is_removed_where_a_link_leads(tmp_path: Path, link: str) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    page_of_another = elsewhere / Path(PAGES).relative_to(link) / "photos-9.html"
    page_of_another.parent.mkdir(parents=True)
    page_of_another.touch()
    (out / link).parent.mkdir(parents=True)
    os.symlink(elsewhere, out / link)
    write_pages(made_up_gallery(1), LocalStorage(out))
    assert page_of_another.exists()


def test_every_address_of_a_batch_of_several_pages_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laa_cli.batch.pagination.PER_PAGE", 2)
    names = ["a #1.png", "index-2.html/b.png", "index-2.html/c.png", "j?.png", "k.png"]
    for seed, name in enumerate(names):
        write_photo_of_noise(tmp_path / "in" / name, seed)
    for name in ("f.png", "g.png", "h.png"):
        (tmp_path / "in" / name).write_bytes(b"no photo")
    out = tmp_path / "out"
    assert run_batch(tmp_path, report=True) == Exit.PARTLY
    pages = {path: (out / path).read_text() for path in htmls(out)}
    assert pages.keys() == {NAME, CONTENTS, *(f"{PAGES}/{name}.html" for name in ("photos-2", "photos-3", "failed-2"))}
    assert sorted(name for html in pages.values() for name in shown(html)) == names
    assert all((out / address).is_file() for path, html in pages.items() for address in links(path, html))


@pytest.fixture
def results(tmp_path: Path) -> LocalStorage:
    """A folder with the thumbnails of all made-up photos."""
    results = LocalStorage(tmp_path)
    pixels = noise_pixels(height=30, width=40)
    write_thumbnails(make_thumbnails(pixels, pixels, [Square(2, 2, 20)] * 2, 1), results, DIGEST)
    return results


@needs_chromium
def test_the_pages_in_a_browser_by_keyboard(results: LocalStorage) -> None:
    write_pages(made_up_gallery(1200), results)
    with opened(results.local_path(NAME), 1000) as tab:
        for number in (2, 3):
            tab.get_by_role("link", name="Next").first.focus()
            tab.keyboard.press("Enter")
            tab.wait_for_url(f"**/photos-{number}.html")
            assert tab.locator(".photo").count() == (500 if number == 2 else 200)
            tab.wait_for_function("document.querySelector('.faces img').naturalWidth > 0")
            assert tab.locator("[aria-current=page]").all_inner_texts() == [str(number)] * 2
        assert tab.get_by_role("link", name="Next").count() == 0
        tab.get_by_role("link", name="All pages by name").last.click()
        tab.get_by_role("link", name="000/IMG_0000500.jpg").click()
        tab.wait_for_url("**/photos-2.html")
        tab.get_by_role("link", name="First").last.click()
        tab.wait_for_url(f"**/{NAME}")


@needs_chromium
def test_the_pages_fit_a_phone(results: LocalStorage) -> None:
    write_pages(made_up_gallery(30 * PER_PAGE, 600), results)
    for path in (NAME, f"{PAGES}/photos-15.html", f"{PAGES}/failed-2.html", CONTENTS):
        with opened(results.local_path(path), 360, dark=True) as tab:
            assert tab.evaluate("document.documentElement.scrollWidth") <= 360, path
            sizes = [link.bounding_box() for link in tab.locator("nav a").all()]
            assert all(size is not None and min(size["width"], size["height"]) >= 44 for size in sizes), path
