"""What `laa upscale` is asked for, and the files of each photo's results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..options import EVERY_FACE, FaceChoice, Options
from ..photo import LAYERS_SUFFIX
from ..photo.signing import Signer
from .output_paths import PAGE_SUFFIX, STREAM, Place, check_unique, default_name, plan_named, plan_outputs, stem


@dataclass(frozen=True, kw_only=True)
class UpscaleRequest:
    """What to do with every photo of a call, beside the pipeline's own options."""

    options: Options
    choice: FaceChoice = EVERY_FACE
    output: Place | None = None
    faces_dir: Path | None = None
    compare: Place | None = None
    layers: Place | None = None
    proof: Place | None = None
    json: bool = False
    overwrite: bool = False
    strip_metadata: bool = False
    require_face: bool = False
    mark: bool = True
    list_faces: bool = False  # those of several photos, too; a single one's are always listed
    signer: Signer | None = None
    model_files: tuple[Path, ...] = ()  # that are read, lest they be written to


@dataclass(frozen=True, kw_only=True)
class PhotoPaths:
    """One photo and where its results go."""

    source: Path
    output: Path
    comparison: Path | None
    layers: Path | None
    proof: Path | None
    faces: Path | None  # what the names of its faces' pictures begin with

    @property
    def suffix(self) -> str:
        """The result's format; on stdout it is the photo's own, or PNG for one that came from stdin."""
        return Path(default_name(self.source, "")).suffix if self.output == STREAM else self.output.suffix

    def face_pictures(self, number: int) -> list[Path]:
        """The files of one face, before and after; none where no faces are asked for."""
        if self.faces is None:
            return []
        return [self.faces.with_name(f"{self.faces.name}_face{number:02}_{kind}.png") for kind in ("before", "after")]

    @property
    def foreseen(self) -> list[Path]:
        """The files that can be named before the photo is read, a first face's among them."""
        paths = (self.output, self.comparison, self.layers, self.proof, *self.face_pictures(1))
        return [path for path in paths if path not in (None, STREAM)]


def plan_paths(inputs: list[Path], request: UpscaleRequest) -> list[PhotoPaths]:
    """Plans where everything goes. UsageError where two results would have one name."""
    label = f"_x{request.options.scale}"
    outputs = plan_outputs(inputs, request.output, label, stream=True)
    comparisons = plan_outputs(inputs, request.compare, f"{label}_compare", "compare") if request.compare else []
    layers = plan_named(inputs, request.layers, label, "layers", LAYERS_SUFFIX) if request.layers else []
    proofs = plan_named(inputs, request.proof, f"{label}_proof", "proof", PAGE_SUFFIX) if request.proof else []
    faces = [request.faces_dir / stem(source) for source in inputs] if request.faces_dir else []
    further = {"--compare": comparisons, "--layers": layers, "--proof": proofs}
    named = [
        (path, f"{source} ({flag})") for flag, paths in further.items() for path, source in zip(paths, inputs, strict=False)
    ]
    check_unique([*zip(outputs, map(str, inputs), strict=True), *named], "--output")
    check_unique(zip(faces, map(str, inputs), strict=False), "--faces-dir")
    missing = [None] * len(inputs)
    columns = (places or missing for places in (comparisons, layers, proofs, faces))
    return [
        PhotoPaths(source=source, output=output, comparison=comparison, layers=layers, proof=proof, faces=faces)
        for source, output, comparison, layers, proof, faces in zip(inputs, outputs, *columns, strict=True)
    ]
