"""One tower as one ONNX file, and the same file computed by ONNX Runtime."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cxr_clip.errors import ExportError, MissingPackageError

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
OUTPUT = "embeddings"
# An ONNX file may have 2 GiB; weights from here on lie in a second one, so that there is room for all else.
LARGEST = 1_900_000_000


def require_packages() -> None:
    """Raise MissingPackageError where something of the extra `export` is absent."""
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if absent:
        raise MissingPackageError(f"an export to ONNX needs {', '.join(absent)}: pip install 'cxr-clip[export]'")


def write_tower(
    tower: nn.Module, path: Path, *, examples: Sequence[Tensor], inputs: Sequence[str], axes: Sequence[str]
) -> None:
    """Write a tower with the named inputs; their first dimensions are dynamic and called `axes`.

    The weights of a large tower lie beside it, in `data_file(path)`.

    Raises ExportError where the tower does something that ONNX has no words for.
    """
    free = {number: torch.export.Dim(name) for number, name in enumerate(axes)}
    try:
        with _quiet():
            torch.onnx.export(
                tower.eval(),
                tuple(examples),
                path,
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_shapes=tuple(free for _ in inputs),
                dynamo=True,
                external_data=_weight_bytes(tower) > LARGEST,
                verbose=False,
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"{path.name} cannot be written, as torch's exporter fails on this backbone: {reason}"
        ) from error


def data_file(path: Path) -> Path:
    """Where the weights of an ONNX file are if they are not in it."""
    return path.with_name(f"{path.name}.data")


class OnnxTower:
    """An ONNX file, ready to compute on the CPU."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = [one.name for one in self._session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The output for the inputs, which come in the order of the file."""
        given = {name: values.numpy() for name, values in zip(self._inputs, inputs, strict=True)}
        (output,) = self._session.run([OUTPUT], given)
        return torch.from_numpy(output)


def _weight_bytes(tower: nn.Module) -> int:
    return sum(weight.nbytes for weight in (*tower.parameters(), *tower.buffers()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of itself: parts of torch that are absent or will go."""
    # Down to debug messages: torch writes many while it follows a model, where somebody listens to them.
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
