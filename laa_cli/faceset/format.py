"""The face set on disk, the folder that `laa prepare` writes and that `laa train` and `laa bench` read: layout and reading.

manifest.csv                     a row for each face, in the columns of MANIFEST_COLUMNS
train-0.tar, train-1.tar, ...    shards of training faces: train_000000.webp, ... (144 x 144 px, WebP or PNG)
val.tar                          validation faces: val_000000.png, ... (128 x 128 px, PNG)
contact-sheet.png                up to 96 of the faces, to look at
unfinished/                      the journal of a run that has not ended; a complete set has no such folder

Pictures are decoded by Pillow, for training must work without OpenCV, which `laa_cli.photo` needs.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.protocol import HR_SIZE

from ..errors import Exit, LaaError
from ..utils.tar import TAR_ERRORS, iter_members, open_tar

MANIFEST = "manifest.csv"
MANIFEST_COLUMNS = ("shard", "file", "source", "crop_side_px", "sharpness", "split", "person")
CONTACT_SHEET = "contact-sheet.png"
UNFINISHED = "unfinished"

TRAIN = "train"  # the splits, in the manifest's column and in file names
VALIDATION = "val"
VALIDATION_SHARD = f"{VALIDATION}.tar"

VALIDATION_FACE_PX = HR_SIZE  # the protocol's crop
TRAINING_MARGIN = 1.125  # side of a stored training face over the protocol's crop: room for random shifts
TRAINING_FACE_PX = round(HR_SIZE * TRAINING_MARGIN)  # 144

# Narrower than photo.READABLE_SUFFIXES: face pictures are written by programs, and Pillow must read all of them without OpenCV.
PICTURE_SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}

MAX_PICTURE_BYTES = 1 << 30  # of a file that is read into memory


def shard_name(split: str, index: int, shard_size: int) -> str:
    """Names the tar file that holds a split's face number `index`; validation faces share one, whatever their number."""
    return f"{TRAIN}-{index // shard_size}.tar" if split == TRAIN else VALIDATION_SHARD


def face_name(split: str, index: int, suffix: str) -> str:
    """Names a split's face number `index` in its shard. `suffix`: "webp" or "png"."""
    return f"{split}_{index:06}.{suffix}"


def is_face_set(path: Path) -> bool:
    """Tells a face set by its manifest from a plain folder or tar file of faces."""
    return (path / MANIFEST).is_file()


def is_unfinished(path: Path) -> bool:
    """Whether a run of `laa prepare` began in the folder and has not ended."""
    return (path / UNFINISHED).is_dir()


def list_training_shards(folder: Path) -> list[Path]:
    """Lists the training shards of a face set by number: train-2.tar before train-10.tar."""
    return sorted(folder.glob(f"{TRAIN}-*.tar"), key=lambda shard: (len(shard.name), shard.name))


# Reading, also from plain folders and tar files of faces


def check_exists(source: Path) -> None:
    """Raises LaaError where there is no such file or folder."""
    if not os.path.exists(source):
        raise LaaError(f"cannot read {source}: there is no such file or folder", Exit.USAGE)


def training_sources(path: Path) -> list[Path]:
    """The training shards of a face set, by number; any other folder or tar file as it is. LaaError if a set is unfinished."""
    if is_unfinished(path):
        raise LaaError(f"{path} is not finished: repeat the `laa prepare` that began it")
    return list_training_shards(path) if is_face_set(path) else [path]


def validation_source(path: Path) -> Path:
    """The validation shard of a face set; any other folder or tar file as it is."""
    return path / VALIDATION_SHARD if is_face_set(path) else path


def has_validation_faces(path: Path) -> bool:
    """Whether the path is a face set that has a validation shard."""
    return is_face_set(path) and (path / VALIDATION_SHARD).is_file()


def read_faces(sources: list[Path], size_px: int) -> Tensor:
    """Decodes all faces of folders and tar files, in the order of the names within each source.

    Returns (n, 3, size_px, size_px) uint8 RGB. Raises LaaError on the first source that cannot be read, or picture that
    cannot be decoded or has another size.
    """
    items = [item for source in sources for item in encoded_pictures(source)]
    if not items:
        raise LaaError(f"no pictures in {', '.join(map(str, sources))}: expected a folder or tar of {size_px}x{size_px} faces")
    faces = torch.empty(len(items), 3, size_px, size_px, dtype=torch.uint8)

    def decode_into(index: int) -> None:
        faces[index] = decode_face(*items[index], size_px)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(decode_into, range(len(items))):
            pass
    return faces


def list_names(sources: list[Path]) -> list[str]:
    """Lists the names of the faces that `read_faces` returns, in its order."""
    return [name for source in sources for name, _ in encoded_pictures(source)]


def encoded_pictures(source: Path, noun: str = "faces") -> Iterator[tuple[str, bytes]]:
    """Yields the name and the file content of each picture in a folder (walked) or tar file. Raises LaaError.

    `noun`: what the pictures are, for errors.
    """
    check_exists(source)
    try:
        yield from pictures_in_folder(source) if source.is_dir() else pictures_in_tar(source)
    except TAR_ERRORS as error:
        raise LaaError(f"cannot read {noun} from {source}: {error}: give a folder or a whole tar file of {noun}") from error


def source_files(source: Path) -> Iterator[Path]:
    """Yields the files that `encoded_pictures` reads: those in a folder, or the tar file."""
    if not source.is_dir():
        yield source
    for parent, _, names in os.walk(source):
        yield from (Path(parent, name) for name in names if Path(name).suffix.lower() in PICTURE_SUFFIXES)


def pictures_in_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the pictures below a folder by path."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            yield str(path), path.read_bytes()


def pictures_in_tar(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the pictures in a tar file by name."""
    with open_tar(archive) as (tar, _):
        for member in sorted(iter_members(tar), key=lambda member: member.name):
            if member.isfile() and Path(member.name).suffix.lower() in PICTURE_SUFFIXES:
                yield f"{archive}:{member.name}", read_member(tar, member)


def read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Reads a file in a tar file. Raises TAR_ERRORS, also where it is larger than a picture can be."""
    if member.size > MAX_PICTURE_BYTES:
        raise tarfile.ReadError(f"{member.name} has {member.size} bytes")
    content = tar.extractfile(member)
    return content.read() if content is not None else b""


def decode_face(name: str, content: bytes, size_px: int) -> Tensor:
    """Decodes one picture into (3, size_px, size_px) uint8 RGB. `name` is what errors call it. Raises LaaError."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            rgb = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise LaaError(f"cannot read the face {name}: {error}") from error
    if rgb.shape[:2] != (size_px, size_px):
        raise LaaError(f"the face {name} is {rgb.shape[1]}x{rgb.shape[0]}, not {size_px}x{size_px}")
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)
