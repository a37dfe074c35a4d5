"""The page of `--proof`: every restored face of a photo beside what the photo shows of it, and how sure it is."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from .. import __version__
from ..photo import Photo, encode_photo
from ..utils.html import escaped, page
from .doubt_features import COVERAGE
from .proof import (
    DARKEST_DOUBT,
    DIFFERENCE_GAIN,
    FaceProof,
    Rgb,
    color_map,
    crop_picture,
    difference_picture,
    doubt_picture,
    face_picture,
    reduced_picture,
)
from .selection import FaceReport

PICTURE_PX = 176  # a picture's side on the page
STYLE = f"""<style>
.face {{ display: flex; flex-wrap: wrap; gap: 1rem; margin: .5rem 0 0 }}
.face figure {{ width: {PICTURE_PX}px }}
.face img {{ width: {PICTURE_PX}px; height: {PICTURE_PX}px; border-radius: 4px; display: block; image-rendering: pixelated }}
.face img.smooth {{ image-rendering: auto }}
.scale {{ display: flex; align-items: center; gap: .5rem }}
.scale img {{ width: 12rem; height: .8rem; border-radius: 4px }}
</style>"""


READING = f"""<p>A photo alone does not tell what a small face looked like: laa draws what is likely.</p>
<p><b>In the photo</b>: the pixels that there are. <b>Restored</b>: what laa made of them. <b>Reduced</b>: the restored face at
the photo's size; it should look like the photo. <b>Difference</b>: reduced less photo, {DIFFERENCE_GAIN} times as strong; grey
is none.</p>"""
DOUBT = f"""<p><b>Doubt</b>: the face was restored again from copies of the crop, moved by parts of a pixel, mirrored and turned
a little. Where the answers differ, the photo does not settle what was there. In {COVERAGE:.0%} of cases the true colour lies
within &plusmn; so many levels of 255, as measured on faces whose truth is known (<code>laa bench doubt</code>).</p>"""


def build_proof_page(photo: str, faces: Sequence[FaceReport], proofs: Sequence[FaceProof]) -> str:
    """Builds the page, self-contained. `photo`: its name; `faces`: all of its faces; `proofs`: of those that were restored."""
    count = f"{len(proofs)} of {len(faces)} faces restored" if faces else "no face found"
    parts = [STYLE, f"<p>{escaped(photo)}: {count}, by laa {__version__}.</p>"]
    if proofs:
        parts += [explanation(any(proof.doubt for proof in proofs)), *map(face_section, proofs)]
    left = [(number, report) for number, report in enumerate(faces, 1) if not report.restored]
    return page(f"Proof: {PurePath(photo).name}", "\n".join([*parts, *[left_table(left)] * bool(left)]))


def explanation(has_doubts: bool) -> str:
    """Says how the pictures are to be read."""
    parts = [READING, *[f"{DOUBT}\n{color_scale()}"] * has_doubts]
    return "\n".join(parts)


def color_scale() -> str:
    """Shows what the doubt map's colours mean."""
    ramp = color_map(np.arange(256, dtype=np.uint8)[None])
    bar = f'<img src="{png_uri(ramp)}" alt="from black over red to yellow">'
    return f'<p class="scale">&plusmn;0 {bar} &plusmn;{DARKEST_DOUBT} and more</p>'


def face_section(proof: FaceProof) -> str:
    """Shows one face."""
    face, side = proof.report.face, proof.report.square.side
    who = f"Face {proof.number}" + (f": {face.name}" if face.name else "")
    consistency = proof.report.consistency or 0.0
    pictures = [
        picture(crop_picture(proof), f"in the photo, {side} x {side} px", "crop"),
        picture(face_picture(proof), f"restored{restored_note(proof)}", "restored face", smooth=True),
        picture(reduced_picture(proof), f"reduced to {side} x {side} px", "reduced face"),
        picture(
            difference_picture(proof), f"difference x {DIFFERENCE_GAIN}: off by {255 * consistency:.1f} of 255", "difference"
        ),
    ]
    if proof.doubt is not None and proof.summary is not None:
        widths = ", ".join(f"{part} &plusmn;{value:.0f}" for part, value in proof.summary.items())
        pictures.append(picture(doubt_picture(proof.doubt), f"doubt: {widths}", "doubt map", smooth=True))
    return f'<h2>{escaped(who)}</h2>\n<div class="face">{"".join(pictures)}</div>'


def restored_note(proof: FaceProof) -> str:
    """Says what is unusual about a restored face, and how far it is held to the photo."""
    notes = [proof.report.reason] if proof.report.reason else []
    fidelity = proof.report.fidelity
    if fidelity is not None and fidelity < 1:
        notes.append(f"held to the photo by {fidelity:.0%}")
    return f": {escaped(', '.join(notes))}" if notes else ""


def picture(rgb: Rgb, caption: str, alt: str, *, smooth: bool = False) -> str:
    """Formats a picture (h, w, 3) uint8 RGB with its caption, which is HTML."""
    kind = ' class="smooth"' if smooth else ""
    return f'<figure><img{kind} src="{png_uri(rgb)}" alt="{alt}" loading="lazy"><figcaption>{caption}</figcaption></figure>'


def left_table(left: Sequence[tuple[int, FaceReport]]) -> str:
    """Lists the faces that were left as they are, and why."""
    rows = "".join(
        f"<tr><td>{number}<td>{escaped(report.face.name)}<td>{report.square.side} px<td>{escaped(report.reason)}"
        for number, report in left
    )
    head = "<tr><th>face<th>name<th>crop<th>why"
    return f'<h2>Left as they are</h2>\n<div class="scroll"><table>{head}{rows}</table></div>'


def png_uri(rgb: Rgb) -> str:
    """Encodes a picture (h, w, 3) uint8 RGB as a `data:` URI."""
    return "data:image/png;base64," + base64.b64encode(encode_photo(Photo(rgb), ".png")).decode()
