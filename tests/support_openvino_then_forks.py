"""An export to OpenVINO, and then what a program that lives on may do: load in forked processes, and see them end."""

import os
import shutil
import signal
import sys
import warnings
from pathlib import Path

from torch.utils.data import DataLoader, Dataset

from cxr_clip.checkpoint import Run
from cxr_clip.embed import load
from cxr_clip.export import write_openvino


class Texts(Dataset[float]):
    """Embeds a text in the process that asks."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def __len__(self) -> int:
        return 2

    def __getitem__(self, row: int) -> float:
        return float(load(self.run, device="cpu").embed_texts([f"Text {row}."]).norm())


def main(run: Path, onnx: Path, out: Path) -> None:
    def copy_towers(_run: Run, unfinished: Path) -> None:
        for file in onnx.glob("*.onnx"):
            shutil.copy(file, unfinished)

    write_openvino.write_towers = copy_towers
    write_openvino.export_openvino(run, out)
    warnings.filterwarnings("ignore", "This process", DeprecationWarning)  # Python 3.12 warns of any fork
    signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    loader = DataLoader(Texts(run), num_workers=2, batch_size=None, multiprocessing_context="fork")
    assert [round(float(length), 4) for length in loader] == [1, 1]
    assert "openvino" in sys.modules
    assert not list(Path.home().iterdir()), "OpenVINO keeps a number for what it tells of its use"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
