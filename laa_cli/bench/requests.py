"""Requests to the commands of `laa bench` with their defaults; imports no torch, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import UsageError

ALL_DEVICES = "all"
CURVE_FACES = 96  # of a curve, unless `limit` says otherwise: its points cost as much as forty tables

BACKGROUND_SCALES = (2, 3, 4, 8)  # those of `upscale`, and 3, which some networks have

OutputFormat = Literal["table", "json", "csv", "markdown"]  # of stdout


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """The page that a measurement writes, if any: `report`, an HTML file."""

    report: Path | None = None
    overwrite: bool = False

    @property
    def outputs(self) -> list[Path]:
        """Files to write."""
        return [] if self.report is None else [self.report]


@dataclass(frozen=True, kw_only=True)
class FacesRequest:
    """What to measure on faces whose truth is known, and the files to write.

    `prepare`: the data are photos whose faces are to be found. `sizes`: also the curve over the face's size, clean; `faults`:
    and with each degradation. `limit`: the first faces only. `fetch`: metrics' weights that are missing may be downloaded.
    `sheet`, `curve`: PNG files. `report`: an HTML file.
    """

    data: Path
    weights: tuple[Path, ...] = ()
    peers: tuple[Path, ...] = ()
    device: str = "auto"
    prepare: bool = False
    sizes: bool = False
    faults: bool = False
    limit: int | None = None
    fetch: bool = False
    sheet: Path | None = None
    curve: Path | None = None
    report: Path | None = None
    overwrite: bool = False

    @property
    def measures_curves(self) -> bool:
        """Whether the curve over the face's size is measured."""
        return self.sizes or self.faults or self.curve is not None

    @property
    def draws_curves(self) -> bool:
        """Whether the curves are drawn, too."""
        return self.measures_curves and (self.curve is not None or self.report is not None)

    @property
    def outputs(self) -> list[Path]:
        """Files to write."""
        return [path for path in (self.sheet, self.curve, self.report) if path is not None]


@dataclass(frozen=True, kw_only=True)
class DoubtRequest(PageRequest):
    """What to measure error bars on, and the page to write.

    `weights`: None takes the shipped ones. `limit`: the first faces only.
    """

    data: Path
    weights: Path | None = None
    device: str = "auto"
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class IdentityRequest(PageRequest):
    """What to measure on faces of known persons, and the page to write.

    `data`: folders or tar files of faces. `persons`: a CSV file, see `persons.read_persons`. `pairs`: genuine pairs at most,
    and as many impostor pairs. `fetch`: as in FacesRequest.
    """

    data: tuple[Path, ...]
    persons: Path
    weights: tuple[Path, ...] = ()
    peers: tuple[Path, ...] = ()
    device: str = "auto"
    pairs: int = 300
    fetch: bool = False


@dataclass(frozen=True, kw_only=True)
class BackgroundRequest(PageRequest):
    """What to measure background upscalers on, and the page to write. Raises UsageError on values that make no sense.

    `data`: a folder or tar file of pictures. `backgrounds`: networks beside the shipped one. `faults`: also under each
    degradation. `limit`: the first pictures only. `fetch`: as in FacesRequest.
    """

    data: Path
    scale: int = 4
    backgrounds: tuple[Path, ...] = ()
    device: str = "auto"
    faults: bool = False
    limit: int | None = None
    fetch: bool = False

    def __post_init__(self) -> None:
        """Checks what can be checked before the work."""
        if self.scale not in BACKGROUND_SCALES:
            raise UsageError(f"scale must be one of {', '.join(map(str, BACKGROUND_SCALES))}, not {self.scale}", "scale")


@dataclass(frozen=True, kw_only=True)
class SpeedRequest:
    """What to time, and the files to write. Raises UsageError on values that make no sense.

    `photo`: also times the whole of `upscale` on it. `device`: "all", or a name for `choose_device`. `seconds`: for each
    measurement; at least three rounds are timed whatever they take. `save`: a JSON file. `report`: an HTML file.
    """

    photo: Path | None = None
    weights: Path | None = None
    device: str = ALL_DEVICES
    seconds: float = 3
    save: Path | None = None
    report: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Checks what can be checked before the work."""
        if not 0 <= self.seconds < 1e6:
            raise UsageError(f"seconds must be 0 or more, not {self.seconds:g}", "seconds")

    @property
    def outputs(self) -> list[Path]:
        """Files to write."""
        return [path for path in (self.save, self.report) if path is not None]


@dataclass(frozen=True, kw_only=True)
class BatchSpeedRequest:
    """`laa bench speed --batch`: how many photos of a folder to time `laa batch` and its alternatives on.

    `device`: a name for `choose_device`; "all" is "auto" here.
    """

    folder: Path
    photos: int = 24
    device: str = ALL_DEVICES

    @property
    def command_photos(self) -> int:
        """Photos for one command each, which is slow: a sixth."""
        return max(1, self.photos // 6)

    @property
    def device_name(self) -> str:
        """For `choose_device`."""
        return "auto" if self.device == ALL_DEVICES else self.device
