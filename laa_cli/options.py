"""What a caller can choose: the only defaults and ranges, for the command line, the Python API and batches. Needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from models.sizes import CROP_MARGIN

from .errors import UsageError
from .utils.precision import PRECISIONS

SCALES = (1, 2, 4, 8)
RANGES: dict[str, tuple[float, float]] = {
    "max_face_px": (0, 1e6),
    "margin": (1, 3),
    "feather": (0, 0.5),
    "max_pixels": (1, 2**40),
}
MIN_FACE_PX = 8  # smaller faces than MTCNN's first network can tell
CONFIDENCE = 0.5  # least confidence of a face: see docs/laa-photo.md, "Found at all"
AUTO, PLAIN, HPINET = "auto", "plain", "hpinet"  # backgrounds that are no file's name
AUTO_MAX_PIXELS = 24_000_000  # of the enlarged picture, up to which "auto" is "hpinet" on a CPU


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to enlarge a photo and treat its faces. Raises UsageError on the first value that is out of range."""

    scale: int = 4
    max_face_px: float = 96  # crop side above which a face is left alone: measured, see docs/laa-photo.md
    margin: float = CROP_MARGIN  # crop side over the longer side of the face's box
    feather: float = 0.2  # width of the soft rim of the paste mask, as a share of the crop's side
    max_pixels: int | None = None  # of the photo and of the enlarged one; None: as many as free memory suffices for

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if self.scale not in SCALES:
            raise UsageError(f"scale must be one of {', '.join(map(str, SCALES))}, not {self.scale}", "scale")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} must lie between {low:g} and {high:g}, not {value:g}", name)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which models to load and how they are set. Raises UsageError on the first value that is out of range.

    All of it decides on the bytes of a result, and a batch hashes it (`batch.manifest.Recipe`): of device and precision what
    they come to.
    """

    device: str = AUTO  # see restore.runtime.choose_runtime
    precision: str = AUTO  # of the face network: one of PRECISIONS; AUTO: bfloat16 where the device is made for it
    weights: Path | None = None  # of the face network; None: those that laa ships
    min_face_px: float = 12  # the smallest face to look for, across its crop
    confidence: float | None = None  # that the detector needs, 0..1; None: CONFIDENCE
    fidelity: float | None = None  # how far a face is held to what the photo shows, 0..1; None: estimated for each crop
    background: str = AUTO  # what enlarges the photo outside the faces: AUTO, PLAIN, HPINET, or the path of a model file

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if not self.background:
            raise UsageError(f"background must be {AUTO}, {PLAIN}, {HPINET} or a model file", "background")
        if self.precision not in PRECISIONS:
            raise UsageError(f"precision must be {', '.join(PRECISIONS)}, not {self.precision!r}", "precision")
        if not MIN_FACE_PX <= self.min_face_px < math.inf:
            raise UsageError(f"min_face_px must be {MIN_FACE_PX} px or more, not {self.min_face_px:g}", "min_face_px")
        for name in ("confidence", "fidelity"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{name} must be from 0 to 1, not {value:g}", name)

    @property
    def background_file(self) -> Path | None:
        """The model file that was named for the background."""
        return None if self.background in (AUTO, PLAIN, HPINET) else Path(self.background)

    @property
    def files(self) -> list[Path]:
        """The files that were named: they are read, and never written to."""
        return [path for path in (self.weights, self.background_file) if path is not None]


@dataclass(frozen=True)
class PlacedFace:
    """A face's box in the upright photo's pixels, and its roll in degrees clockwise: what a person places where none is found.

    Raises UsageError where it is no box.
    """

    x: float
    y: float
    width: float
    height: float
    roll_deg: float = 0.0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        values = (self.x, self.y, self.width, self.height, self.roll_deg)
        if not all(map(math.isfinite, values)) or min(self.width, self.height) < 1 or abs(self.roll_deg) > 180:
            raise UsageError(f"at {self} is no box: width and height must be 1 px or more, degrees -180 to 180", "at")

    @classmethod
    def parse(cls, text: str) -> PlacedFace:
        """Parses "X,Y,WIDTH,HEIGHT" or "X,Y,WIDTH,HEIGHT,DEGREES". Raises UsageError."""
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            values = []
        if len(values) not in (4, 5):
            raise UsageError(f"at {text} must be X,Y,WIDTH,HEIGHT or X,Y,WIDTH,HEIGHT,DEGREES", "at")
        return cls(*values)

    def __str__(self) -> str:
        values = (self.x, self.y, self.width, self.height, *[self.roll_deg] * bool(self.roll_deg))
        return ",".join(f"{value:g}" for value in values)

    @property
    def box_xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True, kw_only=True)
class FaceChoice:
    """Which faces of a photo are to be restored, of those that are worth it; by default all.

    `numbers`, `excluded`: as `laa detect` counts them, from 1. `persons`: names in the photo's face tags; a photo without any
    of them is an error, unless `person_required` is not set. `placed`: boxes beside those found. Raises UsageError.
    """

    numbers: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()
    persons: tuple[str, ...] = ()
    placed: tuple[PlacedFace, ...] = ()
    person_required: bool = True

    def __post_init__(self) -> None:
        """Checks the numbers and the names."""
        for name, numbers in (("faces", self.numbers), ("except", self.excluded)):
            if any(number < 1 for number in numbers):
                raise UsageError(f"{name} must be numbers from 1 on, not {min(numbers)}", name)
        if not all(name.strip() for name in self.persons):
            raise UsageError("person must be a name, not nothing", "person")

    @property
    def restricted(self) -> bool:
        """Whether some faces are asked for, rather than all."""
        return bool(self.numbers or self.persons)

    @property
    def needs_one_photo(self) -> bool:
        """Whether it says something of one photo that cannot hold of others, too."""
        return bool(self.numbers or self.excluded or self.placed)


def parse_numbers(text: str | None, name: str) -> tuple[int, ...]:
    """Parses "1,3"; nothing is no number. Raises UsageError, which calls it `name`."""
    try:
        return tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError as error:
        raise UsageError(f"{name} must be numbers such as 1,3, not {text}", name) from error


EVERY_FACE = FaceChoice()
DEFAULTS, MODEL_DEFAULTS = Options(), ModelOptions()
