"""The face network in OpenVINO, compiled for one face, and kept compiled in the user's cache folder."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.laa.network import LAATransformer
from models.tensor_file import digest

from .. import __version__
from ..utils.compile_cache import CompileCache
from ..utils.precision import BFLOAT16
from .runtime import OPENVINO, Runtime

HINTS = {BFLOAT16: "bf16"}  # of INFERENCE_PRECISION_HINT; float32 otherwise


class OpenVINONetwork:
    """A compiled network: (n, 3, s, s) float32 on the CPU -> the same, a face at a time. Threads may share it."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.local = threading.local()  # a request each, which holds the feature maps

    @classmethod
    def build(cls, network: LAATransformer, runtime: Runtime, cache: CompileCache | None = None) -> OpenVINONetwork:
        """Compiles a network, in evaluation mode, for a runtime; what an earlier run compiled takes a twelfth of the time."""
        import openvino

        core, device = openvino.Core(), runtime.openvino
        settings = compile_settings(runtime)
        cache = cache or CompileCache.of_user(OPENVINO)
        weights = digest(network.state_dict(), {"config": repr(network.config)})
        versions = [__version__, torch.__version__, openvino.__version__]
        key = [weights, *versions, str(device), str(core.get_property(device, "FULL_DEVICE_NAME")), repr(settings)]
        compiled = cache.load(key, lambda content: core.import_model(content, device, settings))
        if compiled is None:
            compiled = core.compile_model(convert(network), device, settings)
            cache.store(key, lambda: exported(compiled))
        return cls(compiled)

    def __call__(self, inputs: Tensor) -> Tensor:
        return torch.cat([self.infer(face) for face in inputs.split(1)])

    def infer(self, face: Tensor) -> Tensor:
        """Computes one face, (1, 3, s, s)."""
        if not hasattr(self.local, "request"):
            self.local.request = self.compiled.create_infer_request()
        result = self.local.request.infer({0: face.contiguous().numpy()}, share_inputs=True)
        return torch.from_numpy(np.array(result[0]))


def compile_settings(runtime: Runtime) -> dict[str, Any]:
    """Returns OpenVINO's settings: a face at a time in all of torch's threads."""
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": HINTS.get(runtime.precision, "f32"),
        "PERFORMANCE_HINT": "LATENCY",
    }
    return settings | ({"INFERENCE_NUM_THREADS": torch.get_num_threads()} if runtime.openvino == "CPU" else {})


def convert(network: LAATransformer) -> Any:
    """Converts a network for one face, by a trace: its shapes and its way do not depend on the face."""
    import openvino

    side = network.config.image_size
    example = torch.zeros(1, 3, side, side)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing, which torch means to replace, and OpenVINO asks for
        traced = torch.jit.trace(network, example, check_trace=False)
        return openvino.convert_model(traced, input=[([1, 3, side, side])])


def exported(compiled: Any) -> bytes:
    """Returns a compiled network as bytes; OpenVINO's versions return those or a stream."""
    content = compiled.export_model()
    return content if isinstance(content, bytes) else bytes(content.getvalue() if hasattr(content, "getvalue") else content)
