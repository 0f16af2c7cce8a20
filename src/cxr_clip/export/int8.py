"""ONNX towers in 8-bit integers: scales of pictures are calibrated once, those of texts are chosen for each text."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import UInt8

from cxr_clip.errors import ExportError
from cxr_clip.export.onnx_file import data_file


def quantise_image_tower(whole: Path, out: Path, squares: Sequence[UInt8[np.ndarray, "size size"]]) -> None:
    """Write an image tower whose weights are signed and whose activations are unsigned bytes (QDQ).

    The range of each activation is that of `squares`; each output channel of a weight has a scale of its own.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    _refuse_external(whole)
    with TemporaryDirectory() as place, _quiet():
        prepared = Path(place) / whole.name
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            out,
            _reader(squares),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def quantise_text_tower(whole: Path, out: Path) -> None:
    """Write a text tower with weights of signed bytes, whose activations are scaled when they are there."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    _refuse_external(whole)
    with _quiet():
        quantize_dynamic(whole, out, per_channel=True, weight_type=QuantType.QInt8)


def _refuse_external(whole: Path) -> None:
    if data_file(whole).is_file():
        raise ExportError(
            f"{whole.name} has its weights in a second file, which cannot be made 8 bits: leave out --int8"
        )


def _reader(squares: Sequence[UInt8[np.ndarray, "size size"]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Hands out one picture after the other."""

        def __init__(self) -> None:
            self._left: Iterator[UInt8[np.ndarray, "size size"]] = iter(squares)

        def get_next(self) -> dict[str, np.ndarray] | None:
            square = next(self._left, None)
            return None if square is None else {"pixels": square[None, None]}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence advice on preprocessing, which was done."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
