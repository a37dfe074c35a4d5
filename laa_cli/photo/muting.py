"""Mutes libraries while they decode a photo: what is wrong with it is in laa's error, in one line."""

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
def mute_libraries() -> Iterator[None]:
    """Mutes warnings and logs, and lifts Pillow's limit of pixels, which laa has its own for; restores all on exit."""
    logs = [logging.getLogger(name) for name in ("PIL.TiffImagePlugin", "tifffile")]  # those that log errors
    with LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit_before, disabled_before = Image.MAX_IMAGE_PIXELS, [log.disabled for log in logs]
        Image.MAX_IMAGE_PIXELS = None
        for log in logs:
            log.disabled = True
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit_before
            for log, disabled in zip(logs, disabled_before, strict=True):
                log.disabled = disabled


@contextmanager
def mute_stderr() -> Iterator[None]:
    """Redirects standard error to the null device, for C code too: libtiff inside Pillow writes there by itself."""
    with LOCK:
        try:
            duplicate = os.dup(STDERR)
        except OSError:  # there is no standard error
            yield
            return
        try:
            with open(os.devnull, "wb") as null:
                os.dup2(null.fileno(), STDERR)
            yield
        finally:
            os.dup2(duplicate, STDERR)
            os.close(duplicate)


@contextmanager
def unmuted() -> Iterator[None]:
    """Keeps standard error as it is: no other thread mutes it meanwhile."""
    with LOCK:
        yield
