"""One photo of a batch as a task of the executor: read, upscaled, written, recorded."""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, cast

from ..errors import FileError, LaaError, OutOfMemoryError, SetupError, out_of_memory, out_of_memory_error
from ..options import FaceChoice
from ..photo import Photo, max_file_bytes, peek, read_bytes, upscaling_bytes
from ..photo.signing import Signer
from ..process import PhotoRequest, ProcessedPhoto, decode_photo, process_steps
from ..restore.proof_page import build_proof_page
from ..restore.records import rounded_seconds
from ..upscale import Upscaler
from ..utils.storage import FileStatus, Storage
from ..utils.timing import StageTimer
from .manifest import Recipe
from .microbatch import MicroBatcher
from .schema import ManifestRecord, ResultRecord, SourceRecord
from .thumbnails import Thumbnails, make_thumbnails, write_proof, write_thumbnails

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # what concerns every photo to come


class PhotoName(Protocol):
    """A photo's name in the folder of photos, and its result's in the folder of results."""

    @property
    def name(self) -> str: ...

    @property
    def output(self) -> str: ...


class Records(Protocol):
    """Where records go. `outputs`: the names of results that may be replaced, for laa made them."""

    @property
    def outputs(self) -> Collection[str]: ...

    def append(self, record: ManifestRecord) -> None: ...


@dataclass(frozen=True, kw_only=True)
class BatchContext:
    """What all tasks of a run share."""

    photos: Storage
    results: Storage
    recipe: Recipe
    records: Records
    upscaler: Upscaler
    micro_batcher: MicroBatcher
    signer: Signer | None = None
    overwrite: bool = False
    report: bool = False  # whether thumbnails for the gallery are made
    prove: bool = False  # and pages with the proofs of faces

    def photo_request(self, photo: PhotoName) -> PhotoRequest:
        """What is to be made of one photo."""
        return PhotoRequest(
            source=self.photos.locate(photo.name),
            output=self.results.locate(photo.output),
            suffix=PurePosixPath(photo.output).suffix,
            options=self.recipe.options,
            choice=FaceChoice(persons=self.recipe.persons, person_required=False),
            strip_metadata=self.recipe.strip_metadata,
            require_face=self.recipe.require_face,
            signer=self.signer,
            mark=self.recipe.mark,
            prove=self.prove,
        )


class PhotoTask:
    """A task of the executor. `record` is what the manifest says of the photo, once it is written or has failed."""

    record: ManifestRecord

    def __init__(self, source: PhotoName, context: BatchContext) -> None:
        self.source = source
        self.context = context
        self.request = context.photo_request(source)
        self.fetched: bytes | None = None  # the content of a file that lies elsewhere
        self.error: Exception | None = None
        self.failure_is_final = False  # whether a failure would be the photo's own
        self.clock = StageTimer()
        self.file: SourceRecord = {
            "input": source.name, "output": source.output, "size": None, "mtime_ns": None, "sha256": None,
        }  # fmt: skip
        self.photo: Photo | None = None
        self.original = b""  # the photo's file, where its result is signed
        self.result: ResultRecord | None = None
        self.content = b""
        self.thumbnails: Thumbnails = {}
        self.proof_page = ""

    @property
    def is_fresh(self) -> bool:
        """Whether the photo was worked on, rather than found to be done."""
        return True

    def size(self) -> int:
        """Estimates the bytes of memory it will take, from the photo's header."""
        self.note_status()
        file_bytes = self.file["size"]
        if file_bytes is None:  # reading will say so
            return 0
        header = peek(self.header_file())
        background_bytes = self.context.upscaler.background_bytes
        scale, suffix = self.request.options.scale, self.request.suffix
        return file_bytes + (upscaling_bytes(header, scale, background_bytes, suffix) if header else 0)

    def header_file(self) -> Path | BinaryIO:
        """Returns a file that begins with the photo's header. One that lies elsewhere comes as a whole, for `read_content`."""
        path = self.context.photos.local_path(self.source.name)
        if path is not None:
            return path
        with suppress(OSError):  # reading will say so
            self.fetched = self.fetch(max_file_bytes(self.request.options.max_pixels) + 1)
        return io.BytesIO(self.fetched or b"")

    def fetch(self, limit_bytes: int) -> bytes:
        """Reads the file, or what it begins with. Raises OSError."""
        return self.context.photos.read(self.source.name, limit_bytes)

    def read(self) -> None:
        """Reads and decodes the photo, after everything that can be checked before any work is done. Raises LaaError."""
        self.clock = StageTimer()
        content = self.read_file()
        self.photo = decode_photo(content, self.request, self.context.upscaler.background_bytes)
        self.original = content if self.request.signer else b""
        self.clock.lap("read")

    def read_file(self) -> bytes:
        """Reads the file, and checks that its result may be written."""
        content = self.read_content()
        self.check_target()
        self.failure_is_final = True
        return content

    def read_content(self) -> bytes:
        """Reads the file. What is recorded of it was true before it was read, so that no later change is missed."""
        source = self.fetched or self.context.photos.local_path(self.source.name) or self.fetch
        if self.fetched is None:
            self.note_status()
        self.fetched = None
        try:
            content = read_bytes(source, self.request.source, self.request.options.max_pixels)
        except LaaError as error:
            self.failure_is_final = not isinstance(error, FileError)  # an empty or endless file, not one that cannot be opened
            raise
        self.file["sha256"] = hashlib.sha256(content).hexdigest()
        return content

    def note_status(self) -> None:
        """Notes the file's size and time for the record; where it has gone, or cannot be reached, reading will say so."""
        with suppress(OSError):
            if (status := self.context.photos.status(self.source.name)) is not None:
                self.file["size"], self.file["mtime_ns"] = status

    def check_target(self) -> None:
        """Refuses to replace an input, or what is there already, unless an earlier run made it."""
        self.context.results.check_target(self.source.output, overwrite=self.may_replace())

    def may_replace(self) -> bool:
        """Whether a file with the result's name may be replaced."""
        return self.context.overwrite or self.source.output in self.context.records.outputs

    def work(self) -> Iterator[float]:
        """Upscales and encodes the photo. Raises LaaError."""
        photo, micro_batcher = self.photo, self.context.micro_batcher
        assert photo is not None  # it was read
        upscaler, original = self.context.upscaler, self.original
        steps = process_steps(photo, self.request, upscaler, micro_batcher, micro_batcher.size, original)
        next(steps)  # finds the faces
        self.failure_is_final = False
        yield 0.0
        self.accept((yield from steps))
        self.photo, self.original = None, b""

    def accept(self, processed: ProcessedPhoto) -> None:
        """Takes over the result, ready to be written."""
        self.content = processed.content
        self.clock.add(processed.result.seconds)
        if self.context.prove:
            self.proof_page = build_proof_page(self.source.name, processed.result.faces, processed.proofs)
        if self.context.report:
            squares = [report.square for report in processed.result.restored]
            pixels = processed.photo.pixels, processed.result.pixels
            self.thumbnails = make_thumbnails(*pixels, squares, self.request.options.scale)
            self.clock.lap("thumbnails")
            self.clock.seconds["encode"] += self.clock.seconds.pop("thumbnails")
        record = processed.record
        self.result = {
            "width": record["width"],
            "height": record["height"],
            "background": record["background"],
            "background_fidelity": record["background_fidelity"],
            "faces": record["faces"],
            "left_out": record["left_out"],
            "output_sha256": hashlib.sha256(self.content).hexdigest(),
            "output_size": len(self.content),
        }

    def write(self) -> None:
        """Writes the result, or records why there is none. SetupError where nothing more can be written at all."""
        self.clock.add({})
        if self.error is None:
            try:
                self.write_result()
            except SetupError:
                raise
            except LaaError as error:
                if isinstance(error, FileError) and error.errno in DISK_ERRORS:
                    raise SetupError(f"{error}; then run the same command again", error.code) from error
                self.error = error
        if self.error is not None:
            self.record_failure(self.error)
        self.photo, self.original = None, b""
        self.content = b""
        self.thumbnails = {}
        self.proof_page = ""

    def write_result(self) -> None:
        """Writes what the gallery shows, then the result, whose record comes right before its file gets its name. LaaError."""
        result = self.result
        assert result is not None  # it was worked on

        results = self.context.results
        write_thumbnails(self.thumbnails, results, result["output_sha256"])
        if self.proof_page:
            write_proof(self.proof_page, results, result["output_sha256"])
        ready = partial(self.record_success, result)
        results.write(self.source.output, self.content, overwrite=self.may_replace(), ready=ready)

    def record_success(self, result: ResultRecord, status: FileStatus) -> None:
        """Records the result."""
        self.clock.lap("write")
        self.record = {
            **self.file,
            **result,
            "recipe": self.context.recipe.digest(failed=False),
            "output_mtime_ns": status.mtime_ns,
            "error": None,
            **self.context.recipe.to_dict(),
            "seconds": rounded_seconds(self.clock.seconds),
        }
        self.context.records.append(self.record)

    def record_failure(self, error: Exception) -> None:
        """Records why the photo has no result. Only failures of its own are final: others have no recipe, so that none fits."""
        final = self.failure_is_final and isinstance(error, LaaError) and not isinstance(error, OutOfMemoryError)
        outcome = {
            "recipe": self.context.recipe.digest(failed=True) if final else None,
            "error": failure_reason(error, self.request.source),
        }
        self.record = cast(ManifestRecord, {**self.file, **outcome})
        self.context.records.append(cast(ManifestRecord, {**self.record, **self.context.recipe.to_dict()}))


def failure_reason(error: Exception, photo: str) -> str:
    """Says what a person should know of a failure."""
    if isinstance(error, LaaError):
        return error.for_command_line()
    if out_of_memory(error):
        return str(out_of_memory_error(photo, "a smaller --memory, or --device cpu"))
    return f"laa failed unexpectedly on {photo} ({type(error).__name__}: {error}): please report it with `laa upscale --debug`"
