"""What the paper reports (Li et al., IJCAI 2023, Table 1), from its own faces and training: its gains can be compared."""

from __future__ import annotations

PUBLISHED: dict[str, dict[str, dict[str, float]]] = {
    "CelebA": {
        "Bicubic": {"psnr_db": 24.10, "ssim": 0.6605, "lpips": 0.5267},
        "SwinIR": {"psnr_db": 28.27, "ssim": 0.8192, "lpips": 0.1808},
        "LAA-Transformer": {"psnr_db": 28.58, "ssim": 0.8297, "lpips": 0.1542},
    },
    "Helen": {
        "Bicubic": {"psnr_db": 24.25, "ssim": 0.6798, "lpips": 0.5236},
        "SwinIR": {"psnr_db": 28.04, "ssim": 0.8219, "lpips": 0.1905},
        "LAA-Transformer": {"psnr_db": 28.36, "ssim": 0.8318, "lpips": 0.1626},
    },
}
