"""Metrics of a restored picture: PSNR, SSIM, LPIPS, identity similarity, consistency; and which of them can be measured here.

LPIPS and identity similarity need pretrained networks, whose weights come from torch's cache.
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.metrics import psnr_db, ssim
from models.protocol import reduce, resize, to_8_bits

ALEXNET = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
VGGFACE2 = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt"
TIMEOUT_S = 20  # of a download, for a server that does not answer
FACENET_PX = 160

Metric = Callable[[Tensor, Tensor], Tensor]  # output and truth, (n, 3, h, w) RGB in [0, 1] -> (n,)
Embedding = Callable[[Tensor], Tensor]  # faces (n, 3, h, w) RGB in [0, 1] -> (n, d); the nearer, the more alike
StateDict = dict[str, Tensor]


class UnavailableError(Exception):
    """Why a metric cannot be measured here, as its column says it."""


@dataclass(frozen=True)
class MetricColumn:
    """A metric under its name in records (`key`) and in tables (`title`), or the reason why it cannot be measured."""

    key: str
    title: str
    digits: int
    measure: Metric | None
    gains: bool = False  # whether tables show the gain over bicubic
    lower_is_better: bool = False
    unavailable: str = ""


def metric_columns(*, fetch: bool = False) -> list[MetricColumn]:
    """Returns all metrics. `fetch`: whether weights that are missing may be downloaded."""
    return [
        MetricColumn("psnr_db", "PSNR", 2, psnr_db, gains=True),
        MetricColumn("ssim", "SSIM", 4, ssim, gains=True),
        load_column(MetricColumn("lpips", "LPIPS", 4, None, gains=True, lower_is_better=True), lambda: load_lpips(fetch=fetch)),
        load_column(MetricColumn("identity", "identity", 3, None), lambda: load_identity_similarity(fetch=fetch)),
        MetricColumn("consistency", "RMSE, 16 px", 4, consistency, lower_is_better=True),
    ]


def available_metrics(columns: list[MetricColumn]) -> list[tuple[str, Metric]]:
    """Returns key and metric of the columns that can be measured."""
    return [(column.key, column.measure) for column in columns if column.measure is not None]


def load_column(column: MetricColumn, load_metric: Callable[[], Metric]) -> MetricColumn:
    """Returns the column with its metric, or with the reason why there is none."""
    try:
        return replace(column, measure=load_metric())
    except UnavailableError as error:
        return replace(column, unavailable=str(error))


def consistency(output: Tensor, truth: Tensor) -> Tensor:
    """Computes the RMSE between the 16x16 of output and of truth, 0..1: how true a face is to the pixels it came from.

    `output`, `truth`: (n, 3, 128, 128) RGB in [0, 1] -> (n,).
    """
    return (reduce(to_8_bits(output)) - reduce(truth)).square().mean((1, 2, 3)).sqrt()


def load_lpips(state: StateDict | None = None, *, fetch: bool = False) -> Metric:
    """Loads LPIPS (learned perceptual image patch similarity) version 0.1 on AlexNet, by the `lpips` package.

    A distance: less is better; of pictures of 31 px or more. Raises UnavailableError. `state`: AlexNet's weights under
    torchvision's names, by default those in torch's cache.
    """
    network = build_lpips()
    state = state if state is not None else load_cached(ALEXNET, fetch=fetch)
    backbone = network.get_submodule("net")
    load_strictly(backbone, {name: state.get("features." + name.split(".", 1)[1]) for name in backbone.state_dict()})

    @torch.inference_mode()
    def measure(output: Tensor, truth: Tensor) -> Tensor:
        return network(to_8_bits(output) * 2 - 1, truth * 2 - 1).flatten()

    return measure


def build_lpips() -> nn.Module:
    """Builds LPIPS with its own linear layers; the backbone is random, since the package's own way to it is a download."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls torchvision as one did years ago
            import lpips

            return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    except ImportError as error:
        raise UnavailableError(f"{error}: pip install 'laa[bench]'") from error


def load_identity_similarity(state: StateDict | None = None, *, fetch: bool = False) -> Metric:
    """Loads the cosine similarity of face embeddings by `load_face_embedding`.

    1 is the same person's very same face. Raises UnavailableError.
    """
    embed = load_face_embedding(state, fetch=fetch)
    return lambda output, truth: F.cosine_similarity(embed(output), embed(truth))


def load_face_embedding(state: StateDict | None = None, *, fetch: bool = False) -> Embedding:
    """Loads facenet-pytorch's InceptionResnetV1 (VGGFace2), whose embeddings have length 1. Raises UnavailableError.

    `state`: the network's weights under facenet-pytorch's names, by default those in torch's cache.
    """
    from facenet_pytorch import InceptionResnetV1

    state = state if state is not None else load_cached(VGGFACE2, fetch=fetch)
    network = InceptionResnetV1().eval()
    load_strictly(network, {name: state.get(name) for name in network.state_dict()})

    @torch.inference_mode()
    def embed(faces: Tensor) -> Tensor:
        return network((resize(to_8_bits(faces), FACENET_PX) * 255 - 127.5) / 128)

    return embed


def load_strictly(network: nn.Module, state: dict[str, Tensor | None]) -> None:
    """Loads a state dict in which nothing may be missing. Raises UnavailableError."""
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise UnavailableError(f"torch's cache has other weights than {type(network).__name__} needs: remove them") from error


def load_cached(address: str, *, fetch: bool) -> StateDict:
    """Loads weights from torch's cache; downloads them into it where they are missing and `fetch` allows it."""
    name = address.rsplit("/", 1)[1]
    home = Path(torch.hub.get_dir())
    for path in (home / "checkpoints" / name, home.parent / "checkpoints" / name):  # the second is facenet-pytorch's place
        if path.exists():
            return load_tensors(path)
    if not fetch:
        raise UnavailableError(f"{name} is not in torch's cache: allow the download with --fetch")
    download(address, home / "checkpoints" / name)
    return load_tensors(home / "checkpoints" / name)


def load_tensors(path: Path) -> StateDict:
    """Loads a file of tensors; nothing else in it is ever run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch documents none
        raise UnavailableError(f"{path} cannot be read ({type(error).__name__}): remove it") from error


def download(address: str, path: Path) -> None:
    """Downloads a file whole or not at all, with a timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path))
    except (OSError, RuntimeError) as error:
        raise UnavailableError(f"the download of {address} failed ({error})") from error
    finally:
        socket.setdefaulttimeout(before)
