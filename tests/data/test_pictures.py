"""A picture is the same whatever it comes in, and what is none is told with its name."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_clip.data.pictures import LONGEST_ASPECT, SHORT_SIDE, as_picture, name_of, title_of
from cxr_clip.errors import EmbeddingInputError
from support_data import made_up_picture
from support_dicom import STRETCHED, dicom

PICTURE = made_up_picture(3, height=60, width=70)


def png(picture: np.ndarray = PICTURE) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def test_every_form_gives_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "chest.png"
    path.write_bytes(png())
    image = Image.open(path)
    with path.open("rb") as opened:
        forms = (
            *(path, str(path), png(), bytearray(png()), memoryview(png()), io.BytesIO(png()), opened),
            *(image, image.convert("RGB"), PICTURE, PICTURE[:, :, None], np.stack([PICTURE] * 3, axis=2)),
            *(np.dstack([PICTURE] * 3 + [np.full_like(PICTURE, 9)]), PICTURE.astype(np.uint16) * 257),
        )
        for form in forms:
            np.testing.assert_array_equal(as_picture(form, name="it"), PICTURE)


def test_dicom_is_read_by_the_projects_reader(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(dicom())
    np.testing.assert_array_equal(as_picture(path, name="it"), STRETCHED)


def test_12_bit_arrays_keep_their_contrast() -> None:
    deep = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    found = as_picture(deep, name="it")
    assert (found.min(), found.max()) == (0, 254)


def test_files_are_shrunk_as_by_prepare_and_arrays_are_not() -> None:
    large = made_up_picture(1, height=SHORT_SIDE * 2, width=SHORT_SIDE * 3)
    assert as_picture(png(large), name="it").shape == (SHORT_SIDE, SHORT_SIDE * 3 // 2)
    assert as_picture(large, name="it").shape == large.shape


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((40, 50), np.float32), "float32.*of fractions black and white are unknown: scale yours"),
        (np.zeros((40, 50), np.int32), r"int32 and shape \(40, 50\): give a grey uint8 array"),
        (np.full((40, 50), True), "an array of bool"),
        (np.zeros((2, 40, 50), np.uint8), "several as a list"),
        (np.zeros(40, np.uint8), r"shape \(40,\)"),
        (np.dstack([PICTURE, PICTURE, PICTURE.T[:60, :60].repeat(2, 1)[:, :70]]), "with colours.*make it grey"),
        (np.zeros((0, 50), np.uint8), "is 50 x 0 pixels"),
        (np.zeros((2, 2 * LONGEST_ASPECT + 1), np.uint8), "is 101 x 2 pixels: give a picture at most 50 times"),
        (None, "of type NoneType: give a path, bytes"),
        (io.StringIO("text"), 'open it with mode "rb"'),
        (b"", "the file is empty"),
        (png()[:200], "truncated or damaged"),
        (Path("absent.png"), "cannot be read .No such file or directory.: check the path"),
        (Path(), "cannot be read .Is a directory."),
    ],
)
def test_what_cannot_be_read_is_told_by_its_name(image: object, words: str) -> None:
    with pytest.raises(EmbeddingInputError, match=f"^picture 7.*{words}"):
        as_picture(image, name="picture 7")  # type: ignore[arg-type]


def test_pictures_have_names() -> None:
    assert name_of(Path("a/b.png"), 0) == "picture 0 (a/b.png)"
    assert name_of("b.png", 1) == "picture 1 (b.png)"
    assert name_of(PICTURE, 2) == "picture 2"
    assert title_of(Path("a/b.png"), 0) == "a/b.png"
    assert title_of(PICTURE, 2) == title_of(io.BytesIO(), 2) == "picture 2"


def test_a_pillow_image_with_too_many_pixels_is_refused() -> None:
    with pytest.raises(EmbeddingInputError, match="more than 80,000,000 pixels"):
        as_picture(Image.new("1", (9000, 9000)), name="it")
