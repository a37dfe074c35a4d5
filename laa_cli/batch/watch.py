"""`laa batch --watch`: photos are done as they arrive, by polling the folder."""

from __future__ import annotations

import time
from collections.abc import Callable

from .run import Batch
from .scan import FileState, PhotoFile, ScanResult, file_state

POLL_S = 2.0


class Arrivals:
    """Which photos are new or changed, and whole: those whose size and time two polls in a row found the same."""

    def __init__(self) -> None:
        self.polled: dict[str, FileState] = {}
        self.returned: dict[str, FileState] = {}

    def poll(self, photos: list[PhotoFile]) -> list[PhotoFile]:
        """Returns the photos that have arrived; each only once unless it changes."""
        before = self.polled
        self.polled = {photo.name: state for photo in photos if (state := file_state(photo.path))}
        whole = [photo for photo in photos if photo.name in self.polled and before.get(photo.name) == self.polled[photo.name]]
        arrived = [photo for photo in whole if self.returned.get(photo.name) != self.polled[photo.name]]
        self.returned |= {photo.name: self.polled[photo.name] for photo in arrived}
        return arrived


def watch(batch: Batch, sleep: Callable[[float], None] = time.sleep) -> None:
    """Goes on until Ctrl-C comes between two photos, which is the way to end it; during a photo it passes through."""
    arrivals = Arrivals()
    batch.screen.say(f"watching {batch.request.source}: Ctrl-C ends")
    while True:
        try:
            found = batch.scan()
            arrived = arrivals.poll(found.photos)
        except KeyboardInterrupt:
            return
        if arrived:
            batch.process(ScanResult(arrived, 0))
            batch.write_gallery(found)
        batch.counts.ignored = found.ignored
        try:
            sleep(POLL_S)
        except KeyboardInterrupt:
            return
