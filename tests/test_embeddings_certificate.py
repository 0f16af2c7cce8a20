"""A file of embeddings has a certificate: some of its rows, embedded again one at a time."""

import json
from pathlib import Path

import pytest
import torch

from cxr_clip.embed import Embedder
from cxr_clip.embed_manifest import EmbedRequest, embed_manifest
from cxr_clip.embeddings_certificate import certificate_path, certify_embeddings
from cxr_clip.embeddings_file import read_embeddings
from cxr_clip.errors import EmbeddingsFileError
from cxr_clip.study import Split
from support_data import write_tiny_manifest
from support_models import tiny_recipe, tiny_run


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"))


@pytest.fixture(scope="module")
def embedder(manifest: Path) -> Embedder:
    torch.manual_seed(4)
    return Embedder(tiny_run(tiny_recipe(manifest)))


@pytest.mark.parametrize(("precision", "limit"), [("float32", 1e-6), ("float16", 3e-4)])
def test_the_certificate_lies_beside_and_says_how_far_the_file_is(
    precision: str, limit: float, embedder: Embedder, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all.parquet"
    embed_manifest(embedder, EmbedRequest(manifest, precision=precision), out)
    certificate = certify_embeddings(embedder, manifest, out)
    told = json.loads(certificate_path(out).read_text())
    assert certificate_path(out).parent == tmp_path
    assert told["model"] == embedder.fingerprint
    assert max(told["images"], told["texts"]) == certificate.largest < limit
    ids = read_embeddings(out).ids
    assert set(told["rows"]) < set(ids)
    assert sum("/image/" in row for row in told["rows"]) == 16
    assert len(told["rows"]) == 32
    if precision == "float16":
        assert certificate.largest > 1e-6


def test_embeddings_of_another_model_are_refused(embedder: Embedder, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "other.parquet"
    embed_manifest(Embedder(tiny_run(tiny_recipe(manifest))), EmbedRequest(manifest), out)
    with pytest.raises(EmbeddingsFileError, match=r"differs from embeddings made one at a time.*delete it"):
        certify_embeddings(embedder, manifest, out)
    assert not certificate_path(out).exists()


def test_a_file_without_texts_has_no_figure_for_them(embedder: Embedder, tmp_path: Path) -> None:
    labels_only = write_tiny_manifest(tmp_path / "labels", train=1, label_only_every=1)
    embed_manifest(embedder, EmbedRequest(labels_only, split=Split.TRAIN), tmp_path / "images.parquet")
    certificate = certify_embeddings(embedder, labels_only, tmp_path / "images.parquet")
    assert certificate.texts is None
    assert certificate.images == certificate.largest
