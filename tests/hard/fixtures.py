"""What several cases of a run need and takes long to make: made when the first one needs it, always the same."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from .case import Run
from .command import Command
from .fork import in_folder
from .pictures import face, scene

TINY = ("--width", "2", "--set", "blocks=1", "--set", "mlp_ratio=1")
TRAIN = ("train", "faces", "--validation", "validation", "--faces", "4", "--batch-size", "2", "--device", "cpu", "-q")
TRAINING_BYTES = 3 << 29
TWICE = ("-s", "2", "--background", "plain")  # a larger result where the background is not the point, and its time would count
STATE, WEIGHTS = "state.safetensors", "weights.safetensors"


class MadeOnce:
    """Fixtures by their names, each in a folder of its own."""

    def __init__(self, folder: Path, execute: Run) -> None:
        self.folder = folder
        self.execute = execute

    def get(self, name: str) -> Path:
        """The folder of a fixture."""
        place = self.folder / name
        if not place.exists():
            place.mkdir(parents=True)
            (self.folder / "tmp").mkdir(exist_ok=True)
            MAKERS[name](place, self)
        return place

    def run(self, folder: Path, *arguments: str, prepare: Callable[[], None] | None = None) -> None:
        """Runs a command that must work."""
        command = Command(
            arguments=arguments, folder=folder, sandbox=self.folder, temporary=self.folder / "tmp", prepare=prepare
        )
        outcome = self.execute(command)
        if outcome.code != 0:
            raise RuntimeError(f"laa {' '.join(arguments)}: {outcome.code}\n{outcome.text}")


def copy(source: Path, target: Path) -> None:
    """Copies a file or folder with its times, which manifests record."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def make_photos(folder: Path, fixtures: MadeOnce) -> None:
    """A folder of three photos, two of them with a face, and what `laa batch` makes of them."""
    (folder / "in" / "sub").mkdir(parents=True)
    face().save(folder / "in" / "face.png")
    face().crop((2, 0, 50, 48)).save(folder / "in" / "sub" / "other.jpg", quality=95)
    scene().save(folder / "in" / "scene.gif")
    fixtures.run(folder, "batch", "in", "out", *TWICE, "--report", "-q")


def make_faces(folder: Path, fixtures: MadeOnce) -> None:
    """Four training faces of 144 px and two validation faces of 128 px."""
    for name, side, number in (("faces", 144, 4), ("validation", 128, 2)):
        (folder / name).mkdir()
        for index in range(number):
            noise = np.random.default_rng(index + side).integers(0, 256, (9, 9, 3), np.uint8)
            Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(folder / name / f"{index}.png")


def make_training(folder: Path, fixtures: MadeOnce) -> None:
    """A tiny training run: its state after the first step, and its weights, those of a run that goes on from there."""
    copy(fixtures.get("faces"), folder)
    fixtures.run(folder, *TRAIN, *TINY, "-o", "run", "--save-minutes", "0", prepare=keep_first_state)
    (folder / "half").mkdir()
    (folder / "run" / "first-state").rename(folder / "half" / STATE)
    copy(folder / "half", folder / "resumed")
    fixtures.run(folder, *TRAIN, *TINY, "-o", "resumed", "--resume")
    fixtures.run(folder, *TRAIN, "-o", "from-weights", "--init-from", f"run/{WEIGHTS}")


def make_weights(folder: Path, fixtures: MadeOnce) -> None:
    """The shipped network, written again as `laa train` writes it, and what it makes of a face."""
    from models.checkpoint import DEFAULT_WEIGHTS, load, save_bytes

    network, card = load(DEFAULT_WEIGHTS)
    (folder / WEIGHTS).write_bytes(save_bytes(network, card))
    face().save(folder / "face.png")
    fixtures.run(folder, "upscale", "face.png", "-o", "result.png", *TWICE, "--weights", WEIGHTS, "-q")


def keep_first_state() -> None:
    """In a fork: has the clock of training tick evenly, so that the state is always the same, and keeps the first one."""
    from laa_cli.train.loop import TrainingLoop

    defaults = TrainingLoop.__init__.__kwdefaults__
    assert defaults is not None
    defaults["clock"] = count(0, 60).__next__

    def hook(event: str, details: tuple[object, ...]) -> None:
        if event == "os.rename" and str(details[1]).endswith(STATE):
            source, state = (Path(in_folder(details[place], details[place + 2])) for place in (0, 1))
            if not (target := state.with_name("first-state")).exists():
                shutil.copy2(source, target)

    sys.addaudithook(hook)


MAKERS: dict[str, Callable[[Path, MadeOnce], None]] = {
    "photos": make_photos,
    "faces": make_faces,
    "training": make_training,
    "weights": make_weights,
}
