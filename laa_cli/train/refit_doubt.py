"""Fits the error bars of weights that were trained before, and writes the weights with them; all else stays as it is.

    python -m laa_cli.train.refit_doubt WEIGHTS FACES... OUTPUT

FACES are what `laa train` takes: never those that error bars are judged by.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from models.checkpoint import load, save_bytes

from ..faceset.format import TRAINING_FACE_PX, read_faces, training_sources
from ..restore.restorer import NetworkRestorer
from ..restore.runtime import choose_runtime
from ..utils.atomic import write_atomically
from ..utils.inputs import Inputs
from .doubt_calibration import calibrate_doubt
from .face_tasks import BlindTask


def refit(weights: Path, data: list[Path], output: Path) -> tuple[float, ...]:
    """Writes weights with coefficients fitted to training faces, and returns those. LaaError where that cannot be."""
    restorer = NetworkRestorer.load(weights, choose_runtime())
    sources = [source for path in data for source in training_sources(path)]
    coefficients = calibrate_doubt(restorer, read_faces(sources, TRAINING_FACE_PX), BlindTask().make_single_samples)
    network, card = load(weights)
    content = save_bytes(network, replace(card, doubt_coefficients=coefficients))
    write_atomically(output, content, inputs=Inputs.of([weights, *sources]), overwrite=True)
    return coefficients


if __name__ == "__main__":
    print(refit(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:-1]], Path(sys.argv[-1])))
