"""How fast images are prepared: images a second on one core, by format; how little of it is ours; and flat memory.

python benchmarks/prepare.py

Each format is decoded bare (the codec alone, at full size), then as preparation does it (from the file's bytes to the
stored JPEG of short side 512). Times are processor times of one thread; the best of several rounds counts, because the
others had to share the core. The picture is a made-up radiograph of 2,048 x 2,500 pixels, of 8 bits as JPEG, PNG and
DICOM with JPEG baseline, of 12 bits as other DICOM. Memory is the peak of a process that prepares N studies, for N and
for 10 N. Where the real DICOM files of --dicom are there, the bytes that their stored pictures take are measured too.
"""

import argparse
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
from pydicom.pixels.encoders import RLELosslessEncoder

from cxr_clip.data.images import for_store
from cxr_clip.errors import CxrClipError
from cxr_clip.synthetic import synthesize_chestxray14

RESULTS = Path(__file__).parent / "results" / "prepare.json"
DICOM = Path(__file__).parents[2] / "shared" / "data" / "dicom"
HEIGHT, WIDTH, ROUNDS, STUDIES, SHORT_SIDE = 2500, 2048, 15, 40, 512

RLE = {
    "rows": HEIGHT, "columns": WIDTH, "samples_per_pixel": 1, "bits_allocated": 16, "bits_stored": 12,
    "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2", "number_of_frames": 1,
}  # fmt: skip

# A process that prepares as many small studies as asked, one at a time, and tells its peak memory in MB.
PEAK = """
import sys
from pathlib import Path
from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.records import PrepareOptions
prepare_chestxray14(Path(sys.argv[1]), Path(sys.argv[2]), PrepareOptions(processes=1, studies_per_shard=20))
status = Path("/proc/self/status").read_text()  # not ru_maxrss, which begins with the memory of the parent
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def picture() -> np.ndarray:
    """Smooth shapes and grain of 12 bits, as compressible as a radiograph."""
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.uniform(400, 3600, (20, 16)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 24, smooth.shape), 0, 4095).astype(np.uint16)


def dicom(pixels: np.ndarray, frame: bytes | None, syntax: str) -> bytes:
    """A DICOM file of 12 bits, or of the 8 of the pixels: native without a frame."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 8 if pixels.dtype == np.uint8 else 12
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * pixels.itemsize, bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 1 << bits - 1, 1 << bits
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
    flat = (deep >> 4).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    png = cv2.imencode(".png", flat)[1].tobytes()
    runs = RLELosslessEncoder.encode(deep, **RLE)
    extended = imagecodecs.jpeg8_encode(deep, level=95, bitspersample=12)
    lossless = imagecodecs.jpeg8_encode(deep, lossless=True, bitspersample=12)
    jpegls = imagecodecs.jpegls_encode(deep)
    j2k = imagecodecs.jpeg2k_encode(deep, codecformat="J2K", reversible=True, level=0, bitspersample=12)
    htj2k = imagecodecs.htj2k_encode(deep)
    native = deep.tobytes()
    return {
        "jpeg": (jpeg, lambda: imagecodecs.jpeg8_decode(jpeg)),
        "png": (png, lambda: imagecodecs.png_decode(png)),
        "dicom: uncompressed": (
            dicom(deep, None, uid.ExplicitVRLittleEndian),
            lambda: np.frombuffer(native, "<u2").reshape(deep.shape).copy(),
        ),
        "dicom: RLE": (
            dicom(deep, runs, uid.RLELossless),
            lambda: imagecodecs.dicomrle_decode(runs, "<u2"),
        ),
        "dicom: JPEG baseline": (
            dicom(flat, jpeg, uid.JPEGBaseline8Bit),
            lambda: imagecodecs.jpeg8_decode(jpeg),
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
        "dicom: HTJ2K lossless": (
            dicom(deep, htj2k, uid.HTJ2KLossless),
            lambda: imagecodecs.htj2k_decode(htj2k),
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
        prepared, decoded = seconds(lambda data=data: for_store(data, short_side=SHORT_SIDE)), seconds(bare)
        told[name] = {
            "megabytes": round(len(data) / 1e6, 2),
            "images_a_second": round(1 / prepared, 1),
            "bare_decodes_a_second": round(1 / decoded, 1),
            "bare_decode_share": round(decoded / prepared, 2),
        }
    return told


def stored_bytes(folder: Path) -> dict[str, int] | None:
    """What the real DICOM pictures that are large enough take once stored; None where there are none."""
    found = []
    for file in sorted(folder.glob("*.dcm")):
        try:
            stored = for_store(file.read_bytes(), short_side=SHORT_SIDE)
        except CxrClipError:
            continue
        if min(stored.height, stored.width) == SHORT_SIDE:
            found.append(len(stored.data))
    if not found:
        return None
    return {"pictures": len(found), "mean": round(sum(found) / len(found)), "least": min(found), "most": max(found)}


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dicom", type=Path, default=DICOM, help="a folder of real DICOM files")
    folder = parser.parse_args().dicom
    cv2.setNumThreads(1)
    before = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    told = {
        "pixels": f"{HEIGHT} x {WIDTH}",
        "short_side": SHORT_SIDE,
        "one_core": rates(),
        "stored_bytes_of_real_pictures": stored_bytes(folder) or before.get("stored_bytes_of_real_pictures"),
        "peak_memory_mb": peak_memory(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
