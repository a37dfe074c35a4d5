"""What a run of `laa batch` says to people, beside its summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..console import Screen
from ..errors import LaaError
from ..options import AUTO, AUTO_MAX_PIXELS
from ..photo import unmuted
from ..process import MARK_STAYS
from ..restore.background import HOW_TO_HAVE_IT
from ..restore.choice import describe_names, normalize_name
from ..utils.storage import Storage
from .manifest import Recipe
from .pagination import NAME as GALLERY
from .schema import ManifestRecord
from .summary import Counts


def notify_left_out(screen: Screen, count: int, *, retry_failed: bool) -> None:
    """Says why photos that are to be done, or could be tried again, are not."""
    if count and retry_failed:
        screen.notice(f"new or changed photos, left for a run without --retry-failed: {count}")
    elif count:
        screen.notice(f"photos that failed in an earlier run and are as they were: {count}; --retry-failed tries them")


def notify_plain(screen: Screen, counts: Counts, background: str) -> None:
    """Says that photos were too large for the background's network, where their size decides. `background`: the recipe's."""
    if counts.plain and background == AUTO:
        limit = f"photos of more than {AUTO_MAX_PIXELS / 1e6:g} megapixels, enlarged, have a plain background"
        screen.notice(f"{limit}: {counts.plain}; {HOW_TO_HAVE_IT}")


def notify_mark(screen: Screen, counts: Counts, recipe: Recipe) -> None:
    """Says that the mark stays where all other metadata go."""
    if recipe.strip_metadata and recipe.mark and counts.restored:
        screen.notice(MARK_STAYS)


def report_photo(screen: Screen, record: ManifestRecord, *, json: bool) -> None:
    """Reports a photo that is done, or has failed."""
    if json:
        screen.record(record)
    if record["error"] is not None:
        with unmuted():
            screen.error(record["error"])


def check_persons(persons: Sequence[str], found: Iterable[str], place: object) -> None:
    """Raises LaaError where persons were asked for and none of the names found is one of theirs."""
    names = {*found}
    if persons and {normalize_name(name) for name in persons}.isdisjoint(map(normalize_name, names)):
        raise LaaError(f"no photo in {place} has a face tagged {' or '.join(persons)}: {describe_names(names)}")


def check_gallery_place(outputs: Iterable[str], photos: Storage) -> None:
    """Raises LaaError where results lie in a folder with the gallery's name."""
    if any(output.startswith(f"{GALLERY}/") for output in outputs):
        raise LaaError(f"{photos.locate(GALLERY)} is a folder with the gallery's name: rename it, or leave --report out")
