"""Keeping libraries quiet while they read a photo: what is wrong with it is said in laa's error, in one line."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

LOCK = threading.RLock()  # Pillow's limit, Python's warning filters and standard error belong to the whole process
STDERR = 2


@contextmanager
def mute_pillow(max_pixels: int) -> Iterator[None]:
    """Pillow without warnings and log, and with our limit in the place of its own; all are put back."""
    log = logging.getLogger("PIL.TiffImagePlugin")  # the only one that logs errors
    with LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, was_disabled = Image.MAX_IMAGE_PIXELS, log.disabled
        log.disabled = True
        Image.MAX_IMAGE_PIXELS = max(max_pixels, 1)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, log.disabled = before, was_disabled


@contextmanager
def mute_stderr() -> Iterator[None]:
    """Nothing reaches standard error, not even from C: libtiff inside Pillow writes there by itself."""
    with LOCK:
        try:
            before = os.dup(STDERR)
        except OSError:  # there is no standard error
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), STDERR)
            yield
        finally:
            os.dup2(before, STDERR)
            os.close(before)


@contextmanager
def unmuted() -> Iterator[None]:
    """Standard error as it is: no other thread silences it meanwhile."""
    with LOCK:
        yield
