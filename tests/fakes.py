"""What tests share: made-up faces and photos, fakes of the detector and the restorer, and ways to stop a run."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import subprocess
import sys
import termios
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from safetensors.torch import save_file
from torch import nn

from laa_cli.__main__ import guarded
from laa_cli.batch.manifest import Recipe
from laa_cli.batch.run import BatchRequest
from laa_cli.batch.run import run as run_batch_request
from laa_cli.batch.schema import ManifestRecord
from laa_cli.console import Screen
from laa_cli.detect.face import Face
from laa_cli.errors import Exit
from laa_cli.interfaces import EnlargedPhoto, FaceCrop, RestoredFace
from laa_cli.photo import Photo, read_photo
from laa_cli.photo.resample import enlarge
from laa_cli.train.parallel import Distributed
from laa_cli.upscale import ModelOptions, Options, Upscaler
from laa_cli.utils.steps import Steps
from models.checkpoint import HPINET, ModelCard, save_bytes
from models.hpinet.config import HPINetConfig
from models.hpinet.network import HPINet
from models.laa.config import LAAConfig
from models.laa.integration import FIM
from models.protocol import HR_SIZE, resize, to_8_bits

ROOT = Path(__file__).parent.parent

# Training

TINY = LAAConfig(base_channels=2, blocks=1, mlp_ratio=1)
TINY_CARD = ModelCard(
    LAAConfig(base_channels=2, image_size=32, blocks=1), "tiny", {"faces": 7}, {"gain_db": 1.5}, (10, 96), (0.5, -1.0)
)
CPU = torch.device("cpu")
ALONE = Distributed()


def pictures(count: int, size: int) -> torch.Tensor:
    """Smooth made-up faces, (count, 3, size, size) uint8."""
    values = resize(torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(count)), size)
    return values.clamp(0, 1).mul(255).byte()


def detailed_picture(size: int, seed: int = 0) -> torch.Tensor:
    """Structure at all scales on 8-bit levels, (3, size, size)."""
    random = torch.Generator().manual_seed(seed)
    layers = [resize(torch.rand(1, 3, side, side, generator=random), size) for side in (3, 8, size)]
    return to_8_bits((layers[0] * 3 + layers[1] * 2 + layers[2]) / 6)[0]


def textured_faces(count: int) -> torch.Tensor:
    """Pictures with structure at all scales, (count, 3, 128, 128) RGB in [0, 1], on 8-bit levels."""
    random = torch.Generator().manual_seed(0)
    layers = [resize(torch.rand(count, 3, size, size, generator=random), HR_SIZE) for size in (4, 16, 64, 128)]
    return to_8_bits(sum(layers) / len(layers))  # type: ignore[arg-type]


def folder_of(faces: torch.Tensor, folder: Path) -> Path:
    folder.mkdir()
    for number, face in enumerate(faces):
        Image.fromarray(face.permute(1, 2, 0).numpy()).save(folder / f"{number:03}.png")
    return folder


def portrait(seed: int = 0) -> torch.Tensor:
    """Structure at all scales, (1, 3, 128, 128)."""
    random = torch.Generator().manual_seed(seed)
    layers = [resize(torch.rand(1, 3, side, side, generator=random), 128) / side**0.5 for side in (3, 8, 24, 64)]
    return to_8_bits(torch.stack(layers).sum(0))


def grainy_portrait(seed: int = 0, grain: float = 1.0) -> torch.Tensor:
    """Structure at all scales, (1, 3, 128, 128); `grain`: how much of the finest."""
    random = torch.Generator().manual_seed(seed)
    sides = ((3, 1.0), (8, 0.6), (24, 0.35), (64, 0.2 * grain), (128, 0.1 * grain))
    layers = [share * resize(torch.rand(1, 3, side, side, generator=random), 128) for side, share in sides]
    return to_8_bits(torch.stack(layers).sum(0) / 2.5)


def gaussian_noise(like: torch.Tensor, sigma: float, seed: int = 0) -> torch.Tensor:
    return sigma / 255 * torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


# Networks


def randomize_parameters(module: nn.Module) -> nn.Module:
    """All weights random, so that nothing is hidden by a zero."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def save_background(path: Path) -> Path:
    """A model file for the background: a tiny HPINet x4 with random weights."""
    config = HPINetConfig(dim=4, qk_dim=2, mlp_dim=4, patch_sizes=(8,), layers=2, tail="one_step")
    card = ModelCard(config, crop_px=None, architecture=HPINET.name)
    path.write_bytes(save_bytes(randomize_parameters(HPINet(config)), card))
    return path


def slow_fim(fim: FIM, x: torch.Tensor) -> torch.Tensor:
    """Fig. 3 drawn out: x + CA(DW(x)) + DW(CA(x)) on a map (n, c, h, w)."""
    out = x
    if fim.first is not None:
        branch = fim.first(x)
        if fim.first_attention is not None:
            branch = branch * fim.first_attention(branch.mean((2, 3)))[..., None, None]
        out = out + branch
    if fim.second is not None and fim.second_attention is not None:
        out = out + fim.second(x * fim.second_attention(x.mean((2, 3)))[..., None, None])
    return out


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A file with a bit flipped, bytes cut out, put in or repeated, two pieces swapped, or one overwritten with zeros."""
    start, middle, end = sorted(int(place) for place in random.integers(0, len(content), 3))
    size = int(random.integers(1, 65))
    kinds: list[Callable[[], bytes]] = [
        lambda: b"".join((content[:start], bytes([content[start] ^ 1 << int(random.integers(8))]), content[start + 1 :])),
        lambda: content[:start] + content[start + size :],
        lambda: content[:start] + random.bytes(size) + content[start:],
        lambda: content + random.bytes(size),
        lambda: content[:start] + content[middle:end] + content[start:middle] + content[end:],
        lambda: content[:start] + bytes(size) + content[start + size :],
        lambda: content[:start] + content[start : start + size] + content[start:],
    ]
    return kinds[int(random.integers(len(kinds)))]()


# Peers


def save_network(network: torch.nn.Module, path: Path) -> Path:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path


def small_swinir(upscale: int) -> torch.nn.Module:
    from spandrel.architectures.SwinIR import SwinIR  # not at the top: most tests need no spandrel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SwinIR(
            img_size=16, embed_dim=8, depths=[2], num_heads=[2], window_size=8, mlp_ratio=2, upscale=upscale,
            upsampler="pixelshuffle",
        )  # fmt: skip


# Photos

POINTS = ((70.0, 70.0), (110.0, 70.0), (90.0, 90.0), (75.0, 110.0), (105.0, 110.0))
MIDDLE = Face((20.0, 20.0, 160.0, 160.0), 0.99, POINTS)  # the protocol's crop: 175 px


def photo_of_noise(seed: int, side: int = 180) -> Image.Image:
    """A photo of structure at all scales, and no two alike."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (18, 18, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    fine = random.integers(0, 60, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + fine - 30, 0, 255).astype(np.uint8))


class Killed(BaseException):
    """What a test throws to stop a run."""


def dying_after(calls: int) -> Callable[[Any], list[Face]]:
    """A detector that finds MIDDLE in so many photos, and then is killed."""
    seen: list[int] = []

    def detect(rgb: Any) -> list[Face]:
        if len(seen) == calls:
            raise Killed
        seen.append(1)
        return [MIDDLE]

    return detect


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Photo files

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO_SUFFIXES = [".jpg", ".png", ".webp", ".tif", ".bmp", ".avif"]
MAX_PIXELS = 1_000_000


def noise_pixels(channels: int = 3, dtype: type = np.uint8, height: int = 9, width: int = 13) -> np.ndarray:
    """Noise over the full range, (height, width, channels)."""
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def ramp_pixels(channels: int = 3) -> np.ndarray:
    """A smooth ramp, (32, 48, channels) uint8."""
    ramp = np.linspace(30, 220, 48 * 32).reshape(32, 48, 1)
    return np.round(ramp + 5 * np.arange(channels)).astype(np.uint8)


def wave_pixels(height: int, width: int) -> np.ndarray:
    """A photo of slow waves, steep enough for half a pixel of shift to show: up to 6 levels per pixel."""
    y, x = np.mgrid[:height, :width]
    return np.rint(127 + 110 * np.sin(x[..., None] / 20 + [0, 1, 2]) * np.cos(y[..., None] / 23)).astype(np.uint8)


def encode_image(image: Image.Image, kind: str, **options: object) -> bytes:
    """The content of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decode_photo(content: bytes, max_pixels: int = MAX_PIXELS) -> Photo:
    return read_photo(content, max_pixels=max_pixels)


def exif_block(orientation: int = 1, note: bytes = b"private" * 4) -> bytes:
    """An EXIF block with a main, an EXIF and a GPS directory."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x013B] = "Maker", orientation, "Ada"
    exif[0x8769] = {0xA002: 13, 0xA003: 9, 0x9003: "2020:01:02 03:04:05", 0x927C: note, 0x829A: 0.004}
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5)}
    return exif.tobytes()


# Batches

RELATIVE_POINTS = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def one_face(rgb: Any) -> list[Face]:
    """A face of 16 px in every photo."""
    return [Face((10.0, 8.0, 26.0, 24.0), 0.99, tuple((10 + 16 * x, 8 + 16 * y) for x, y in RELATIVE_POINTS))]


class FakeDetector:
    """A FaceDetector that finds the same faces in every photo, and none where it is told to look, or `seen`, by the box."""

    def __init__(self, faces: Sequence[Face] = (), seen: dict[Any, Face] | None = None) -> None:
        self.faces, self.seen = list(faces), seen or {}

    def __call__(self, rgb: Any) -> list[Face]:
        return self.faces

    def look_at(self, rgb: Any, boxes: Sequence[Any]) -> list[Face | None]:
        return [self.seen.get(tuple(box)) for box in boxes]


def microsoft_regions(width: int, height: int, *tags: tuple[str, tuple[float, float, float, float]]) -> bytes:
    """An XMP packet with face tags by Microsoft's schema; boxes (xyxy) in pixels of the stored picture."""
    items = "".join(
        f'<rdf:li MPReg:Rectangle="{x0 / width}, {y0 / height}, {(x1 - x0) / width}, {(y1 - y0) / height}"'
        f' MPReg:PersonDisplayName="{name}"/>'
        for name, (x0, y0, x1, y1) in tags
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:MP="http://ns.microsoft.com/photo/1.2/"'
        ' xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"'
        ' xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"><MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions>'
        f"<rdf:Bag>{items}</rdf:Bag></MPRI:Regions></MP:RegionInfo></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


class FakeRestorer:
    """A FaceRestorer by a function on the crops' images, (3, e, e) each; also a decorator."""

    batch_size = 1

    def __init__(self, restore: Callable[[list[torch.Tensor]], list[RestoredFace]]) -> None:
        self.restore = restore

    def __call__(self, crops: Sequence[FaceCrop]) -> list[RestoredFace]:
        return self.restore([crop.image for crop in crops])


@FakeRestorer
def brighter(crops: list[torch.Tensor]) -> list[RestoredFace]:
    return [RestoredFace(resize(crop[None], HR_SIZE)[0].clamp(0, 1).sqrt(), 0.5, 0.01) for crop in crops]


class FakeBackground:
    """A BackgroundUpscaler that turns a photo into its negative, in `count` steps of `seconds` each, and counts them."""

    def __init__(self, count: int = 4, seconds: float = 0.0, peak: int = 0) -> None:
        self.count, self.seconds, self.peak = count, seconds, peak
        self.steps_done = self.given_up = 0

    def steps(self, pixels: np.ndarray, scale: int) -> Steps[EnlargedPhoto]:
        try:
            for step in range(self.count):
                yield step / self.count
                time.sleep(self.seconds)
                self.steps_done += 1
        except GeneratorExit:
            self.given_up += 1
            raise
        return EnlargedPhoto(~enlarge(pixels, scale), "fake", 0.25)

    def peak_bytes(self, height: int, width: int, scale: int) -> int:
        return self.peak


def fake_upscaler(background: FakeBackground | None = None) -> Upscaler:
    return Upscaler(one_face, brighter, background)


def refuse_to_load() -> Upscaler:
    raise AssertionError("the models were loaded")


def batch_request(folder: Path, **changes: Any) -> BatchRequest:
    recipe = Recipe(options=Options(scale=2), models=ModelOptions(), weights="weights")
    return BatchRequest(
        **({"source": folder / "in", "out": folder / "out", "recipe": recipe, "memory_bytes": 1 << 30, "workers": 2} | changes)
    )


def run_batch(folder: Path, load: Any = fake_upscaler, **changes: Any) -> Exit:
    return run_batch_request(batch_request(folder, **changes), load, Screen(data_on_stdout=changes.get("json", False)))


def write_photo_of_noise(path: Path, seed: int = 0, size: tuple[int, int] = (40, 34)) -> Path:
    """A photo of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def made_up_record(number: int, faces: int = 2) -> ManifestRecord:
    """What a manifest says of a photo that there is not, with so many faces restored."""
    name, hexadecimal = f"{number // 1000:03d}/IMG_{number:07d}.jpg", f"{number:032x}" * 2
    box, crop = [10.0, 8.0, 26.0, 24.0], {"x": 8, "y": 6, "side": 20}
    face = {
        "box_xyxy": box,
        "size_px": 16.0,
        "confidence": 0.99,
        "landmarks_xy": [[14.8, 14.4]] * 5,
        "crop": crop,
        "roll_deg": 0.0,
    }
    face |= {"action": "restored", "reason": "within --max-face 96", "fidelity": 0.5, "consistency": 0.01}
    record = {
        "input": name, "output": name, "size": 3116, "mtime_ns": 1, "sha256": hexadecimal, "width": 4000, "height": 3000,
        "background": "plain", "background_fidelity": None, "left_out": [], "output_sha256": hexadecimal, "output_size": 9361,
        "faces": [face | {"number": place + 1, "name": f"Person {place}"} for place in range(faces)], "recipe": "ab" * 32,
        "output_mtime_ns": 2, "error": None, "versions": {"laa": "0.1.0"}, "weights": "weights", "options": {"scale": 4},
        "seconds": {"read": 0.1},
    }  # fmt: skip
    return cast(ManifestRecord, record)


def result_files(folder: Path) -> dict[str, bytes]:
    """Every result by its name: all but the manifest and laa's hidden files."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "manifest.jsonl" and not name.startswith(".laa")}


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "manifest.jsonl").read_text().splitlines()]


def lock_folders(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Makes the system refuse to list these folders which it would not do for root."""
    scandir = os.scandir

    def guarded_scandir(path: Any = ".") -> Any:
        if isinstance(path, str | Path) and Path(path) in folders:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded_scandir)


# The command line


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def laa(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Runs the command line in this process and returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["laa", *map(str, arguments)])
    try:
        return guarded()
    except SystemExit as end:
        return int(end.code or 0)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The single line on stderr."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


def no_stdin() -> BinaryIO:
    raise AssertionError("stdin was read")


def in_a_terminal(tmp_path: Path, *arguments: str, columns: int = 80) -> tuple[str, bytes]:
    """Runs a script with a pseudo-terminal as stderr: what it showed there, and its stdout."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    command = [sys.executable, "-c", *arguments]
    environment = os.environ | {"TERM": "xterm"}
    with (tmp_path / "stdout").open("wb") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=slave, stdin=subprocess.DEVNULL, cwd=ROOT, env=environment)
    os.close(slave)
    shown = b""
    with suppress(OSError):  # how a pseudo-terminal says that it was closed
        while part := os.read(master, 4096):
            shown += part
    os.close(master)
    assert process.wait() == 0, shown
    return shown.decode(), (tmp_path / "stdout").read_bytes()
