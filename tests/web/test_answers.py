"""Answers over HTTP are those of the model itself."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_clip.classify import prompts_for
from cxr_clip.data.images import decode_image
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.search.vector_index import Wanted
from cxr_clip.web.service import Served
from support_data import made_up_picture
from support_dicom import dicom
from web.conftest import Client


def png(number: int, **sides: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(made_up_picture(number, **sides)).save(stream, "PNG")
    return stream.getvalue()


def test_the_model_tells_of_itself(client: Client, served: Served) -> None:
    facts = client.get("/api/model").json()
    assert (facts["name"], facts["title"], facts["notice"]) == (
        "runs/tiny",
        "tiny",
        "Research only, not a medical device.",
    )
    assert [one["finding"] for one in facts["findings"]] == [one.finding for one in prompts_for()]
    assert (facts["calibrated"], facts["abstains"]) == (False, False)
    assert facts["index"]["entries"] == served.index.count()  # type: ignore[union-attr]
    assert facts["index"]["splits"] == ["test", "train", "validate"]
    assert facts["index"]["kinds"] == ["findings", "image", "impression"]
    assert facts["limits"]["file_bytes"] == 33554432


def test_images_are_classified_together_and_each(client: Client, served: Served) -> None:
    images = (png(0), png(1), dicom())
    asked = ["Edema", "The heart is large.", {"finding": "tube", "positive": ["A tube."], "negative": ["No tube."]}]
    told = client.post("/api/classify", images, data={"findings": json.dumps(asked)}).json()
    questions = [*asked[:2], prompts_for(["Edema"])[0].__class__("tube", ("A tube.",), ("No tube.",))]
    expected = served.model.classify(images, questions)
    for one, answer in zip(told["images"], expected, strict=True):
        assert (one["name"], one["images"], one["abstained"]) == (answer.name, 1, [])
        assert [said["finding"] for said in one["findings"]] == ["Edema", "The heart is large.", "tube"]
        assert [said["score"] for said in one["findings"]] == pytest.approx(
            [s.score for s in answer.findings], abs=1e-5
        )
        assert all(said["meaning"] == "similarity, not a probability" for said in one["findings"])
    study = served.model.classify_study(images, questions)
    assert told["study"]["images"] == 3
    scores = [said["score"] for said in told["study"]["findings"]]
    assert scores == pytest.approx([said.score for said in study.findings], abs=1e-5)


def test_without_findings_all_are_asked(client: Client, served: Served) -> None:
    told = client.post("/api/classify", (png(0),)).json()["study"]["findings"]
    expected = served.model.classify([png(0)])[0].findings
    assert [one["finding"] for one in told] == [one.finding for one in expected]
    assert [one["score"] for one in told] == pytest.approx([one.score for one in expected], abs=1e-5)


def test_a_picture_that_is_plainly_no_chest_is_not_scored(client: Client) -> None:
    stream = io.BytesIO()
    Image.new("L", (60, 60), 9).save(stream, "PNG")
    told = client.post("/api/classify", (png(0), stream.getvalue())).json()
    assert told["images"][0]["findings"] != []
    assert told["images"][1]["findings"] == told["study"]["findings"] == []
    assert "hardly any contrast" in told["images"][1]["abstained"][0]
    assert told["study"]["abstained"] == [f"picture 1: {told['images'][1]['abstained'][0]}"]
    explained = client.post("/api/explain", (stream.getvalue(),), data={"texts": '["A tube."]'}).json()
    assert (explained["texts"], len(explained["abstained"])) == ([], 1)


def test_a_lateral_view_does_not_stand_for_the_study(client: Client, served: Served) -> None:
    frontal, lateral = dicom(ViewPosition="PA"), dicom(ViewPosition="LL", PatientName="Doe^Jane")
    told = client.post("/api/classify", (lateral, frontal), data={"findings": '["Edema"]'}).json()
    assert (told["study"]["images"], len(told["images"])) == (1, 2)
    told = client.post("/api/classify", (lateral,), data={"findings": '["Edema"]'}).json()
    assert told["study"]["abstained"] == ["none of its images is frontal"]
    assert len(told["images"][0]["findings"]) == 1


def test_maps_are_those_of_the_model_on_a_smaller_grid(client: Client, served: Served) -> None:
    image = png(3, height=448, width=300)
    texts = ["There is an effusion.", "Clear lungs."]
    told = client.post("/api/explain", (image,), data={"texts": json.dumps(texts)}).json()
    expected = served.model.explain(image, [prompts_for([text])[0] for text in texts])
    assert (told["height"], told["width"]) == (224, 150)
    for one, wanted in zip(told["texts"], expected.maps, strict=True):
        values = np.frombuffer(base64.b64decode(one["map"]), "<f4").reshape(224, 150)
        assert one["text"] == wanted.text
        assert one["score"] == pytest.approx(wanted.score, abs=1e-5)
        mean = wanted.values.reshape(224, 2, 150, 2).mean(axis=(1, 3))
        seen = np.isfinite(mean)
        assert 0.6 < seen.mean() < np.isfinite(values).mean() + 1e-9
        np.testing.assert_allclose(values[seen], mean[seen], atol=0.02 * (one["high"] - one["low"]))
        assert (one["low"], one["high"]) == (pytest.approx(np.nanmin(values)), pytest.approx(np.nanmax(values)))
        row, column = wanted.peak
        assert one["peak"]["y"] == pytest.approx((row + 0.5) / 448, abs=0.01)
        assert one["peak"]["x"] == pytest.approx((column + 0.5) / 300, abs=0.01)


def test_a_picture_comes_in_its_own_depth_with_its_window(client: Client) -> None:
    data = dicom(WindowCenter=1000, WindowWidth=800, RescaleIntercept=-100)
    answer = client.post("/api/picture", (data,))
    assert answer.headers["content-type"] == "application/octet-stream"
    rows, columns = (int(answer.headers[f"x-{name}"]) for name in ("rows", "columns"))
    centre, width = (float(answer.headers[f"x-window-{name}"]) for name in ("center", "width"))
    values = np.frombuffer(answer.content, "<u2").reshape(rows, columns)
    shown = np.clip((values - (centre - width / 2)) / width, 0, 1) * 255
    np.testing.assert_allclose(shown, decode_image(data), atol=1)
    assert answer.headers["x-bits"] == "12"


@pytest.mark.parametrize("query", ["text", "image", "study"])
def test_the_nearest_studies_are_found(client: Client, served: Served, query: str) -> None:
    fields: dict[str, object] = {"top": "3", "split": ["train", "test"], "finding": "mass"}
    wanted = {"splits": ("train", "test"), "findings": ("Mass",)}
    assert served.index is not None
    if query == "text":
        told = client.post("/api/search", data={**fields, "text": "There is a mass."}).json()
        expected = served.model.similar("There is a mass.", served.index, top=3, wanted=Wanted(**wanted))
    elif query == "image":
        told = client.post("/api/search", (png(2),), data=fields).json()
        expected = served.model.similar(png(2), served.index, top=3, wanted=Wanted(**wanted))
    else:
        told = client.post("/api/search", data={**fields, "study": "test-1"}).json()
        assert "test-1" not in [hit["study"] for hit in told["hits"]]
        return
    assert [hit["rank"] for hit in told["hits"]] == list(range(1, len(expected) + 1))
    for hit, one in zip(told["hits"], expected, strict=True):
        assert (hit["id"], hit["study"], hit["report"]) == (one.id, one.study_id, one.report)
        assert hit["score"] == pytest.approx(one.score, abs=1e-5)
        assert not hit.keys() & {"patient", "path"}


def test_pictures_of_the_index_are_shown(client: Client, place: Path) -> None:
    hit = client.post("/api/search", data={"text": "Clear lungs.", "top": "1"}).json()["hits"][0]
    answer = client.get(hit["picture"])
    assert answer.headers["content-type"] == "image/png"
    manifest = read_manifest(place / "data")
    (study,) = [one for one in manifest if one.id == hit["study"]]
    stored = ImageStore(manifest.root).read(study.images[int(hit["id"].rsplit("/", 1)[1])])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), stored)
    for absent in ("test-0/image/99", "test-0/findings/0", "nobody/image/0", "../../etc/passwd", "test-0/image/-1"):
        assert client.get(f"/api/indexed/{absent}").status_code == 404
