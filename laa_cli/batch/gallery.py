"""The gallery of `laa batch --report`: `index.html` beside the results, and further pages of too many photos for one.

The pages are the same however the results came about: they say nothing of times. Where there are pages of proofs, they lead
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..restore.records import restored_faces
from ..utils.html import page
from ..utils.storage import Storage
from . import gallery_page, pagination
from .gallery_page import build_failure_table, build_grid
from .pagination import CONTENTS, FURTHER_PAGE, NAME, PAGES, Series, build_contents, build_navigation, way_to_root
from .schema import ManifestRecord
from .thumbnails import backfill, has_proof, has_thumbnails, remove_stale_thumbnails, thumbnail_stem

TITLE = "Photos before and after"


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What the pages show: photos that have results, and those that failed, each in the order of the pages.

    `names`: the photos that have results. `load`: returns the records of some of them, in their order; it gets the names of a
    page at a time. `faces`: how many are restored in all. `is_proved`: whether a result's faces have a page of proofs.
    `failed`: the other photos, each with its error.
    """

    names: Sequence[str]
    load: Callable[[Sequence[str]], Sequence[ManifestRecord]]
    faces: int
    is_proved: Callable[[ManifestRecord], bool]
    failed: Sequence[tuple[str, str]] = ()

    @property
    def photos(self) -> Series:
        """The pages of the photos that have results."""
        return Series("photos", len(self.names))

    @property
    def failures(self) -> Series:
        """The pages of the photos that failed."""
        return Series("failed", len(self.failed), f"{NAME}#failed")

    @property
    def is_single(self) -> bool:
        """Whether all is on one page."""
        return self.photos.pages == self.failures.pages == 1


def write_gallery(names: Iterable[str], records: Mapping[str, ManifestRecord], photos: Storage, results: Storage) -> str:
    """Writes the gallery of a run on this machine, and first the thumbnails of results that were made without --report.

    Returns the first page's place. `names`: the photos in the order of the pages. Raises LaaError.
    """
    found = [records[name] for name in names if name in records]
    done = [record for record in found if record["error"] is None and results.status(record["output"]) is not None]
    for record in done:
        if not has_thumbnails(record, results):
            backfill(record, photos, results)
    remove_stale_thumbnails(results, {thumbnail_stem(record["output_sha256"]) for record in done})
    gallery = Gallery(
        names=[record["input"] for record in done],
        load=lambda names: [records[name] for name in names],
        faces=sum(len(restored_faces(record["faces"])) for record in done),
        is_proved=partial(has_proof, results=results),
        failed=[(record["input"], record["error"]) for record in found if record["error"] is not None],
    )
    return write_pages(gallery, results)


def write_pages(gallery: Gallery, results: Storage) -> str:
    """Writes all pages, the first one last, then removes those of an earlier, longer gallery. Returns the first one's place.

    Holds the records of one page at a time. Raises LaaError.
    """
    written = set()
    for path, content in build_pages(gallery):
        results.write(path, content.encode(), overwrite=True)
        written.add(path)
    stale = [path for path, _ in results.files(PAGES) if FURTHER_PAGE.fullmatch(path) and path not in written]
    for path in stale:
        results.remove(path)
    return results.locate(NAME)


def build_pages(gallery: Gallery) -> Iterator[tuple[str, str]]:
    """Yields the name of each page's file, relative to the folder of the results, and its HTML; the first page comes last."""
    for number in range(2, gallery.photos.pages + 1):
        yield gallery.photos.path(number), build_photo_page(gallery, number)
    for number in range(2, gallery.failures.pages + 1):
        yield gallery.failures.path(number), build_failure_page(gallery, number)
    if not gallery.is_single:
        failed = [name for name, _ in gallery.failed]
        yield CONTENTS, build_contents([("Photos", gallery.photos, gallery.names), ("Failed", gallery.failures, failed)])
    yield NAME, build_first_page(gallery)


def build_first_page(gallery: Gallery) -> str:
    """Builds the first page: how many photos there are, and what its two series begin with."""
    summary = f"{len(gallery.names)} photos, {gallery.faces} faces restored"
    if gallery.failed:
        count = f"failed: {len(gallery.failed)}"
        summary += f", {count}" if gallery.is_single else f', <a href="#failed">{count}</a>'
    return page(TITLE, build_photos(gallery, 1, summary) + "\n" + build_failures(gallery, 1))


def build_photo_page(gallery: Gallery, number: int) -> str:
    """Builds one of the further pages of photos."""
    span, series = gallery.photos.span(number), gallery.photos
    summary = f"Photos {span.start + 1} to {span.stop} of {series.length}"
    return page(f"{TITLE}, page {number} of {series.pages}", build_photos(gallery, number, summary))


def build_failure_page(gallery: Gallery, number: int) -> str:
    """Builds one of the further pages of photos that failed."""
    span, series = gallery.failures.span(number), gallery.failures
    summary = f"<p>Failures {span.start + 1} to {span.stop} of {series.length}.</p>"
    title = f"Photos that failed, page {number} of {series.pages}"
    return page(title, f"{pagination.STYLE}\n{summary}\n{build_failures(gallery, number)}")


def build_photos(gallery: Gallery, number: int, summary: str) -> str:
    """Builds a page's part of the photos, between the ways to other pages."""
    series = gallery.photos
    style = gallery_page.STYLE if gallery.is_single else f"{gallery_page.STYLE}\n{pagination.STYLE}"
    records = gallery.load(gallery.names[series.span(number)])
    grid = build_grid(records, gallery.is_proved, way_to_root(series.path(number)))
    navigation = build_navigation(series, number)
    return "\n".join(filter(None, (style, f"<p>{summary}.</p>", navigation, grid, navigation)))


def build_failures(gallery: Gallery, number: int) -> str:
    """Builds a page's part of the table of the photos that failed, between the ways to other pages; nothing where none did."""
    if not gallery.failed:
        return ""
    heading = "<h2>Failed</h2>" if gallery.is_single else '<h2 id="failed">Failed</h2>' if number == 1 else ""
    table, navigation = (
        build_failure_table(gallery.failed[gallery.failures.span(number)]),
        build_navigation(gallery.failures, number),
    )
    return "\n".join(filter(None, (heading, navigation, table, navigation)))
