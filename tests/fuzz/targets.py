"""What is fed with spoiled bytes, and the whole files that are spoiled."""

import gzip
import importlib
import io
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import uid
from pydicom.pixels.encoders import RLELosslessEncoder

import cxr_clip.synthetic
from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.images import decode_image, for_store
from cxr_clip.data.manifest import FILE_NAME, read_manifest
from cxr_clip.errors import CxrClipError, ManifestError
from cxr_clip.prepare.chexpert_plus import prepare_chexpert_plus
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.prepare.table import prepare_table
from cxr_clip.prepare.table_file import is_table
from fuzz.checkpoints import of_checkpoints
from fuzz.mutations import mutated
from fuzz.own_tables import write_own_tables
from support_dicom import RAMP, compressed, dataset_of, dicom, lookup, without_meta, written

# A target runs one spoiled input; it raises whatever the project raises, and CxrClipError is right.
Target = Callable[[random.Random], None]
IMAGES = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "bmp": "BMP", "jp2": "JPEG2000", "gif": "GIF", "webp": "WEBP"}
TEXTS = (".csv", ".txt", ".xml", ".gz", ".zip")


def dicom_seeds() -> list[bytes]:
    """The ramp in every transfer syntax, with every kind of display value."""
    frames = {
        uid.JPEGLosslessSV1: imagecodecs.ljpeg_encode(RAMP, bitspersample=12),
        uid.JPEGExtended12Bit: imagecodecs.jpeg8_encode(RAMP, level=95, bitspersample=12),
        uid.JPEGLSLossless: imagecodecs.jpegls_encode(RAMP),
        uid.JPEG2000Lossless: imagecodecs.jpeg2k_encode(RAMP, codecformat="J2K", reversible=True, level=0),
        uid.HTJ2K: imagecodecs.htj2k_encode(RAMP),
        uid.RLELossless: RLELosslessEncoder.encode(RAMP, **_RLE),
    }
    tables = dicom(VOILUTSequence=[lookup(list(range(4096)))], ModalityLUTSequence=[lookup([5] * 99, first=-50)])
    window = dicom(
        WindowCenter=[900, 5], WindowWidth=[600, 1], RescaleSlope=2, RescaleIntercept=-9, PixelPaddingValue=0
    )
    colours = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    syntaxes = (uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian)
    return [
        tables,
        window,
        dicom(RAMP.astype(np.int16) - 2048, VOILUTFunction="SIGMOID", WindowCenter=0, WindowWidth=99),
        dicom(colours, bits=8, photometric="RGB"),
        without_meta(dataset_of()),
        *(written(dataset_of(), syntax) for syntax in syntaxes),
        *(compressed(frame, syntax) for syntax, frame in frames.items()),
    ]


_RLE = {
    "rows": 32, "columns": 64, "samples_per_pixel": 1, "bits_allocated": 16, "bits_stored": 12,
    "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2", "number_of_frames": 1,
}  # fmt: skip


def image_seeds() -> list[bytes]:
    """A small picture in every format and mode that Pillow writes."""
    grey = Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 32), dtype=np.uint8))
    deep = Image.fromarray(np.arange(768, dtype=np.uint16).reshape(24, 32) * 80)
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = [_saved(grey.convert(mode), "PNG") for mode in ("L", "RGB", "RGBA", "P", "1")]
    seeds += [_saved(grey.convert(mode), "JPEG", exif=exif, progressive=mode == "L") for mode in ("L", "RGB", "CMYK")]
    seeds += [_saved(grey, kind) for kind in IMAGES.values()]
    return [*seeds, _saved(deep, "PNG"), _saved(deep, "TIFF", compression="tiff_lzw")]


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def of_images(seeds: list[bytes]) -> Target:
    """Decode a spoiled file in one of the ways in which it may be asked for."""

    def run(rng: random.Random) -> None:
        data = mutated(seeds, rng)
        windowing = rng.choice(list(Windowing))
        if rng.random() < 0.5:
            picture = decode_image(data, short_side=rng.choice((None, 8, 16)), windowing=windowing)
            assert picture.dtype == np.uint8
            assert picture.ndim == 2
        else:
            stored = for_store(data, short_side=16, windowing=windowing)
            assert min(stored.height, stored.width) <= 16

    return run


def of_source(name: str, folder: Path) -> Target:
    """Prepare a miniature one of whose files is spoiled; what was prepared must be readable."""
    raw, out = folder / name / "raw", folder / name / "out"
    if not raw.is_dir():
        synthesize = getattr(cxr_clip.synthetic, f"synthesize_{name}")
        synthesize(raw, studies=4, seed=1, image_size=64)
    prepare = getattr(importlib.import_module(f"cxr_clip.prepare.{name}"), f"prepare_{name}")
    files = sorted(path for path in raw.rglob("*") if path.is_file() and path.name not in ("world.json", "truth.jsonl"))
    texts = [path for path in files if path.suffix in TEXTS]
    options = PrepareOptions(short_side=32, processes=1)

    def run(rng: random.Random) -> None:
        file = rng.choice(texts if texts and rng.random() < 0.8 else files)
        prepare_spoiled(file, out, lambda: prepare(raw, out, options), rng)

    return run


def prepare_spoiled(file: Path, out: Path, prepare: Callable[[], object], rng: random.Random) -> None:
    """Prepare while one file is spoiled; what was prepared must be readable."""
    whole = file.read_bytes()
    shutil.rmtree(out, ignore_errors=True)
    file.write_bytes(_spoiled(file, whole, rng))
    try:
        prepare()
    finally:
        file.write_bytes(whole)
    try:
        read_manifest(out / FILE_NAME)
    except ManifestError as error:
        raise AssertionError(f"what was prepared cannot be read: {error}") from error


def of_own_tables(folder: Path) -> Target:
    """Prepare a table of one's own that is spoiled, or its column map is: of each format, of each kind of columns."""
    raw, out = folder / "own_tables" / "raw", folder / "own_tables" / "out"
    if not raw.is_dir():
        write_own_tables(raw)
    options = PrepareOptions(short_side=32, processes=1)
    tables = sorted(path for path in raw.iterdir() if is_table(path.name))
    columns = raw / "columns.yaml"

    def run(rng: random.Random) -> None:
        table = rng.choice(tables)
        mapped = columns if table.name.startswith("mapped") else None
        file = mapped if mapped is not None and rng.random() < 0.3 else table
        prepare_spoiled(file, out, lambda: prepare_table(raw, out, options, table=table, columns=mapped), rng)

    return run


def of_label_lines(folder: Path) -> Target:
    """Prepare CheXpert Plus whose labels, a JSON object a line, are spoiled."""
    raw, out = folder / "label_lines" / "raw", folder / "label_lines" / "out"
    if not raw.is_dir():
        cxr_clip.synthetic.synthesize_chexpert_plus(raw, studies=4, seed=1, image_size=64)
    options, labels = PrepareOptions(short_side=32, processes=1), raw / "chexbert_labels" / "impression_fixed.json"

    def run(rng: random.Random) -> None:
        prepare_spoiled(labels, out, lambda: prepare_chexpert_plus(raw, out, options, labels=labels), rng)

    return run


def _spoiled(file: Path, whole: bytes, rng: random.Random) -> bytes:
    if file.suffix == ".gz" and rng.random() < 0.7:
        return gzip.compress(mutated([gzip.decompress(whole)], rng), 1, mtime=0)
    if file.suffix == ".zip" and rng.random() < 0.7:
        return _zip_of_spoiled(whole, rng)
    return mutated([whole], rng)


def _zip_of_spoiled(whole: bytes, rng: random.Random) -> bytes:
    """The same zip, sound, with one of its files spoiled."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice([member for member in old.infolist() if not member.is_dir()])
        for member in old.infolist():
            data = old.read(member)
            new.writestr(member.filename, mutated([data], rng) if member is chosen else data)
    return stream.getvalue()


def sources() -> list[str]:
    """The data sets of which there are miniatures."""
    start = "synthesize_"
    return [name.removeprefix(start) for name in cxr_clip.synthetic.__all__ if name.startswith(start)]


def target(name: str, folder: Path) -> Target:
    """The target of a name: "dicom", "images", one of the others, or a data set; miniatures go below the folder."""
    if name == "dicom":
        return of_images(dicom_seeds())
    if name == "images":
        return of_images(image_seeds())
    return OTHERS[name](folder) if name in OTHERS else of_source(name, folder)


OTHERS: dict[str, Callable[[Path], Target]] = {
    "own_tables": of_own_tables,
    "label_lines": of_label_lines,
    "checkpoints": of_checkpoints,
}


def run_once(run: Target, seed: str) -> str | None:
    """Run one spoiled input, made from the seed; say what was wrong, or None."""
    try:
        run(random.Random(seed))
    except CxrClipError as error:
        return None if str(error).strip() else "an error without a reason"
    except Exception as error:  # noqa: BLE001 - any other one is the finding
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else "?"
        return f"{type(error).__name__} at {where}: {str(error)[:200]}"
    return None
