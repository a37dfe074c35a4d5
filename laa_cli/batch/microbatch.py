"""Faces of several photos in one call of the network, each with the very result that it would have in any other company.

On a CPU a face costs least by itself (CPU time on one core: one at a time 131 to 143 ms each, 16 at a time 188 to 195 ms; the
cache holds what one face needs), so there the network sees one at a time. A GPU wants many: each call has the same number
of faces, filled up where fewer wait, since other kernels, with other roundings, may serve another size; and a trial shows first
that a face's result does not depend on its place or its neighbours. Where it does, they go one at a time again.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from types import TracebackType

import torch
from torch import Tensor

from ..interfaces import FaceCrop, FaceRestorer, RestoredFace

TRIAL_CROP_PX = 24


class MicroBatcher:
    """A restorer that many threads may call at once, in a `with` block; `size`: faces in each of the network's calls."""

    def __init__(self, restore: FaceRestorer, size: int) -> None:
        self.restore, self.size = restore, size
        self.waiting: SimpleQueue[tuple[FaceCrop, Future[RestoredFace]] | None] = SimpleQueue()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __call__(self, crops: list[FaceCrop]) -> list[RestoredFace]:
        """Restores the crops of one photo. Raises what the network raised."""
        if self.size == 1:
            return [self.restore([crop])[0] for crop in crops]
        results: list[Future[RestoredFace]] = [Future() for _ in crops]
        for item in zip(crops, results, strict=True):
            self.waiting.put(item)
        return [result.result() for result in results]

    def serve(self) -> None:
        """Restores what waits, a batch at a time."""
        while (first := self.waiting.get()) is not None:
            batch = [first, *self.drain()]
            crops = [crop for crop, _ in batch]
            try:
                restored = self.restore([*crops, *[crops[-1]] * (self.size - len(crops))])
            except Exception as error:
                for _, result in batch:
                    result.set_exception(error)
                continue
            for (_, result), face in zip(batch, restored, strict=False):
                result.set_result(face)

    def drain(self) -> list[tuple[FaceCrop, Future[RestoredFace]]]:
        """Further crops that wait already."""
        found: list[tuple[FaceCrop, Future[RestoredFace]]] = []
        while len(found) < self.size - 1:
            try:
                item = self.waiting.get_nowait()
            except Empty:
                break
            if item is None:
                self.waiting.put(None)
                break
            found.append(item)
        return found

    def __enter__(self) -> MicroBatcher:
        if self.size > 1:
            self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.waiting.put(None)


def micro_batch_size(restore: FaceRestorer) -> int:
    """How many faces of several photos a call should have: the restorer's own batch size, or 1 where batches change results."""
    size = restore.batch_size
    return size if size > 1 and is_batch_invariant(restore, size) else 1


def is_batch_invariant(restore: FaceRestorer, size: int) -> bool:
    """Tells whether faces come out the same, to the bit, at another place in the batch and among other faces."""
    images = torch.rand(size, 3, TRIAL_CROP_PX, TRIAL_CROP_PX, generator=torch.Generator().manual_seed(0))
    crops = [FaceCrop(image) for image in images]
    straight = restored_faces(restore, crops)
    reversed_ = restored_faces(restore, crops[::-1])[::-1]
    repeated = [restored_faces(restore, [crop] * size)[0] for crop in crops[:2]]
    return all(map(torch.equal, straight, reversed_)) and all(map(torch.equal, straight, repeated))


def restored_faces(restore: FaceRestorer, crops: list[FaceCrop]) -> list[Tensor]:
    """The faces alone, each (3, 128, 128)."""
    return [restored.face for restored in restore(crops)]
