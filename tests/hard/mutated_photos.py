"""Cases of mutated photos: of every format, through every command that reads photos."""

from __future__ import annotations

from pathlib import Path

from .case import Case
from .mutation import mutate
from .photos import all_seeds

SUFFIXES = (".jpg", ".png", ".webp", ".tif", ".bmp", ".avif", ".gif", ".jpeg", ".JPG", "")
OUTPUT_SUFFIXES = (".jpg", ".png", ".webp", ".tif", ".bmp", ".avif")
PREPARE = ("--min-crop", "16", "--min-sharpness", "0")


def mutated_photos(case: Case) -> None:
    """Mutates a few photos and gives them to a command."""
    command = case.random.choice((upscale_one, upscale_several, upscale_several, upscale_stdin, detect, batch, batch, prepare))
    command(case)


def write_mutants(case: Case, count: int) -> list[Path]:
    """Writes mutated photos into the case's folder; a few with the extension of another format."""
    paths = []
    for number in range(count):
        seed, other = case.random.choice(all_seeds()), case.random.choice(all_seeds())
        content = mutate(seed.content, other.content, case.random)
        suffix = case.random.choice(SUFFIXES) if case.random.random() < 0.1 else seed.suffix
        paths.append(case.sandbox.write(f"p{number}{suffix}", content))
    case.files += count
    return paths


def scale(case: Case) -> list[str]:
    """Chooses a scale; photos are the point, not what enlarges them."""
    return ["-s", case.random.choice(("1", "2", "4")), "--background", "plain"]


def upscale_one(case: Case) -> None:
    """One photo, to each format, with faces and comparison."""
    (photo,) = write_mutants(case, 1)
    output = case.sandbox.out / f"r{case.random.choice(OUTPUT_SUFFIXES)}"
    extra: list[str] = case.random.choice(
        ([], ["--json"], ["--strip-metadata"], ["--faces-dir", "out/faces"], ["--compare", "out/c.png"], ["--require-face"])
    )
    case.run("upscale", photo, "-o", output, *scale(case), *extra, outputs=[case.sandbox.out], photos={photo: output})


def upscale_several(case: Case) -> None:
    """Several photos into a folder."""
    photos = write_mutants(case, case.random.randint(2, 8))
    label = scale(case)
    results = {
        photo: case.sandbox.out / f"{photo.stem}_x{label[1]}{photo.suffix if photo.suffix.lower() in WRITTEN else '.png'}"
        for photo in photos
    }
    case.run("upscale", *photos, "-o", "out", *label, outputs=[case.sandbox.out], photos=results)


def upscale_stdin(case: Case) -> None:
    """A photo on standard input; the result to a file or to standard output."""
    (photo,) = write_mutants(case, 1)
    content = photo.read_bytes()
    if case.random.random() < 0.5:
        output = case.sandbox.out / "r.png"
        case.run("upscale", "-", "-o", output, *scale(case), stdin=content, outputs=[case.sandbox.out])
        return
    outcome = case.run("upscale", "-", *scale(case), stdin=content)
    if (outcome.code == 0) != outcome.stdout.startswith(b"\x89PNG") and not outcome.hung:
        case.fault("exit code", f"{outcome.code} with {len(outcome.stdout)} bytes on stdout")


def detect(case: Case) -> None:
    """The faces, as a table or drawn."""
    photos = write_mutants(case, case.random.randint(1, 6))
    extra: list[str] = case.random.choice(([], ["--json"], ["-o", "out/"]))
    if extra == ["-o", "out/"]:
        case.sandbox.out.mkdir()
    case.run("detect", *photos, *extra, outputs=[case.sandbox.out])


def batch(case: Case) -> None:
    """A folder; a second run must leave everything as it is."""
    photos = write_mutants(case, case.random.randint(3, 10))
    unchanged = {photo.name for photo in photos if photo.suffix.lower() in WRITTEN}
    results = {}
    for photo in photos:
        name = photo.name if photo.name in unchanged else f"{photo.name}.png"
        if photo.suffix:
            results[photo] = case.sandbox.out / name
    extra: list[str] = case.random.choice(([], ["--report"], ["--json"], ["--strip-metadata"]))
    arguments = ("batch", "in", "out", *scale(case), *extra)
    if not results:
        return
    case.run(*arguments, outputs=[case.sandbox.out], photos=results)


def prepare(case: Case) -> None:
    """Faces for training."""
    write_mutants(case, case.random.randint(3, 10))
    case.run("prepare", "in", "out", *PREPARE, outputs=[case.sandbox.out])


WRITTEN = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif")
