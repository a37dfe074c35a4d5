"""Micro-batching: faces of several photos in one call of the network."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from fakes import FakeRestorer
from torch import Tensor

from laa_cli.batch.microbatch import MicroBatcher, is_batch_invariant, micro_batch_size
from laa_cli.interfaces import FaceCrop, RestoredFace

FACES = 28  # of the eight photos in `restore_eight_photos`


def restored(faces: list[Tensor]) -> list[RestoredFace]:
    return [RestoredFace(face, 1, 0) for face in faces]


class RecordingRestorer:
    """A restorer that doubles its crops and records the sizes of its batches."""

    batch_size = 4

    def __init__(self, error: Exception | None = None) -> None:
        self.sizes: list[int] = []
        self.error = error

    def __call__(self, crops: Sequence[FaceCrop]) -> list[RestoredFace]:
        self.sizes.append(len(crops))
        if self.error is not None:
            raise self.error
        return restored([crop.image * 2 for crop in crops])


def restore_eight_photos(network: RecordingRestorer, size: int) -> list[list[RestoredFace]]:
    """What eight photos with 0 to 7 faces get back when all ask at once."""
    photos = [[FaceCrop(torch.tensor([10.0 * photo + number])) for number in range(photo)] for photo in range(8)]
    results: list[Any] = [None] * 8
    restore = MicroBatcher(network, size)

    def ask(photo: int) -> None:
        try:
            results[photo] = restore(photos[photo])
        except RuntimeError as error:
            results[photo] = error

    threads = [threading.Thread(target=ask, args=(photo,)) for photo in range(8)]
    for thread in threads:
        thread.start()
    while size > 1 and restore.waiting.qsize() < FACES:
        time.sleep(0.001)
    with restore:
        for thread in threads:
            thread.join()
    return results


@pytest.mark.parametrize("size", [1, 4, 16])
def test_faces_of_several_photos_share_batches_of_one_size(size: int) -> None:
    network = RecordingRestorer()
    for photo, faces in enumerate(restore_eight_photos(network, size)):
        assert [restored.face.item() for restored in faces] == [2 * (10.0 * photo + number) for number in range(photo)]
    assert set(network.sizes) == {size}
    assert len(network.sizes) == math.ceil(FACES / size)


def test_a_batch_that_fails_fails_for_each_of_its_photos() -> None:
    results = restore_eight_photos(RecordingRestorer(RuntimeError("out of memory")), 4)
    assert all(isinstance(result, RuntimeError) for result in results[1:])


def test_faces_share_batches_only_where_their_company_does_not_matter() -> None:
    @FakeRestorer
    def by_place(crops: list[Tensor]) -> list[RestoredFace]:
        return restored([crop + 1e-7 * place for place, crop in enumerate(crops)])

    @FakeRestorer
    def by_company(crops: list[Tensor]) -> list[RestoredFace]:
        return restored([crop + torch.stack(crops).mean() for crop in crops])

    network = RecordingRestorer()
    assert is_batch_invariant(network, 4)
    assert not is_batch_invariant(by_place, 4)
    assert not is_batch_invariant(by_company, 4)
    assert micro_batch_size(network) == 4
    by_place.batch_size = 4
    assert micro_batch_size(by_place) == 1
    network.batch_size = 1
    assert micro_batch_size(network) == 1
