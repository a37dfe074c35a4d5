"""HPINet's hyperparameters: the authors' sizes, the JSON form, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.hpinet.config import HPINetConfig, sized
from models.hpinet.network import HPINet

# As counted in the authors' networks, x2, x3, x4; below them ours.
PARAMETERS = {
    "S": (405_371, 477_571, 463_131),
    "M": (782_539, 923_939, 895_659),
    "L": (1_287_875, 1_472_515, 1_435_587),
}


@pytest.mark.parametrize("size", PARAMETERS)
def test_the_networks_have_as_many_parameters_as_the_authors(size: str) -> None:
    with torch.device("meta"):
        networks = [HPINet(sized(size, scale)) for scale in (2, 3, 4)]
    assert tuple(sum(parameter.numel() for parameter in network.parameters()) for network in networks) == PARAMETERS[size]


@pytest.mark.parametrize("size", ["S", "M", "L", "T", "U"])
def test_a_configuration_survives_its_json_form(size: str) -> None:
    assert HPINetConfig.from_dict(sized(size, 2).to_dict()) == sized(size, 2)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"scale": 5}, "scale must be one of 2, 3, 4, not 5"),
        ({"scale": True}, "scale must be one of"),
        ({"dim": 0}, "dim must be a whole number from 1 to 1024, not 0"),
        ({"dim": 8.0}, "dim must be a whole number"),
        ({"qk_dim": 41}, "qk_dim must not be above dim, not 41 above 40"),
        ({"patch_sizes": []}, "patch_sizes must be 1 to 64 whole numbers"),
        ({"patch_sizes": [5]}, "patch_sizes must be a whole number from 6 to 64, not 5"),
        ({"patch_sizes": 12}, "patch_sizes must be a list, not 12"),
        ({"tail": "three_step"}, "tail must be one of two_step, one_step, not 'three_step'"),
        ({"heads": 2}, "unknown setting 'heads'"),
    ],
)
def test_impossible_values_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HPINetConfig.from_dict(values)
