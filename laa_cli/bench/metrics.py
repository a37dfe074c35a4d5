"""What is measured of a restored face, and what of it can be measured here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models.protocol import psnr_db, reduce, ssim, to_8_bits

from .perceptual import Metric, UnavailableError, identity, lpips_alex


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
