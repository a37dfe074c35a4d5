"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path

import torch

from laa_cli.learn.world import Distributed
from models.config import LAAConfig

TINY = LAAConfig(base_channels=2, blocks=1, mlp_ratio=1)
CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent
ALONE = Distributed()
