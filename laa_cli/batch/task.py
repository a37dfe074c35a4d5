"""One photo on its way through the engine: read, restored, encoded, written, recorded."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Exit, LaaError, SetupError, out_of_memory
from ..photo import Photo, check_output, encode_photo, peek, read_bytes, read_photo, without_metadata
from ..single.report import as_record
from ..upscale import Prepared, Upscaled, Upscaler, check_size
from ..utils.atomic import already_exists, write_atomically
from ..utils.timing import StageTimer
from .executor import estimate_bytes
from .gallery import Thumbnails, make_thumbnails, write_thumbnails
from .manifest import Manifest, Recipe, Record
from .microbatch import MicroBatcher
from .scan import PhotoFile

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # what concerns every photo to come


@dataclass(frozen=True)
class BatchContext:
    """What all errands of a run share."""

    out: Path
    recipe: Recipe
    manifest: Manifest
    upscaler: Upscaler
    micro_batcher: MicroBatcher
    overwrite: bool = False
    report: bool = False  # whether views for the gallery are made


class PhotoTask:
    """A task of the engine. `record` is what the manifest says of the photo once it is written."""

    def __init__(self, source: PhotoFile, shop: BatchContext) -> None:
        self.source, self.context = source, shop
        self.target = shop.out / source.output
        self.error: Exception | None = None
        self.failure_is_final = False  # whether a failure would be the photo's own
        self.clock = StageTimer()
        self.record: Record = {"input": source.name, "output": source.output, "size": None, "mtime_ns": None, "sha256": None}
        self.photo: Photo | None = None
        self.content = b""
        self.views: Thumbnails = {}

    def size(self) -> int:
        """Bytes of memory it will take, from its header."""
        try:
            file_bytes = self.source.path.stat().st_size
        except OSError:  # reading will say so
            return 0
        options = self.context.recipe.options
        width, height = peek(self.source.path, options.max_pixels)
        return estimate_bytes(width * height, options.scale, file_bytes)

    def read(self) -> None:
        """Decodes the photo, after everything that can be checked before any work is done. Raises LaaError."""
        self.clock, options = StageTimer(), self.context.recipe.options
        content = self.read_bytes()
        self.check_target()
        self.failure_is_final = True
        photo = read_photo(content, max_pixels=options.max_pixels, name=str(self.source.path))
        check_size(photo.width, photo.height, options)
        check_output(self.target.suffix, photo.width * options.scale, photo.height * options.scale, str(self.target))
        self.photo = without_metadata(photo) if self.context.recipe.strip_metadata else photo
        self.clock.lap("read")

    def read_bytes(self) -> bytes:
        """The file's content. What is recorded of the file was true before it was read, so that no later change is missed."""
        try:
            status = self.source.path.stat()
            self.record |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        except OSError:  # the next line says so
            pass
        try:
            content = read_bytes(self.source.path, str(self.source.path), self.context.recipe.options.max_pixels)
        except LaaError as error:
            self.failure_is_final = error.__cause__ is None  # an empty or endless file, not one that could not be opened
            raise
        self.record["sha256"] = hashlib.sha256(content).hexdigest()
        return content

    def check_target(self) -> None:
        """Refuses to replace what is there already, unless an earlier run made it."""
        if os.path.isdir(self.target):
            raise LaaError(f"{self.target} is a folder: remove it or choose another folder for the results")
        if os.path.lexists(self.target) and not self.may_replace():
            raise already_exists(self.target)

    def may_replace(self) -> bool:
        """Whether a file with the result's name is ours."""
        return self.context.overwrite or self.source.output in self.context.manifest.outputs

    def work(self) -> Iterator[None]:
        """The photo's way from pixels to the content of its file."""
        photo = self.photo
        assert photo is not None  # it was read
        prepared = self.context.upscaler.prepare(photo.pixels, self.context.recipe.options)
        if self.context.recipe.require_face and not prepared.faces:
            raise LaaError(f"no face found in {self.source.path}: lower --confidence or --min-face", Exit.NO_FACE)
        self.failure_is_final = False
        yield
        self.clock.add(prepared.seconds)
        restored: list[Any] = []
        for crops in crop_groups(prepared, self.context.micro_batcher.size):
            restored += self.context.micro_batcher(crops)
            yield
        self.clock.lap("network")
        result = self.context.upscaler.finish(replace(prepared, seconds={}), restored)
        yield
        self.clock.add(result.seconds)
        self.content = encode_photo(photo.with_pixels(result.pixels), self.target.suffix, name=str(self.target))
        if self.context.report:
            squares = [report.square for report in result.restored]
            self.views = make_thumbnails(photo.pixels, result.pixels, squares, self.context.recipe.options.scale)
        self.clock.lap("encode")
        self.describe(result)
        self.photo = None

    def describe(self, result: Upscaled) -> None:
        """Fills in the record, but for what only writing can tell."""
        said = as_record(Path(self.source.name), Path(self.source.output), result, self.context.recipe.options.scale)
        self.record |= {key: said[key] for key in ("width", "height", "faces")}
        digest = hashlib.sha256(self.content).hexdigest()
        self.record |= {"output_sha256": digest, "output_size": len(self.content)}

    def write(self) -> None:
        """Writes the result, or records why there is none. SetupError where nothing more can be written at all."""
        self.clock.add({})
        if self.error is None:
            try:
                write_thumbnails(self.views, self.context.out, self.record["output_sha256"])
                write_atomically(self.target, self.content, overwrite=self.may_replace(), ready=self.record_success)
            except SetupError:
                raise
            except LaaError as error:
                if is_disk_error(error):
                    raise SetupError(f"{error}; then run the same command again", error.code) from error
                self.error = error
        if self.error is not None:
            self.record_failure(self.error)
        self.photo, self.content, self.views = None, b"", {}

    def record_success(self, status: os.stat_result) -> None:
        """Records the photo; its file, of which `status` speaks, gets its name right after."""
        self.clock.lap("write")
        seconds = {stage: round(value, 4) for stage, value in self.clock.seconds.items()}
        made = {"recipe": self.context.recipe.digest(failed=False), "output_mtime_ns": status.st_mtime_ns, "error": None}
        self.record |= made | self.context.recipe.to_dict() | {"seconds": seconds}
        self.context.manifest.append(self.record)

    def record_failure(self, error: Exception) -> None:
        """Records why the photo has no result. Only failures of its own are final: others have no recipe, so that none fits."""
        final = self.failure_is_final and isinstance(error, LaaError) and not isinstance(error.__cause__, MemoryError)
        said = {
            "recipe": self.context.recipe.digest(failed=True) if final else None,
            "error": failure_reason(error, self.source.path),
        }
        self.record = {key: self.record[key] for key in ("input", "output", "size", "mtime_ns", "sha256")} | said
        self.context.manifest.append(self.record | self.context.recipe.to_dict())


def crop_groups(prepared: Prepared, size: int) -> Iterator[list[Any]]:
    """The photo's crops in groups that the network may get at once."""
    for first in range(0, len(prepared.crops), size):
        yield prepared.crops[first : first + size]


def is_disk_error(error: LaaError) -> bool:
    """Whether a file could not be written for a reason that the next one will have too."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_ERRORS


def failure_reason(error: Exception, path: Path) -> str:
    """What a person should know of a failure."""
    if isinstance(error, LaaError):
        return str(error)
    if out_of_memory(error):
        return f"not enough memory for {path}: use a smaller photo or --scale, a smaller --memory, or --device cpu"
    return f"laa failed unexpectedly on {path} ({type(error).__name__}: {error}): please report it with `laa upscale --debug`"
