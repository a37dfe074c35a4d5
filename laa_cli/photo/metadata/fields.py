"""A photo's metadata as it travels from the file it was read from to the one it is written to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from . import exif
from .color_signals import Signals
from .png_chunks import Chunk
from .regions import Move, Size
from .xmp_cleaning import resize_xmp


@dataclass(frozen=True)
class Metadata:
    """A photo's metadata: what still holds of the upright pixels. Each is None or empty where the photo has none.

    `exif`: a TIFF-structured block without orientation, size or thumbnail; `icc`: fits the photo's channels;
    `dpi`: dots per inch, horizontal and vertical; `xmp`: a UTF-8 packet, in one piece; `color`: what defines the colours
    beside or without a profile; `iptc`: datasets of IPTC-IIM; `photoshop`: resources that belong to them (copyright flag, URL,
    digest); `comments`: JPEG's or GIF's, in whatever encoding; `text`: PNG's text and time chunks; `mark`: the program, as XMP
    will say, that made the photo with trained networks; `left_out`: the names, for people, of what the file had and the output
    does not have.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    color: Signals = field(default_factory=Signals)
    iptc: bytes | None = None
    photoshop: bytes | None = None
    comments: tuple[bytes, ...] = ()
    text: tuple[Chunk, ...] = ()
    mark: str = ""
    left_out: tuple[str, ...] = ()

    def stripped(self) -> Metadata:
        """Leaves all out but what defines the colours, without which they would change, and the mark."""
        return Metadata(icc=self.icc, color=self.color, mark=self.mark)

    def marked(self, agent: str) -> Metadata:
        """Marks the photo as made with trained networks by `agent`, a program with its version; `fit_metadata` writes it."""
        return replace(self, mark=agent)

    def resized(self, old: Size, new: Size) -> Metadata:
        """Scales what is said in pixels, from an upright picture of size `old`, (w, h), to one of size `new`."""
        if old == new:
            return self
        xmp = resize_xmp(self.xmp, old, new) if self.xmp else None
        return replace(self, xmp=xmp, exif=exif.resize(self.exif, Move(1, old, new)) if self.exif else None)

    def without(self, *labels: str, **fields: object) -> Metadata:
        """Returns the same with other fields, and `labels` among what was left out."""
        return replace(self, left_out=tuple(dict.fromkeys((*self.left_out, *labels))), **fields)  # type: ignore[arg-type]
