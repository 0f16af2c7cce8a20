"""One tower as OpenVINO's own file, and the same file computed by OpenVINO on the CPU."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from cxr_clip.errors import MissingPackageError
from cxr_clip.export.onnx_file import require_packages as require_onnx

PACKAGES = ("openvino",)
_TELEMETRY = "openvino_telemetry"
# What products are computed in. OpenVINO takes bfloat16 by itself where a CPU has it.
Hint = Literal["f32", "bf16"]


def require_packages() -> None:
    """Raise MissingPackageError where something of the extras `export` and `openvino` is absent."""
    require_onnx()
    if find_spec("openvino") is None:
        raise MissingPackageError("an export to OpenVINO needs openvino: pip install 'cxr-clip[export,openvino]'")


def convert(onnx: Path, out: Path) -> None:
    """Write an ONNX file as `out` (.xml) and the weights beside it (.bin), in single precision."""
    openvino = _package()
    openvino.save_model(openvino.convert_model(onnx), out, compress_to_fp16=False)


def new_core() -> Any:
    """What files are opened with: one for all that are open together.

    A core puts a stack for signals in the place of the one before it, and that one back at its end. Of two that do not
    end in reverse order, the process is left a stack that is gone: the next signal, as of a child's end, kills it.
    """
    return _package().Core()


class OpenVinoTower:
    """An OpenVINO file, ready to compute on the CPU."""

    def __init__(self, core: Any, path: Path, *, hint: Hint = "f32", threads: int | None = None) -> None:
        options: dict[str, object] = {"INFERENCE_PRECISION_HINT": hint}
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        self._model: Any = core.compile_model(path, "CPU", options)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The output for the inputs, which come in the order of the file."""
        (output,) = self._model([values.numpy() for values in inputs]).values()
        return torch.from_numpy(output.copy())


def computes_bf16() -> bool:
    """Whether this CPU has products of bfloat16."""
    return "BF16" in new_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _package() -> Any:
    """OpenVINO, which tells Intel of its use where openvino_telemetry can be imported: here that cannot be."""
    sys.modules.setdefault(_TELEMETRY, None)  # type: ignore[arg-type]
    try:
        import openvino
    finally:
        if sys.modules[_TELEMETRY] is None:
            del sys.modules[_TELEMETRY]
    return openvino
