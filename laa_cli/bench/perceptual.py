"""Metrics that need a network of their own: LPIPS and the similarity of identities. Their weights come from torch's cache."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.protocol import resize, to_8_bits

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
