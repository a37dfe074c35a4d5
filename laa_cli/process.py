"""A photo's way from the content of its file to the content of the result's: for `laa upscale`, `laa batch`, any executor.

No file is read or written here and nothing is printed. `process` does it all; its stages, `decode_photo` and `process_steps`,
are for callers that decode ahead, give up in between, or restore the faces of several photos together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from .errors import Exit, LaaError, SetupError
from .interfaces import FaceCrop, RestoredFace
from .options import EVERY_FACE, FaceChoice, Options
from .photo import (
    LAYERS_SUFFIX,
    BytesOfSize,
    Photo,
    check_enlargement,
    check_output,
    encode_photo,
    left_out,
    no_bytes,
    read_header,
    read_photo,
    without_metadata,
)
from .photo.metadata.credentials import CREDENTIALS
from .photo.signing import Edit, Signer, check_signable
from .restore.choice import has_person
from .restore.proof import FaceProof, prove_faces, with_doubts
from .restore.provenance import restored_regions
from .restore.records import PhotoRecord, photo_record
from .upscale import Prepared, Upscaled, Upscaler
from .utils.steps import Show, Steps, run_to_end, unseen
from .utils.timing import StageTimer

T = TypeVar("T")
MARK_STAYS = "photos with restored faces say so in their metadata, nothing else is in it: --no-mark leaves that out, too"
Restore = Callable[[list[FaceCrop]], list[RestoredFace]]  # a FaceRestorer, or several threads' way to one


@dataclass(frozen=True, kw_only=True)
class PhotoRequest:
    """What to make of one photo. `source_title` and `output_title`: what messages call a stream, which has no file name."""

    source: str  # the photo's name, in messages and in the record
    output: str  # the result's name, likewise
    suffix: str  # the result's format: ".jpg"
    options: Options
    choice: FaceChoice = EVERY_FACE
    strip_metadata: bool = False
    require_face: bool = False  # whether a photo without faces is an error
    mark: bool = True  # whether a photo with restored faces says so
    prove: bool = False  # whether the result has the proofs of its faces
    keep_layers: bool = False  # whether the result keeps what it was put together from
    signer: Signer | None = None  # of the result's content credentials
    source_title: str | None = None
    output_title: str | None = None

    @property
    def title(self) -> str:
        """What messages call the photo."""
        return self.source_title or self.source


@dataclass(frozen=True)
class ProcessedPhoto:
    """The content of the result's file; for pictures also the decoded photo and the enlarged one.

    `left_out`: the names of what the photo's metadata had and the result's does not have. `proofs`: of the restored faces,
    where they were asked for.
    """

    request: PhotoRequest
    content: bytes
    photo: Photo
    result: Upscaled  # with the seconds of all stages
    left_out: tuple[str, ...] = ()
    proofs: tuple[FaceProof, ...] = ()

    @property
    def is_marked(self) -> bool:
        """Whether the result says that faces in it were restored."""
        return self.request.mark and bool(self.result.restored)

    @property
    def record(self) -> PhotoRecord:
        """The machine-readable record."""
        request, (height, width) = self.request, self.result.pixels.shape[:2]
        return photo_record(
            request.source,
            request.output,
            width=width,
            height=height,
            scale=request.options.scale,
            background=self.result.background,
            background_fidelity=self.result.background_fidelity,
            faces=self.result.faces,
            left_out=self.left_out,
            seconds=self.result.seconds,
        )

    def with_seconds(self, seconds: dict[str, float]) -> ProcessedPhoto:
        """The same with other seconds by stage."""
        return replace(self, result=replace(self.result, seconds=seconds))


def process(content: bytes, request: PhotoRequest, load: Callable[[], Upscaler], show: Show = unseen) -> ProcessedPhoto:
    """Upscales a photo, from the content of its file. `load` is called once the photo has passed every check.

    `show` is told how much of the photo is enlarged, 0..1. Raises LaaError where the photo cannot be read, is too large, or has
    no face though one is required.
    """
    clock = StageTimer()
    photo = decode_photo(content, request)
    original = content if request.signer else b""
    del content  # as large as the photo, where its file is not compressed
    clock.lap("read")
    upscaler = load()
    if upscaler.background_bytes(photo.height, photo.width, request.options.scale):  # unknown until they were loaded
        upscaler.check_size(photo.pixels, request.options, request.title)
    steps = process_steps(photo, request, upscaler, upscaler.restore, original=original)
    processed = run_to_end(steps, show)
    return processed.with_seconds(clock.seconds | processed.result.seconds)


def decode_photo(content: bytes, request: PhotoRequest, background_bytes: BytesOfSize = no_bytes) -> Photo:
    """Decodes a photo, after everything that can be checked before any work is done. Raises LaaError.

    `background_bytes`: as `Upscaler.background_bytes`, where the models are loaded already.
    """
    name, scale, max_pixels = request.title, request.options.scale, request.options.max_pixels
    if request.signer:
        check_signable(request.suffix, request.output)
    header = read_header(content, name, max_pixels)
    for suffix in (request.suffix, *[LAYERS_SUFFIX] * request.keep_layers):
        check_enlargement(header, scale, max_pixels, name, background_bytes, suffix)
    check_output(request.suffix, header.width * scale, header.height * scale, request.output)
    return read_photo(content, max_pixels=max_pixels, name=name)


def process_steps(
    photo: Photo,
    request: PhotoRequest,
    upscaler: Upscaler,
    restore: Restore,
    crops_per_call: int | None = None,
    original: bytes = b"",
) -> Steps[ProcessedPhoto]:
    """Upscales and encodes a decoded photo. Yields where it may be given up, first of all when its faces are found.

    What it yields is how much of the photo is enlarged, 0..1. `restore` gets `crops_per_call` crops at once, by default all.
    `original`: the photo's file, which a signature needs. Raises LaaError where a required face is not found.
    """
    prepared = upscaler.prepare(photo.pixels, request.options, request.choice, photo.face_tags, request.title)
    if request.require_face:
        check_has_face(prepared, request)
    yield 0.0
    clock = StageTimer()
    restored: list[RestoredFace] = []
    for crops in split_crops(prepared.crops, crops_per_call):
        restored += restore(crops)
        yield 0.0
    clock.lap("network")
    timed = replace(prepared, seconds=prepared.seconds | clock.seconds)
    result = yield from upscaler.finish_steps(timed, restored, keep_layers=request.keep_layers)
    yield 1.0
    proofs: tuple[FaceProof, ...] = ()
    if request.prove:
        result, proofs = yield from prove_steps(result, prepared, restored, upscaler)
    clock = StageTimer()
    enlarged = (without_metadata(photo) if request.strip_metadata else photo).with_pixels(result.pixels)
    if request.mark and result.restored:
        enlarged = enlarged.marked(upscaler.agent)
    content = encode_photo(enlarged, request.suffix, name=request.output_title or request.output)
    if request.signer:
        content = sign(content, original, request, result, upscaler.agent)
    clock.lap("encode")
    result = replace(result, seconds=result.seconds | clock.seconds)
    names = left_out(enlarged, request.suffix)
    if request.signer:
        names = tuple(name for name in names if name != CREDENTIALS)  # the signature holds the original's
    return ProcessedPhoto(request, content, photo, result, names, proofs)


def sign(content: bytes, original: bytes, request: PhotoRequest, result: Upscaled, agent: str) -> bytes:
    """Signs the content of a result's file. Raises LaaError where that fails."""
    assert request.signer is not None
    edit = Edit(
        title=Path(request.output).name,
        original_title=Path(request.source).name,
        agent=agent,
        scale=request.options.scale,
        background=result.background,
        regions=restored_regions(result.faces, result.pixels, request.options.scale),
    )
    return request.signer.sign(content, request.suffix, original, edit)


def prove_steps(
    result: Upscaled, prepared: Prepared, restored: list[RestoredFace], upscaler: Upscaler
) -> Steps[tuple[Upscaled, tuple[FaceProof, ...]]]:
    """Proves the faces of a result, each of which costs several runs of the network, and may be given up in between."""
    clock = StageTimer()
    proofs: list[FaceProof] = []
    for proof in prove_faces(result.faces, prepared.crops, restored, upscaler.estimate_doubt):
        proofs.append(proof)
        yield 1.0
    clock.lap("proof")
    return replace(result, faces=with_doubts(result.faces, proofs), seconds=result.seconds | clock.seconds), tuple(proofs)


def check_has_face(prepared: Prepared, request: PhotoRequest) -> None:
    """Raises LaaError where a photo has no face, or none of the persons asked for."""
    if not prepared.faces:
        raise LaaError(f"no face found in {request.source}: lower --confidence or --min-face", Exit.NO_FACE)
    if request.choice.persons and not has_person([report.face for report in prepared.faces], request.choice):
        raise LaaError(f"no face in {request.source} is tagged {' or '.join(request.choice.persons)}", Exit.NO_FACE)


def split_crops(crops: list[FaceCrop], size: int | None) -> Iterator[list[FaceCrop]]:
    """Splits crops into groups of `size`, the last one smaller; None: all in one."""
    step = size or max(len(crops), 1)
    for first in range(0, len(crops), step):
        yield crops[first : first + step]


def load_once(load: Callable[[], T]) -> Callable[[], T]:
    """Wraps a loader of models, to be called once, when they are first needed (lazy loading), by one thread.

    What it raises concerns every photo of a run: a LaaError becomes a SetupError.
    """

    @cache
    def loaded() -> T:
        try:
            return load()
        except LaaError as error:
            raise SetupError(error.for_command_line(), error.code) from error

    return loaded
