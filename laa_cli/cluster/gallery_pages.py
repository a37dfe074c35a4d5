"""The gallery of a run over storages: its pages from the index, a page's records in memory at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..batch.gallery import Gallery, write_pages
from ..batch.thumbnails import FOLDER, PROOF, stem_and_suffix, thumbnail_stem
from ..utils.storage import Storage
from .listing import files_of
from .record_index import RecordIndex


def write_gallery_of(names: Iterable[str], index: RecordIndex, results: Storage) -> str:
    """Writes the gallery of the photos that the index has, in their order. Returns the first page's place. Raises LaaError."""
    done, failed, stems, faces = [], [], set(), 0
    for name in names:
        if (entry := index.entries.get(name)) is None:
            continue
        if entry.error is not None:
            failed.append((name, entry.error))
        else:
            done.append(name)
            stems.add(thumbnail_stem(entry.output_sha256))
            faces += entry.restored
    proved = remove_stale_files(stems, results)
    gallery = Gallery(
        names=done,
        load=index.records,
        faces=faces,
        is_proved=lambda record: thumbnail_stem(record["output_sha256"]) in proved,
        failed=failed,
    )
    return write_pages(gallery, results)


def remove_stale_files(current: Collection[str], results: Storage) -> set[str]:
    """Removes thumbnails and proofs of results that there are no more. `current`: the others' stems. Raises LaaError.

    Returns the stems of those that have pages of proofs: all by one listing, where looking at each takes a request.
    """
    stale, proved = [], set()
    for name, _ in files_of(results, folder=FOLDER):
        stem, suffix = stem_and_suffix(name)
        if stem and stem not in current:
            stale.append(name)
        elif suffix == PROOF:
            proved.add(stem)
    results.remove_many(stale)
    return proved
