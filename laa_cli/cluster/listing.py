"""Lists the photos and the results of a run once, with what their storages say of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern

from ..batch.scan import NameFilter, check_out, check_source, output_names, scan_names, suffix
from ..batch.thumbnails import AFTER, FOLDER, PROOF, stem_and_suffix
from ..batch.unit_manifest import is_manifest, run_of
from ..errors import LaaError, UsageError
from ..photo import READABLE_SUFFIXES
from ..utils.storage import FileStatus, LocalStorage, Storage
from ..utils.url_storage import UrlStorage


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A photo: its name, its result's, and its file's size and time."""

    name: str
    output: str
    status: FileStatus


@dataclass
class PhotoListing:
    """The photos in the order of their names, the number of other files, and what could not be listed, and why."""

    photos: list[ListedPhoto]
    ignored: int
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass
class ResultListing:
    """What there is in the place of the results. `runs`: the number of the last run.

    `shown`, `proved`: the stems of the results that have thumbnails, and pages of proofs (`batch.thumbnails`).
    """

    files: dict[str, FileStatus] = field(default_factory=dict)
    manifests: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    proved: set[str] = field(default_factory=set)
    runs: int = 0


def check_places(photos: Storage, results: Storage) -> tuple[Storage, Storage]:
    """Resolves folders of this machine. UsageError where results could fall among the photos; LaaError as `check_folders`."""
    if isinstance(photos, LocalStorage):
        photos = LocalStorage(check_source(photos.folder))
    if isinstance(results, LocalStorage):
        results = LocalStorage(check_out(results.folder))
    if place_in(results, photos) is not None:
        raise UsageError(f"the results in {results.place} would fall among the photos in {photos.place}: choose another place")
    return photos, results


def place_in(outer: Storage, inner: Storage) -> str | None:
    """Returns what the names of the files of `inner` begin with in `outer`; None where it does not lie there."""
    (store, root), (other, path) = (
        storage.connect() if isinstance(storage, UrlStorage) else (None, storage.place) for storage in (outer, inner)
    )
    return f"{path}/".removeprefix(f"{root}/") if store == other and f"{path}/".startswith(f"{root}/") else None


def list_photos(photos: Storage, results: Storage, selection: NameFilter) -> PhotoListing:
    """Lists the photos, without what lies in the place of the results, if that is among them. Raises LaaError."""
    if isinstance(photos, LocalStorage):
        return list_folder(photos, results, selection)
    below = place_in(photos, results)
    found: dict[str, FileStatus] = {}
    unreadable: dict[str, str] = {}
    ignored = 0
    for name, status in files_of(photos, unreadable):
        if is_hidden(name) or (below is not None and name.startswith(below)):
            continue
        if suffix(name) not in READABLE_SUFFIXES or name not in selection:
            ignored += 1
        else:
            found[name] = status
    return PhotoListing(list_outputs(sorted(found), found.__getitem__), ignored, unreadable)


def list_folder(photos: LocalStorage, results: Storage, selection: NameFilter) -> PhotoListing:
    """Lists a folder of this machine, as the local batch does."""
    out = results.folder if isinstance(results, LocalStorage) else Path(results.place)
    names, ignored, unreadable = scan_names(photos.folder, out, selection)
    return PhotoListing(list_outputs(names, lambda name: photos.status(name) or FileStatus(0, None)), ignored, unreadable)


def list_outputs(names: Sequence[str], status: Callable[[str], FileStatus]) -> list[ListedPhoto]:
    """Names the photos' results. Names are interned, here and below: most come again there, and in the manifests."""
    return [ListedPhoto(intern(name), intern(output), status(name)) for name, output in output_names(names)]


def files_of(storage: Storage, unreadable: dict[str, str] | None = None, folder: str = "") -> Iterator[tuple[str, FileStatus]]:
    """Lists all files; `unreadable` as `Storage.files`. LaaError where that fails."""
    try:
        yield from storage.files(folder, unreadable)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LaaError(f"cannot list {storage.place}: {reason}: check that it is there and that you may read it") from error


def is_hidden(name: str) -> bool:
    """Whether a file or a folder that it lies in begins with a dot."""
    return name.startswith(".") or "/." in name


def list_results(results: Storage) -> ResultListing:
    """Lists the results and what laa keeps beside them. LaaError where that fails."""
    listing = ResultListing()
    for name, status in files_of(results):
        run = run_of(name)
        if is_manifest(name):
            listing.manifests.append(name)
        elif run is not None:
            listing.begun.append(name)
        elif name.startswith(FOLDER):
            stem, kind = stem_and_suffix(name)
            if kind in (AFTER, PROOF):
                (listing.shown if kind == AFTER else listing.proved).add(stem)
        elif not is_hidden(name):
            listing.files[intern(name)] = status
        listing.runs = max(listing.runs, run or 0)
    return listing
