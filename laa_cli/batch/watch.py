"""`laa batch --watch`: photos are done as they arrive, by looking into the folder now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from .run import Batch
from .scan import PhotoFile, ScanResult, State, state_of

POLL_S = 2.0


class Arrivals:
    """Which photos are new or changed, and whole: those whose size and time two looks in a row found the same."""

    def __init__(self) -> None:
        self.seen: dict[str, State] = {}
        self.handed: dict[str, State] = {}

    def whole(self, photos: list[PhotoFile]) -> list[PhotoFile]:
        """The photos to look at now; each only once unless it changes."""
        before, self.seen = self.seen, {photo.name: state for photo in photos if (state := state_of(photo.path))}
        arrived = [photo for photo in photos if photo.name in self.seen and before.get(photo.name) == self.seen[photo.name]]
        arrived = [photo for photo in arrived if self.handed.get(photo.name) != self.seen[photo.name]]
        self.handed |= {photo.name: self.seen[photo.name] for photo in arrived}
        return arrived


def watch(batch: Batch, sleep: Callable[[float], None] = time.sleep) -> None:
    """Goes on until Ctrl-C comes between two photos, which is the way to end it; during a photo it passes through."""
    arrivals = Arrivals()
    batch.screen.say(f"watching {batch.request.source}: Ctrl-C ends")
    while True:
        try:
            found = batch.scan()
            arrived = arrivals.whole(found.photos)
        except KeyboardInterrupt:
            return
        if arrived:
            batch.process(ScanResult(arrived, 0))
            batch.gallery(found)
        batch.counts.ignored = found.ignored
        try:
            sleep(POLL_S)
        except KeyboardInterrupt:
            return
