"""Metrics that need a network of their own: LPIPS and the similarity of identities. Their weights come from torch's cache."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.metrics import psnr_db, ssim
from models.protocol import reduce, resize, to_8_bits

Metric = Callable[[Tensor, Tensor], Tensor]  # output and truth, (n, 3, 128, 128) RGB in [0, 1] -> (n,)
State = dict[str, Tensor]

ALEXNET = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
VGGFACE2 = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt"
PATIENCE_S = 20  # for a server that says nothing
FACENET_PX = 160


class UnavailableError(Exception):
    """Why a metric cannot be measured here, as its column says it."""


def lpips_alex(state: State | None = None, *, fetch: bool = False) -> Metric:
    """LPIPS version 0.1 on AlexNet, by the `lpips` package: a distance, less is better. Raises UnavailableError.

    `state`: AlexNet's weights under torchvision's names, by default those in torch's cache.
    """
    network = untrained_lpips()
    state = state if state is not None else load_cached(ALEXNET, fetch=fetch)
    backbone = network.get_submodule("net")
    fill(backbone, {name: state.get("features." + name.split(".", 1)[1]) for name in backbone.state_dict()})

    @torch.inference_mode()
    def measure(output: Tensor, truth: Tensor) -> Tensor:
        return network(to_8_bits(output) * 2 - 1, truth * 2 - 1).flatten()

    return measure


def untrained_lpips() -> nn.Module:
    """Its linear layers come with the package; its backbone is random, since its own way to the weights is a download."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls torchvision as one did years ago
            import lpips

            return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    except ImportError as error:
        raise UnavailableError(f"{error}: pip install 'laa[bench]'") from error


def identity(state: State | None = None, *, fetch: bool = False) -> Metric:
    """Cosine of the angle between the embeddings of output and truth by facenet-pytorch's InceptionResnetV1 (VGGFace2);
    1 is the same person's very same face. Raises UnavailableError.

    `state`: the network's weights under facenet-pytorch's names, by default those in torch's cache.
    """
    from facenet_pytorch import InceptionResnetV1

    state = state if state is not None else load_cached(VGGFACE2, fetch=fetch)
    network = InceptionResnetV1().eval()
    fill(network, {name: state.get(name) for name in network.state_dict()})

    @torch.inference_mode()
    def measure(output: Tensor, truth: Tensor) -> Tensor:
        pair = (resize(to_8_bits(faces), FACENET_PX) * 255 for faces in (output, truth))
        return F.cosine_similarity(*(network((faces - 127.5) / 128) for faces in pair))

    return measure


def fill(network: nn.Module, state: dict[str, Tensor | None]) -> None:
    """Loads weights, all of which must be there."""
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise UnavailableError(f"torch's cache has other weights than {type(network).__name__} needs: remove them") from error


def load_cached(address: str, *, fetch: bool) -> State:
    """Weights from torch's cache; downloaded into it where they are missing and `fetch` allows it."""
    name = address.rsplit("/", 1)[1]
    home = Path(torch.hub.get_dir())
    for path in (home / "checkpoints" / name, home.parent / "checkpoints" / name):  # the second is facenet-pytorch's place
        if path.exists():
            return load_tensors(path)
    if not fetch:
        raise UnavailableError(f"{name} is not in torch's cache: allow the download with --fetch")
    download(address, home / "checkpoints" / name)
    return load_tensors(home / "checkpoints" / name)


def load_tensors(path: Path) -> State:
    """A file of tensors; nothing else in it is ever run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch documents none
        raise UnavailableError(f"{path} cannot be read ({type(error).__name__}): remove it") from error


def download(address: str, path: Path) -> None:
    """Fetches a file whole or not at all, and does not wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_S)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path))
    except (OSError, RuntimeError) as error:
        raise UnavailableError(f"the download of {address} failed ({error})") from error
    finally:
        socket.setdefaulttimeout(before)


# What is measured of a restored face, and what of it can be measured here.


@dataclass(frozen=True)
class Column:
    """A metric under its name in records (`key`) and in tables (`title`), or the reason why it cannot be measured."""

    key: str
    title: str
    digits: int
    measure: Metric | None
    gains: bool = False  # whether tables show the gain over bicubic
    why: str = ""


def consistency(output: Tensor, truth: Tensor) -> Tensor:
    """RMSE between the 16x16 of output and of truth, 0..1: how true a face is to the pixels it came from."""
    return (reduce(to_8_bits(output)) - reduce(truth)).square().mean((1, 2, 3)).sqrt()


def columns(*, fetch: bool = False) -> list[Column]:
    """All metrics. `fetch`: whether weights that are missing may be downloaded."""
    return [
        Column("psnr_db", "PSNR", 2, psnr_db, gains=True),
        Column("ssim", "SSIM", 4, ssim, gains=True),
        tried(Column("lpips", "LPIPS", 4, None, gains=True), lambda: lpips_alex(fetch=fetch)),
        tried(Column("identity", "identity", 3, None), lambda: identity(fetch=fetch)),
        Column("consistency", "RMSE, 16 px", 4, consistency),
    ]


def tried(column: Column, make: Callable[[], Metric]) -> Column:
    """The column with its metric, or with the reason why there is none."""
    try:
        return Column(column.key, column.title, column.digits, make(), column.gains)
    except UnavailableError as error:
        return Column(column.key, column.title, column.digits, None, column.gains, str(error))


def available(table: list[Column]) -> list[tuple[str, Metric]]:
    """Key and metric of the columns that can be measured."""
    return [(column.key, column.measure) for column in table if column.measure is not None]
