"""The layout of a face set on disk, the folder that `laa prepare` writes and that `laa train` and `laa bench` read.

manifest.csv                     a row for each face, in the columns of MANIFEST_COLUMNS
train-0.tar, train-1.tar, ...    shards of training faces: train_000000.webp, ... (144 x 144 px, WebP or PNG)
val.tar                          validation faces: val_000000.png, ... (128 x 128 px, PNG)
contact-sheet.png                up to 96 of the faces, to look at
unfinished/                      the journal of a run that has not ended; a complete set has no such folder
"""

from __future__ import annotations

from pathlib import Path

from models.protocol import HR_SIZE

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
