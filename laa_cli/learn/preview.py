"""A picture of what the network makes of a few validation faces, always the same ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from models.protocol import network_input, reduce

from .png import to_png

FACES = 8
LABELS = ("16 px, enlarged", "restored", "truth")
LABEL_PX = 16


@torch.inference_mode()
def draw_preview(network: Callable[[Tensor], Tensor], faces: Tensor, device: torch.device) -> bytes:
    """A PNG with three rows: the reduced faces enlarged, the network's, the truth. `faces`: (n, 3, 128, 128) uint8 RGB."""
    chosen = torch.arange(min(FACES, len(faces))) * len(faces) // min(FACES, len(faces))
    truth = faces[chosen].float().div(255)
    enlarged = network_input(reduce(truth))
    restored = network(enlarged.to(device)).float().cpu()
    side = truth.shape[-1]
    sheet = Image.new("RGB", (side * len(chosen), (side + LABEL_PX) * len(LABELS)), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for number, (label, row) in enumerate(zip(LABELS, (enlarged, restored, truth), strict=True)):
        top = number * (side + LABEL_PX)
        draw.text((4, top + 1), label, (50, 50, 50), ImageFont.load_default(11))
        pixels = row.clamp(0, 1).mul(255).round().byte().permute(2, 0, 3, 1).flatten(1, 2)
        sheet.paste(Image.fromarray(pixels.contiguous().numpy()), (0, top + LABEL_PX))
    return to_png(sheet)
