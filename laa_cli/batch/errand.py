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
from ..files import taken, write_atomically
from ..photo import Photo, check_output, encode_photo, peek, read_photo, stored, without_metadata
from ..report import as_record
from ..upscale import Clock, Prepared, Upscaled, Upscaler, check_size, finish
from .manifest import Manifest, Record
from .memory import needed
from .recipe import Recipe
from .together import Together
from .views import Views, keep, views
from .walk import Source

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # what concerns every photo to come


@dataclass(frozen=True)
class Workshop:
    """What all errands of a run share."""

    out: Path
    recipe: Recipe
    manifest: Manifest
    upscaler: Upscaler
    together: Together
    overwrite: bool = False
    report: bool = False  # whether views for the gallery are made


class Errand:
    """A task of the engine. `record` is what the manifest says of the photo once it is written."""

    def __init__(self, source: Source, shop: Workshop) -> None:
        self.source, self.shop = source, shop
        self.target = shop.out / source.output
        self.error: Exception | None = None
        self.judged = False  # whether a failure would be the photo's own
        self.clock = Clock()
        self.record: Record = {"input": source.name, "output": source.output, "size": None, "mtime_ns": None, "sha256": None}
        self.photo: Photo | None = None
        self.content = b""
        self.views: Views = {}

    def size(self) -> int:
        """Bytes of memory it will take, from its header."""
        try:
            file_bytes = self.source.path.stat().st_size
        except OSError:  # reading will say so
            return 0
        options = self.shop.recipe.options
        width, height = peek(self.source.path, options.max_pixels)
        return needed(width * height, options.scale, file_bytes)

    def read(self) -> None:
        """Decodes the photo, after everything that can be checked before any work is done. Raises LaaError."""
        self.clock, options = Clock(), self.shop.recipe.options
        content = self.stored()
        self.check_target()
        self.judged = True
        photo = read_photo(content, max_pixels=options.max_pixels, name=str(self.source.path))
        check_size(photo.width, photo.height, options)
        check_output(self.target.suffix, photo.width * options.scale, photo.height * options.scale, str(self.target))
        self.photo = without_metadata(photo) if self.shop.recipe.strip_metadata else photo
        self.clock.lap("read")

    def stored(self) -> bytes:
        """The file's content. What is recorded of the file was true before it was read, so that no later change is missed."""
        try:
            status = self.source.path.stat()
            self.record |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        except OSError:  # the next line says so
            pass
        try:
            content = stored(self.source.path, str(self.source.path), self.shop.recipe.options.max_pixels)
        except LaaError as error:
            self.judged = error.__cause__ is None  # an empty or endless file, not one that could not be opened
            raise
        self.record["sha256"] = hashlib.sha256(content).hexdigest()
        return content

    def check_target(self) -> None:
        """Refuses to replace what is there already, unless an earlier run made it."""
        if os.path.isdir(self.target):
            raise LaaError(f"{self.target} is a folder: remove it or choose another folder for the results")
        if os.path.lexists(self.target) and not self.may_replace():
            raise taken(self.target)

    def may_replace(self) -> bool:
        """Whether a file with the result's name is ours."""
        return self.shop.overwrite or self.source.output in self.shop.manifest.outputs

    def work(self) -> Iterator[None]:
        """The photo's way from pixels to the content of its file."""
        photo = self.photo
        assert photo is not None  # it was read
        prepared = self.shop.upscaler.prepare(photo.pixels, self.shop.recipe.options)
        if self.shop.recipe.require_face and not prepared.faces:
            raise LaaError(f"no face found in {self.source.path}: lower --confidence or --min-face", Exit.NO_FACE)
        self.judged = False
        yield
        self.clock.take(prepared.seconds)
        restored: list[Any] = []
        for crops in parts(prepared, self.shop.together.size):
            restored += self.shop.together(crops)
            yield
        self.clock.lap("network")
        result = finish(replace(prepared, seconds={}), restored)
        yield
        self.clock.take(result.seconds)
        self.content = encode_photo(photo.with_pixels(result.pixels), self.target.suffix, name=str(self.target))
        if self.shop.report:
            squares = [report.square for report in result.restored]
            self.views = views(photo.pixels, result.pixels, squares, self.shop.recipe.options.scale)
        self.clock.lap("encode")
        self.describe(result)
        self.photo = None

    def describe(self, result: Upscaled) -> None:
        """Fills in the record, but for what only writing can tell."""
        said = as_record(Path(self.source.name), Path(self.source.output), result, self.shop.recipe.options.scale)
        self.record |= {key: said[key] for key in ("width", "height", "faces")}
        digest = hashlib.sha256(self.content).hexdigest()
        self.record |= {"output_sha256": digest, "output_size": len(self.content)}

    def write(self) -> None:
        """Writes the result, or records why there is none. SetupError where nothing more can be written at all."""
        self.clock.take({})
        if self.error is None:
            try:
                keep(self.views, self.shop.out, self.record["output_sha256"])
                write_atomically(self.target, self.content, overwrite=self.may_replace(), ready=self.done)
            except SetupError:
                raise
            except LaaError as error:
                if is_full(error):
                    raise SetupError(f"{error}; then run the same command again", error.code) from error
                self.error = error
        if self.error is not None:
            self.failed(self.error)
        self.photo, self.content, self.views = None, b"", {}

    def done(self, status: os.stat_result) -> None:
        """Records the photo; its file, of which `status` speaks, gets its name right after."""
        self.clock.lap("write")
        seconds = {stage: round(value, 4) for stage, value in self.clock.seconds.items()}
        made = {"recipe": self.shop.recipe.digest(failed=False), "output_mtime_ns": status.st_mtime_ns, "error": None}
        self.record |= made | self.shop.recipe.described() | {"seconds": seconds}
        self.shop.manifest.append(self.record)

    def failed(self, error: Exception) -> None:
        """Records why the photo has no result. Only failures of its own are final: others have no recipe, so that none fits."""
        final = self.judged and isinstance(error, LaaError) and not isinstance(error.__cause__, MemoryError)
        said = {"recipe": self.shop.recipe.digest(failed=True) if final else None, "error": reason(error, self.source.path)}
        self.record = {key: self.record[key] for key in ("input", "output", "size", "mtime_ns", "sha256")} | said
        self.shop.manifest.append(self.record | self.shop.recipe.described())


def parts(prepared: Prepared, size: int) -> Iterator[list[Any]]:
    """The photo's crops in groups that the network may get at once."""
    for first in range(0, len(prepared.crops), size):
        yield prepared.crops[first : first + size]


def is_full(error: LaaError) -> bool:
    """Whether a file could not be written for a reason that the next one will have too."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL


def reason(error: Exception, path: Path) -> str:
    """What a person should know of a failure."""
    if isinstance(error, LaaError):
        return str(error)
    if out_of_memory(error):
        return f"not enough memory for {path}: use a smaller photo or --scale, a smaller --memory, or --device cpu"
    return f"laa failed unexpectedly on {path} ({type(error).__name__}: {error}): please report it with `laa upscale --debug`"
