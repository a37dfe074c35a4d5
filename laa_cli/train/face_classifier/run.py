"""Makes the face classifier's weights: mines crops, and fits to them.

    python -m laa_cli.train.face_classifier.run mine FACES... PHOTOS CROPS.npz
    python -m laa_cli.train.face_classifier.run fit CROPS.npz OUTPUT.safetensors [EVERY_OTHER]

FACES: face sets, or folders or tar files of 144x144 faces. PHOTOS: a folder or tar file of photos that show no face.
EVERY_OTHER, 0 or 1: fits without the crops of every other photo, those of even or odd number, to judge on them.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import torch

from models.checkpoint import FACE_CLASSIFIER, ModelCard, save_bytes
from models.face_classifier.config import FaceClassifierConfig

from ...detect.candidates import CandidateFinder
from ...detect.mtcnn import smallest_cell_px
from ...faceset.format import TRAINING_FACE_PX, read_faces, training_sources
from ...options import ModelOptions
from ...utils.amx import avoid_undescribed_amx
from ...utils.atomic import write_atomically
from ...utils.inputs import Inputs
from ..photo_data import decode_photos
from .fit import fit_classifier
from .mining import Miner

FACES = 14_000
VIEWS = 6  # of each photo without faces
CONFIG = FaceClassifierConfig()


def mine(faces: list[Path], photos: Path, output: Path, seed: int = 1) -> None:
    """Writes candidates' crops: `faces` (n, 3, s, s) uint8 RGB, `others` (m, 3, s, s), and the `photo` (m,) of each other."""
    random = torch.Generator().manual_seed(seed)
    finder = CandidateFinder(torch.device("cpu"), smallest_cell_px(ModelOptions.min_face_px), torch.bfloat16)
    miner = Miner(finder, CONFIG.image_size)
    pictures = [photo.hr for photo in decode_photos([photos], scale=1, limit_px=None)]
    others = []
    for index, crops in enumerate(miner.without_faces(pictures, VIEWS, random)):
        others.append(crops)
        say(f"photo {index + 1} of {len(pictures)}: {len(crops)} candidates")
    found = []
    sources = [source for path in faces for source in training_sources(path)]
    known = read_faces(sources, TRAINING_FACE_PX)
    chosen = known[torch.randperm(len(known), generator=random)[:FACES]]
    for index, crops in enumerate(miner.on_faces(chosen, pictures, random)):
        found.append(crops)
        if index % 500 == 0:
            say(f"face {index} of {len(chosen)}: {sum(map(len, found))} candidates")
    places = np.repeat(np.arange(len(others)), [len(crops) for crops in others])
    buffer = io.BytesIO()
    np.savez(buffer, faces=torch.cat(found).numpy(), others=torch.cat(others).numpy(), photo=places)
    write_atomically(output, buffer.getvalue(), inputs=Inputs.of([*sources, photos]), overwrite=True)


def fit(crops: Path, output: Path, left_out: int | None = None, seed: int = 0) -> None:
    """Writes weights fitted to the crops that `mine` wrote."""
    with np.load(crops) as file:
        faces, others, photo = (torch.from_numpy(file[name]) for name in ("faces", "others", "photo"))
    if left_out is not None:
        others = others[photo % 2 != left_out]
    random = torch.Generator().manual_seed(seed)
    network = fit_classifier(faces, others, CONFIG, random, lambda epoch, loss: say(f"epoch {epoch}: loss {loss:.4f}"))
    training = {"faces": len(faces), "others": len(others), "photos": len(photo.unique()), "seed": seed}
    card = ModelCard(CONFIG, "laa-faces", training, crop_px=None, architecture=FACE_CLASSIFIER.name)
    write_atomically(output, save_bytes(network, card), inputs=Inputs.of([crops]), overwrite=True)


def say(text: str) -> None:
    """Prints a line of progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    avoid_undescribed_amx()
    command, *names = sys.argv[1:]
    if command == "mine":
        mine([Path(name) for name in names[:-2]], Path(names[-2]), Path(names[-1]))
    else:
        fit(Path(names[0]), Path(names[1]), int(names[2]) if len(names) > 2 else None)
