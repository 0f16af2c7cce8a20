"""How fast images are prepared: images a second on one core, by format; how little of it is ours; and flat memory.

python benchmarks/prepare.py

Each format is decoded bare (the codec alone, at full size), then as preparation does it (from the file's bytes to the
stored JPEG of short side 512). Times are processor times of one thread; the best of several rounds counts, because the
others had to share the core. The picture is a made-up radiograph of 2,048 x 2,500 pixels, of 8 bits as JPEG and of
12 bits as DICOM. Memory is the peak of a process that prepares N studies, for N and for 10 N.
"""

import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from cxr_clip.data.images import for_store
from cxr_clip.synthetic import synthesize_chestxray14

RESULTS = Path(__file__).parent / "results" / "prepare.json"
HEIGHT, WIDTH, ROUNDS, STUDIES = 2500, 2048, 5, 40

# A process that prepares as many small studies as asked, one at a time, and tells its peak memory in MB.
PEAK = """
import resource, sys
from pathlib import Path
from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.records import PrepareOptions
prepare_chestxray14(Path(sys.argv[1]), Path(sys.argv[2]), PrepareOptions(processes=1, studies_per_shard=20))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def picture() -> np.ndarray:
    """Smooth shapes and grain of 12 bits, as compressible as a radiograph."""
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.uniform(400, 3600, (20, 16)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 24, smooth.shape), 0, 4095).astype(np.uint16)


def dicom(pixels: np.ndarray, frame: bytes | None, syntax: str) -> bytes:
    """A DICOM file of 12 bits: native without a frame."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = pixels.tobytes() if frame is None else encapsulate([frame])
    dataset["PixelData"].VR = "OW" if frame is None else "OB"
    dataset["PixelData"].is_undefined_length = frame is not None
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def formats() -> dict[str, tuple[bytes, Callable[[], object]]]:
    """By name: the file, and the bare decoder of its pixels."""
    deep = picture()
    jpeg = cv2.imencode(".jpg", (deep >> 4).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    extended = imagecodecs.jpeg8_encode(deep, level=95, bitspersample=12)
    lossless = imagecodecs.jpeg8_encode(deep, lossless=True, bitspersample=12)
    jpegls = imagecodecs.jpegls_encode(deep)
    j2k = imagecodecs.jpeg2k_encode(deep, codecformat="J2K", reversible=True, level=0, bitspersample=12)
    native = deep.tobytes()
    return {
        "jpeg": (jpeg, lambda: imagecodecs.jpeg8_decode(jpeg)),
        "dicom: uncompressed": (
            dicom(deep, None, uid.ExplicitVRLittleEndian),
            lambda: np.frombuffer(native, "<u2").reshape(deep.shape).copy(),
        ),
        "dicom: JPEG extended": (
            dicom(deep, extended, uid.JPEGExtended12Bit),
            lambda: imagecodecs.jpeg8_decode(extended),
        ),
        "dicom: JPEG lossless": (
            dicom(deep, lossless, uid.JPEGLosslessSV1),
            lambda: imagecodecs.jpeg8_decode(lossless),
        ),
        "dicom: JPEG-LS lossless": (
            dicom(deep, jpegls, uid.JPEGLSLossless),
            lambda: imagecodecs.jpegls_decode(jpegls),
        ),
        "dicom: JPEG 2000 lossless": (
            dicom(deep, j2k, uid.JPEG2000Lossless),
            lambda: imagecodecs.jpeg2k_decode(j2k),
        ),
    }


def seconds(action: Callable[[], object]) -> float:
    """The processor time of one call, the best of several."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        action()
        found.append(time.process_time() - start)
    return min(found)


def rates() -> dict[str, dict[str, float]]:
    """Images a second; the bare decoder's time as a share of all (above 1 where a reduced size is decoded)."""
    told = {}
    for name, (data, bare) in formats().items():
        prepared, decoded = seconds(lambda data=data: for_store(data, short_side=512)), seconds(bare)
        told[name] = {
            "megabytes": round(len(data) / 1e6, 2),
            "images_a_second": round(1 / prepared, 1),
            "bare_decodes_a_second": round(1 / decoded, 1),
            "bare_decode_share": round(decoded / prepared, 2),
        }
    return told


def peak_memory() -> dict[str, float]:
    """The peak of preparing N and 10 N studies, in MB."""
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        for studies in (STUDIES, 10 * STUDIES):
            raw, out = Path(folder) / f"raw-{studies}", Path(folder) / f"out-{studies}"
            synthesize_chestxray14(raw, studies=studies, seed=0, image_size=256)
            done = subprocess.run(
                [sys.executable, "-c", PEAK, str(raw), str(out)], check=True, capture_output=True, text=True
            )
            told[f"{studies}_studies"] = round(float(done.stdout), 1)
    return told


def main() -> None:
    cv2.setNumThreads(1)
    told = {
        "pixels": f"{HEIGHT} x {WIDTH}",
        "short_side": 512,
        "one_core": rates(),
        "peak_memory_mb": peak_memory(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
