"""The training task of the background: HPINet on patches of photos, half of them clean, half with photos' faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.checkpoint import HPINET
from models.hpinet.config import SIZES, HPINetConfig, sized
from models.hpinet.network import HPINet
from models.metrics import psnr_db, ssim
from models.protocol import resize, to_8_bits

from ..errors import LaaError, UsageError
from ..faceset.format import check_exists
from ..utils.hardware import count_flops
from .corruptions import Faults, add_faults, compress_jpeg, jpeg, uniform
from .initial import read_trained, training_history
from .network_settings import Parse, parse_settings
from .photo_data import PATCH_PX, Photo, PhotoSamples, PhotoSet, read_photo_splits
from .plots import draw_sheet, spread_out
from .schedule import Defaults, background_defaults
from .training_task import InitialWeights, Notice, Splits, TrainingTask

DEFAULT_SIZE = "T"
EARLY_PATCH_PX = 32  # cheaper patches, which teach as much at first
EARLY_SHARE = 0.2  # of the schedule
CLEAN_SHARE = 0.5
ENLARGED_SHARE = 0.08  # of the samples show a photo that was enlarged before
ENLARGED = (1.5, 3.0)  # times
FAULTS = Faults(5, (50, 95))
SEEDS = 1 << 40  # of the network's random draws

QUICK_PHOTOS = 12  # of validation, used on the way; all of them count at the end
VALIDATION_QUALITY = 75  # of JPEG
PREVIEW_PHOTOS = 6

SETTINGS: dict[str, Parse] = {
    "size": str,
    "dim": int,
    "qk_dim": int,
    "mlp_dim": int,
    "patch_sizes": lambda text: [int(size) for size in text.split(",")],
    "layers": int,
    "tail": str,
}
FIXED_SETTINGS: dict[str, tuple[str, ...]] = {"scale": ("is scale", "scale")}


class BackgroundTask(TrainingTask):
    """Super-resolution of whole photos 2, 3 or 4 times."""

    name = "background"
    noun = "patches"
    architecture = HPINET.name
    crop_px = None
    gain_label = "clean"
    gain_labels: ClassVar = {"jpeg75_gain_db": "with JPEG 75"}

    # The network

    def parse_network(self, width: int | None, scale: int | None, settings: list[str]) -> HPINetConfig:
        refuse_width(width)
        values = parse_settings(settings, SETTINGS, FIXED_SETTINGS)
        size = values.pop("size", DEFAULT_SIZE)
        if size not in SIZES:
            raise UsageError(f"set size must be one of {', '.join(SIZES)}, not {size!r}", "set")
        try:
            base = sized(size, HPINetConfig.scale if scale is None else scale)
            return HPINetConfig.from_dict(base.to_dict() | values)
        except ValueError as error:
            raise UsageError(f"set or scale: {error}", "set", "scale") from error

    def read_initial(self, path: Path, width: int | None, scale: int | None, notice: Notice) -> InitialWeights:
        """Reads weights; for another scale their trunk, and the tail starts anew."""
        refuse_width(width)
        network, card = read_trained(path)
        if not isinstance(network, HPINet):
            raise LaaError(f"cannot use the weights {path}: their architecture {card.architecture} is not for the background")
        history = training_history(card) | {"name": card.name, "scale": network.config.scale}
        tensors = network.state_dict()
        if scale is None or scale == network.config.scale:
            return InitialWeights(network.config, tensors, history)
        notice(f"{path} are weights for scale {network.config.scale}: of them the trunk is taken, the tail starts anew")
        trunk = {name: value for name, value in tensors.items() if not name.startswith("tail.")}
        try:
            return InitialWeights(replace(network.config, scale=scale), trunk, history)
        except ValueError as error:
            raise UsageError(str(error), "scale") from error

    def defaults(self, config: HPINetConfig, *, on_cpu: bool, has_budget: bool) -> Defaults:
        return background_defaults()

    def training_flops(self, config: HPINetConfig) -> int:
        """Counts the FLOPs that one patch takes in training; the backward pass takes twice the forward's."""
        with torch.random.fork_rng(devices=[]):
            return 3 * count_flops(HPINet(config), torch.zeros(1, 3, PATCH_PX, PATCH_PX))

    def precision(self, device: torch.device) -> torch.dtype:
        """Chooses float32 on a CPU, where matrices so narrow are faster in it: 13 patches/s against 9 in bfloat16."""
        return torch.float32 if device.type == "cpu" else torch.bfloat16

    # The data

    def sources(self, data: list[Path], validation: Path | None) -> list[Path]:
        if validation is None:
            raise UsageError("there are no photos for validation: give some with --validation")
        for path in (*data, validation):
            check_exists(path)
        return [*data, validation]

    def read(self, data: list[Path], validation: Path | None, config: HPINetConfig, notice: Notice) -> Splits:
        sources = self.sources(data, validation)
        return read_photo_splits(sources[:-1], sources[-1:], config.scale, notice)

    # Training

    def stage(self, fraction: float) -> int:
        """Tells whether patches are small (0), as at the beginning, or not (1)."""
        return int(fraction >= EARLY_SHARE)

    def make_samples(self, items: PhotoSet, random: torch.Generator, stage: int = 0) -> PhotoSamples:
        """Makes a training pair for each item."""
        side = PATCH_PX if stage else EARLY_PATCH_PX
        pairs = [random_patch(items.photos[place], side, random) for place in items.places]
        lr = torch.stack([degrade(lr, random) for lr, _ in pairs])
        seeds = torch.randint(SEEDS, (len(pairs),), generator=random)
        return PhotoSamples(torch.stack([hr for _, hr in pairs]), lr, seeds)

    def loss(self, output: Tensor, samples: PhotoSamples) -> Tensor:
        """Computes the L1 loss."""
        return (output - samples.truth).abs().mean()

    # Validation

    @torch.inference_mode()
    def measure(self, network: nn.Module, validation: list[Photo], device: torch.device, *, quick: bool) -> dict[str, Any]:
        """Measures PSNR and SSIM on Y of whole photos beside bicubic's, and the gain where the photo went through JPEG."""
        chosen = spread_out(len(validation), QUICK_PHOTOS).tolist() if quick else range(len(validation))
        rows = [measure_photo(network, validation[index], device) for index in chosen]
        means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        return {"validated_faces": len(rows)} | means

    @torch.inference_mode()
    def preview(self, network: nn.Module, validation: list[Photo], device: torch.device) -> bytes:
        """Draws squares out of the middle of a few photos, clean and from JPEG: enlarged, the network's, the truth."""
        pairs = [middle_patch(validation[index]) for index in spread_out(len(validation), PREVIEW_PHOTOS).tolist()]
        lr, truth = (torch.stack(patches) for patches in zip(*pairs, strict=True))
        coded = torch.stack([jpeg(patch, VALIDATION_QUALITY) for patch in lr])
        label = f"JPEG {VALIDATION_QUALITY}, "
        rows: dict[str, Tensor] = {}
        for prefix, patches in (("", lr), (label, coded)):
            rows[f"{prefix}enlarged"] = resize(patches, truth.shape[-1])
            rows[f"{prefix}restored"] = network(patches.to(device)).float().cpu()
        return draw_sheet(rows | {"truth": truth})


def refuse_width(width: int | None) -> None:
    """Raises UsageError for a width, which is of the networks for faces."""
    if width is not None:
        raise UsageError("width has no meaning with task background: choose a size by set size=T", "width", "task", "set")


# Patches


def random_patch(photo: Photo, side: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cuts a patch from anywhere in a photo, flipped and transposed by chance: (3, side, side) and its truth, in [0, 1]."""
    height, width = photo.lr.shape[1:]
    top, left = (int(torch.randint(room + 1, (), generator=random)) for room in (height - side, width - side))
    flips = [dim for dim in (1, 2) if uniform(random, 0, 1) < 0.5]
    transposed = uniform(random, 0, 1) < 0.5
    lr, hr = (patch.flip(flips).float().div(255) for patch in cut(photo, top, left, side))
    return (lr.mT, hr.mT) if transposed else (lr, hr)


def cut(photo: Photo, top: int, left: int, side: int) -> tuple[Tensor, Tensor]:
    """Cuts a patch (3, side, side) and its truth (3, s side, s side), uint8."""
    scale = photo.scale
    lr = photo.lr[:, top : top + side, left : left + side]
    return lr, photo.hr[:, scale * top : scale * (top + side), scale * left : scale * (left + side)]


def middle_patch(photo: Photo) -> tuple[Tensor, Tensor]:
    """Cuts a patch from the middle of a photo, and its truth, in [0, 1]."""
    top, left = ((length - PATCH_PX) // 2 for length in photo.lr.shape[1:])
    lr, hr = (patch.float().div(255) for patch in cut(photo, top, left, PATCH_PX))
    return lr, hr


def degrade(lr: Tensor, random: torch.Generator) -> Tensor:
    """Leaves a patch (3, p, p) in [0, 1] clean, or makes it of a photo with faults or one that was enlarged before."""
    chance = uniform(random, 0, 1)
    if chance < CLEAN_SHARE:
        return lr
    if chance < CLEAN_SHARE + ENLARGED_SHARE:
        return enlarge_before(lr, random)
    return add_faults(lr, FAULTS, random)


def enlarge_before(lr: Tensor, random: torch.Generator) -> Tensor:
    """Reduces a patch further and enlarges it back, as of a photo that was enlarged before; half of them went through JPEG."""
    side = lr.shape[-1]
    small = to_8_bits(resize(lr[None], round(side / uniform(random, *ENLARGED))))
    enlarged = to_8_bits(resize(small, side))[0]
    return compress_jpeg(enlarged, FAULTS.jpeg_quality, random) if uniform(random, 0, 1) < 0.5 else enlarged


# Validation


def measure_photo(network: nn.Module, photo: Photo, device: torch.device) -> dict[str, float]:
    """Measures the network's and bicubic's enlargement of a photo, as many px shaved at each side as the scale has."""
    lr, truth = (picture.float().div(255)[None] for picture in (photo.lr, photo.hr))
    coded = jpeg(lr[0], VALIDATION_QUALITY)[None]
    shaved = (..., slice(photo.scale, -photo.scale), slice(photo.scale, -photo.scale))
    size = (truth.shape[2], truth.shape[3])
    plain, plain_coded = (resize(picture, size)[shaved] for picture in (lr, coded))
    output, output_coded = (network(picture.to(device)).float().cpu()[shaved] for picture in (lr, coded))
    truth = truth[shaved]
    psnr, bicubic, psnr_coded, bicubic_coded = (
        psnr_db(picture, truth).item() for picture in (output, plain, output_coded, plain_coded)
    )
    return {
        "psnr_db": psnr,
        "ssim": ssim(output, truth).item(),
        "bicubic_psnr_db": bicubic,
        "bicubic_ssim": ssim(plain, truth).item(),
        "gain_db": psnr - bicubic,
        "jpeg75_gain_db": psnr_coded - bicubic_coded,
    }
