"""What a machine can do, and what a network asks of it."""

from __future__ import annotations

import platform
from dataclasses import replace

import torch

from laa_cli.utils.hardware import keep_freed_memory, matrix_rate, training_flops_per_face
from models.laa.config import LAAConfig


def test_the_work_of_a_face_is_counted() -> None:
    config = LAAConfig(base_channels=2, blocks=1, mlp_ratio=1)
    more = training_flops_per_face(replace(config, mlp_ratio=2)) - training_flops_per_face(config)
    places = [(stage.channels, stage.size) for stage in (*config.extraction, config.transformation, *config.recovery)]
    assert more == 3 * sum(2 * 2 * channels**2 * size**2 for channels, size in places)  # forward and twice that back


def test_the_matrix_rate_is_that_of_the_fastest_product() -> None:
    ticks = iter([0.0, 9.0, 10.0, 14.0, 20.0, 22.0, 30.0, 34.0, 40.0, 44.0, 50.0, 54.0])  # the first is a warm-up
    assert matrix_rate(torch.device("cpu"), 8, lambda: next(ticks)) == 2 * 8**3 / 2.0


def test_memory_is_kept_where_glibc_is() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
