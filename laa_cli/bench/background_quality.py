"""Quality of background upscalers on pictures of known truth: their figures by picture, under each degradation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from models.metrics import psnr_db, ssim

from ..console import Screen
from ..photo.pixels import gray_to_color
from .background_data import BenchPicture
from .background_methods import Enlarge, PictureMethod
from .degradation import DEGRADATIONS, Levels, to_tensor
from .evaluate import MeanInterval, bootstrap_mean
from .perceptual import Metric, MetricColumn, available_metrics, load_column, load_lpips

BELOW = 1e-6  # a mean that is worse than bicubic's by more is below it


@dataclass
class PictureRow:
    """A method's figures: {fault: {metric: (n,)}}, by picture."""

    method: PictureMethod
    figures: dict[str, dict[str, Tensor]]

    def mean(self, fault: str, key: str) -> MeanInterval:
        """Computes the mean of a metric under a degradation."""
        return bootstrap_mean(self.figures[fault][key])

    def gain(self, fault: str, key: str, over: PictureRow) -> MeanInterval:
        """Computes the mean gain of a metric over another method's, paired by picture."""
        return bootstrap_mean(self.figures[fault][key] - over.figures[fault][key])

    def is_below(self, fault: str, column: MetricColumn, over: PictureRow) -> bool:
        """Whether the mean of a metric is worse than another method's."""
        gain = self.gain(fault, column.key, over).mean
        return (gain if column.lower_is_better else -gain) > BELOW


def picture_columns(scale: int, *, fetch: bool = False) -> list[MetricColumn]:
    """Returns the metrics of whole pictures: the field's PSNR and SSIM, with `scale` px shaved off each side, and LPIPS.

    `fetch`: whether weights that are missing may be downloaded.
    """
    lpips = MetricColumn("lpips", "LPIPS", 4, None, gains=True, lower_is_better=True)
    return [
        MetricColumn("psnr_db", "PSNR", 2, shaved(partial(psnr_db, rounded_luma=True), scale), gains=True),
        MetricColumn("ssim", "SSIM", 4, shaved(partial(ssim, rounded_luma=True), scale), gains=True),
        load_column(lpips, lambda: load_lpips(fetch=fetch)),
    ]


def shaved(metric: Metric, border_px: int) -> Metric:
    """Returns a metric of pictures without their borders."""
    inner = slice(border_px, -border_px)
    return lambda output, truth: metric(output[..., inner, inner], truth[..., inner, inner])


def measure_fault(
    enlargers: list[Enlarge],
    pictures: list[BenchPicture],
    fault: str,
    columns: list[MetricColumn],
    screen: Screen,
) -> list[dict[str, Tensor]]:
    """Measures every method on all pictures under a degradation: for each {metric: (n,)}."""
    metrics = available_metrics(columns)
    values: list[dict[str, list[Tensor]]] = [{key: [] for key, _ in metrics} for _ in enlargers]
    for picture in screen.track(pictures, fault):
        truth = picture.truth()
        lr = picture.degrade(truth, DEGRADATIONS[fault])
        for enlarge, row in zip(enlargers, values, strict=True):
            output = enlarge(lr)
            for key, metric in metrics:
                row[key].append(compare(metric, output, truth))
    return [{key: torch.cat(parts) for key, parts in row.items()} for row in values]


@torch.inference_mode()
def compare(metric: Metric, output: Levels, truth: Levels) -> Tensor:
    """Computes a metric of two pictures (h, w, 1 or 3) uint8, (1,); grey counts as RGB of equal channels."""
    return metric(to_tensor(gray_to_color(output)), to_tensor(gray_to_color(truth)))
