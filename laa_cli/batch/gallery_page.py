"""What the gallery's pages show, in HTML: photos before and after with their faces, and the table of those that failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..restore.records import FaceRecord, restored_faces
from ..utils.html import escaped, slider
from .pagination import to_url
from .schema import ManifestRecord
from .thumbnails import FACE_PX, FACES, PROOF, gallery_path, thumbnail_path

STYLE = f"""<style>
.photo {{ content-visibility: auto; contain-intrinsic-size: auto 20rem; overflow-wrap: anywhere }}
.faces {{ display: flex; flex-wrap: wrap; gap: 4px; max-height: {2 * FACE_PX + 4}px; overflow-y: auto; margin-top: 4px }}
.faces img {{ width: {2 * FACE_PX}px; height: {FACE_PX}px; max-width: none; flex: none; object-fit: none; border-radius: 4px }}
</style>"""


def build_grid(records: Sequence[ManifestRecord], is_proved: Callable[[ManifestRecord], bool], root: str) -> str:
    """Builds the figures of a page. `root`: the way from the page to the folder of the results (`way_to_root`)."""
    figures = "\n".join(build_figure(record, proved=is_proved(record), root=root) for record in records)
    return f'<div class="grid">\n{figures}\n</div>'


def build_figure(record: ManifestRecord, *, proved: bool, root: str) -> str:
    """Builds one photo's figure: before/after slider, file name, faces and their names, the way to their proofs."""
    before, after = (to_url(thumbnail_path(record["output_sha256"], kind), root) for kind in ("before", "after"))
    name, restored = record["input"], restored_faces(record["faces"])
    faces = f"{len(restored)} of {len(record['faces'])} faces restored"
    background = f", background {escaped(record['background'])}" if "background" in record else ""
    persons = list(dict.fromkeys(face["name"] for face in record["faces"] if face.get("name")))
    names = f"<br>{escaped(', '.join(persons))}" if persons else ""
    proof = f', <a href="{to_url(gallery_path(record["output_sha256"], PROOF), root)}">proof</a>' if proved else ""
    caption = (
        f'<a href="{to_url(record["output"], root)}">{escaped(name)}</a><br>'
        f"<small>{record['width']}x{record['height']}, {faces}{background}{proof}{names}</small>"
    )
    strip = f'<div class="faces">{build_face_images(record, restored[:FACES], root)}</div>' if restored else ""
    picture = slider(before, after, name, record["width"], record["height"])
    return f'<figure class="photo">{picture}<figcaption>{caption}</figcaption>{strip}</figure>'


def build_face_images(record: ManifestRecord, faces: list[FaceRecord], root: str) -> str:
    """Builds an image for each face: a row of the thumbnail that holds all faces of the photo."""
    source = to_url(thumbnail_path(record["output_sha256"], "faces"), root)
    images = []
    for row, face in enumerate(faces):
        title = describe_face(face)
        style = f"object-position: 0 -{row * FACE_PX}px"
        images.append(f'<img src="{source}" style="{style}" loading="lazy" title="{title}" alt="{title}, before and after">')
    return "".join(images)


def describe_face(face: FaceRecord) -> str:
    """Says which face of its photo it is, in HTML."""
    name, confidence = face.get("name", ""), face["confidence"]
    sure = f"confidence {confidence:.3f}" if confidence is not None else f"by {face.get('source')}"
    return escaped(f"face {face['number']}{f', {name}' if name else ''}: {face['size_px']:.0f} px, {sure}")


def build_failure_table(failed: Sequence[tuple[str, str]]) -> str:
    """Builds the table of photos that have no result, and why."""
    rows = "".join(f"<tr><td>{escaped(name)}<td>{escaped(error)}" for name, error in failed)
    return f'<div class="scroll"><table>{rows}</table></div>'
