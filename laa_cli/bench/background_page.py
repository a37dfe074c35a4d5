"""The HTML page of `laa bench background`: tables, and crops of the pictures that gained most, middling and least."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..console import Screen
from ..photo import Photo, encode_photo
from ..photo.pixels import gray_to_color
from ..utils.html import escaped, page, slider
from .background_methods import Enlarge
from .background_result import BackgroundResult
from .degradation import DEGRADATIONS, Levels
from .evaluate import BICUBIC
from .report import data_uri, rank_places, section

CROP_PX = 384
TRUTH = "truth"


@dataclass(frozen=True)
class PictureExample:
    """A picture under a degradation, why it was chosen, and its crops, (h, w, c) uint8: by each method, and the truth."""

    fault: str
    label: str
    gain_db: float
    name: str
    crops: dict[str, Levels]

    @property
    def caption(self) -> str:
        """What stands below it."""
        return f"{self.label}, {self.gain_db:+.2f} dB: {self.name.rsplit('/', 1)[-1]}"


def make_examples(result: BackgroundResult, enlargers: list[Enlarge], screen: Screen) -> list[PictureExample]:
    """Selects pictures by the gain of our row in PSNR over bicubic, under each degradation, and enlarges them by every method.

    `enlargers`: of the rows, in their order.
    """
    chosen: list[tuple[str, int, str, float]] = []
    for fault in result.faults:
        gains = result.ours.figures[fault]["psnr_db"] - result.bicubic.figures[fault]["psnr_db"]
        chosen += [(fault, place, label, gains[place].item()) for place, label in rank_places(gains, each=1).items()]
    examples: list[PictureExample] = []
    for fault, place, label, gain_db in screen.track(chosen, "examples"):
        picture = result.pictures.pictures[place]
        truth = picture.truth()
        lr = picture.degrade(truth, DEGRADATIONS[fault])
        whole = {row.method.name: enlarge(lr) for row, enlarge in zip(result.rows, enlargers, strict=True)} | {TRUTH: truth}
        window = find_window(whole[BICUBIC], whole[result.ours.method.name])
        crops = {name: gray_to_color(pixels)[window] for name, pixels in whole.items()}
        examples.append(PictureExample(fault, label, gain_db, picture.name, crops))
    return examples


def find_window(before: Levels, after: Levels) -> tuple[slice, slice]:
    """Finds the square of CROP_PX, or less in a small picture, where two pictures (h, w, c) differ most."""
    sides = [min(CROP_PX, side) for side in before.shape[:2]]
    change: NDArray[np.float32] = cv2.absdiff(gray_to_color(before), gray_to_color(after)).sum(2, dtype=np.float32)
    total = cv2.integral(change)
    height, width = sides
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = (int(place) for place in np.unravel_index(sums.argmax(), sums.shape))
    return slice(top, top + height), slice(left, left + width)


def background_page(result: BackgroundResult, examples: list[PictureExample]) -> str:
    """Builds the page of `laa bench background`."""
    ours = result.ours.method.name
    parts = [section("Figures", *(table.html() for table in result.tables()))]
    for fault in result.faults:
        some = [example for example in examples if example.fault == fault]
        items = "".join(format_slider(example, ours) for example in some)
        text = f"<p>Bicubic on the left of each line, {escaped(ours)} on the right, where they differ most.</p>"
        parts.append(section(f"Pictures: {fault}", text, f'<div class="grid wide">{items}</div>', format_all(some[-1])))
    return page(f"laa bench: {result.pictures}, {result.scale}x", "\n".join(parts))


def format_slider(example: PictureExample, ours: str) -> str:
    """Formats a slider from bicubic to the method `ours`."""
    before, after = (webp_uri(example.crops[name]) for name in (BICUBIC, ours))
    height, width = example.crops[ours].shape[:2]
    caption = f"<figcaption>{escaped(example.caption)}</figcaption>"
    return f"<figure>{slider(before, after, f'a crop, {example.caption}', width, height)}{caption}</figure>"


def format_all(example: PictureExample) -> str:
    """Formats a picture's crops by every method and the truth, side by side, folded up."""
    figures = "".join(
        f'<figure><img src="{webp_uri(pixels)}" alt="{escaped(name)}" loading="lazy">'
        f"<figcaption>{escaped(name)}</figcaption></figure>"
        for name, pixels in example.crops.items()
    )
    summary = f"<summary>Every method: {escaped(example.caption)}</summary>"
    return f'<details>{summary}<div class="grid wide">{figures}</div></details>'


def webp_uri(pixels: Levels) -> str:
    """Encodes (h, w, c) uint8 as a WebP file in a `data:` URI."""
    return data_uri(encode_photo(Photo(np.ascontiguousarray(pixels)), ".webp"), "webp")
