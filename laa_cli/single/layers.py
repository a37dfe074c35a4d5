"""Writes a result as layers in OpenRaster, which GIMP and Krita open: the photo, the background's picture, and each face.

Composited normally the layers are the result, within one level. Where two faces overlap, the upper one covers the lower by its
mask, while the paste weighs both by their masks: the photo shines through alike, and the two colours have other shares. The
merged picture is the result itself.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from xml.sax.saxutils import quoteattr
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import cv2
import numpy as np

from ..options import PLAIN
from ..photo.metadata import Metadata
from ..photo.metadata.color_signals import BT709, SRGB_CURVE, Signals
from ..photo.metadata.icc import build_profile, fitting_profile
from ..photo.pixels import Pixels, has_alpha, to_8bit
from ..photo.png_encoding import png_parts
from ..photo.resample import enlarge
from ..restore.face_layers import FaceLayer, Layers
from ..utils.text import UNPRINTABLE

MIMETYPE = "image/openraster"
VERSION = "0.0.3"  # of the format, the one that programs write
THUMBNAIL_PX = 256
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say: a result's bytes do not depend on when it was made
ZIP64_BYTES = 1 << 30  # of pixels, from which a member is made ready for over 2 GB
UNIX = 3  # the system that the zip says it was made on
NO_XML = dict.fromkeys((0xFFFE, 0xFFFF))  # characters beside the unprintable ones that XML 1.0 cannot hold
NORMAL, ON_TOP = "svg:src-over", "svg:src-atop"  # the latter leaves what is beneath as transparent as it was


@dataclass(frozen=True)
class LayeredPhoto:
    """A photo (h, w, c) and its result, (scale h, scale w, c), with the layers that were kept of it.

    `background`: what made the result outside the faces, PLAIN or a network's name. `metadata`: the photo's; of it the layers
    have what defines the colours, and the resolution.
    """

    photo: Pixels
    result: Pixels
    layers: Layers
    background: str
    metadata: Metadata

    @property
    def scale(self) -> int:
        """The result's width over the photo's."""
        return int(self.result.shape[1] // self.photo.shape[1])


@dataclass(frozen=True)
class StackLayer:
    """A line of the stack and its picture, which is made when it is written, for each may be as large as the result."""

    name: str
    file: str
    make: Callable[[], Pixels]
    x: int = 0
    y: int = 0
    operator: str = NORMAL
    visible: bool = True

    @property
    def element(self) -> str:
        """Its element in stack.xml."""
        name = quoteattr(UNPRINTABLE.sub("", self.name).translate(NO_XML))
        visibility = "visible" if self.visible else "hidden"
        return (
            f'<layer name={name} src="{self.file}" x="{self.x}" y="{self.y}" opacity="1.0" visibility="{visibility}"'
            f' composite-op="{self.operator}"/>'
        )


def open_raster(layered: LayeredPhoto) -> Iterator[bytes]:
    """Builds an OpenRaster file, of the photo's own depth and colours: yields its content in parts, a picture at a time."""
    layers = stack(layered)
    target = Drained()
    with ZipFile(target, "w") as archive:
        add(archive, "mimetype", [MIMETYPE.encode()])
        add(archive, "stack.xml", [stack_xml(layered, layers).encode()])
        yield target.drain()
        for file, make in [(layer.file, layer.make) for layer in layers] + [
            ("mergedimage.png", lambda: layered.result),
            ("Thumbnails/thumbnail.png", lambda: thumbnail(layered.result)),
        ]:
            pixels = make()
            add(archive, file, png_parts(pixels, with_profile(layered.metadata, pixels.shape[2])), pixels.nbytes)
            del pixels
            yield target.drain()
    yield target.drain()


def stack(layered: LayeredPhoto) -> list[StackLayer]:
    """Lists the layers, the topmost first: faces by number, the network's background, the photo enlarged plainly.

    Where the photo is partly transparent, the plain one is hidden below a network's, lest the two cover more than the photo.
    """
    opaque = is_opaque(layered.photo)
    plain_name = "photo, enlarged plainly" if layered.scale > 1 else "photo"
    plain = StackLayer(plain_name, "data/photo.png", lambda: enlarge(layered.photo, layered.scale))
    faces = [face_layer(face, NORMAL if opaque else ON_TOP) for face in layered.layers.faces]
    if layered.background == PLAIN:
        return [*faces, plain]
    network = StackLayer(f"background {layered.background}", "data/background.png", lambda: without_faces(layered))
    return [*faces, network, replace(plain, visible=opaque)]


def face_layer(face: FaceLayer, operator: str) -> StackLayer:
    """Builds the layer of a face, named by its number and its name."""
    name = f"face {face.number}: {face.name}" if face.name else f"face {face.number}"
    window = face.window
    return StackLayer(name, f"data/face{face.number:03}.png", lambda: face.pixels, window.left, window.top, operator)


def without_faces(layered: LayeredPhoto) -> Pixels:
    """Copies the result as it was before the faces were pasted."""
    pixels = layered.result.copy()
    layered.layers.lift(pixels)
    return pixels


def is_opaque(pixels: Pixels) -> bool:
    """Checks whether nothing in (h, w, c) shines through."""
    return not has_alpha(pixels) or bool((pixels[..., -1] == np.iinfo(pixels.dtype).max).all())


def stack_xml(layered: LayeredPhoto, layers: list[StackLayer]) -> str:
    """Builds the stack's description; its resolution is in whole dots per inch."""
    height, width = layered.result.shape[:2]
    dpi = [round(value) for value in layered.metadata.dpi or ()]
    resolution = f' xres="{dpi[0]}" yres="{dpi[1]}"' if dpi and min(dpi) > 0 else ""
    elements = "\n".join(f"  {layer.element}" for layer in layers)
    image = f'<image version="{VERSION}" w="{width}" h="{height}"{resolution}>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{image}\n <stack>\n{elements}\n </stack>\n</image>\n'


def thumbnail(pixels: Pixels) -> Pixels:
    """Reduces pixels (h, w, c) to at most THUMBNAIL_PX a side, uint8."""
    height, width, channels = pixels.shape
    factor = min(1, THUMBNAIL_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return to_8bit(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], channels))


def with_profile(metadata: Metadata, channels: int) -> Metadata:
    """Takes of a photo's metadata the resolution, and what defines the colours, as a profile where one can say it.

    Where nothing is said sRGB is meant, and said, too: of 16-bit pictures without a profile Krita asks what they are.
    """
    icc, unsaid = metadata.color.profile(metadata.icc, channels)
    if unsaid:
        return Metadata(icc=fitting_profile(icc, channels), color=metadata.color, dpi=metadata.dpi)
    profile = fitting_profile(icc, channels) or build_profile(BT709, SRGB_CURVE, channels)
    return Metadata(icc=profile, color=Signals(), dpi=metadata.dpi)


# The zip


class Drained(io.BytesIO):
    """A file whose content is taken out as it grows, so that only its latest member is in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0  # bytes

    def tell(self) -> int:
        return self.taken + super().tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.taken + super().seek(offset - self.taken, whence)

    def drain(self) -> bytes:
        """Returns all that was written since it was drained before."""
        content = self.getvalue()
        self.taken += len(content)
        super().seek(0)
        self.truncate()
        return content


def add(archive: ZipFile, name: str, parts: Iterator[bytes] | list[bytes], most_bytes: int = 0) -> None:
    """Adds a member as it is, for PNGs are packed already. `most_bytes`: what it may come to, where that could be over 2 GB."""
    member = ZipInfo(name, EPOCH)
    member.compress_type, member.create_system, member.external_attr = ZIP_STORED, UNIX, 0o644 << 16
    with archive.open(member, "w", force_zip64=most_bytes > ZIP64_BYTES) as file:
        for part in parts:
            file.write(part)
