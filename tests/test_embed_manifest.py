"""A manifest becomes one file of embeddings, stopped or not, and never a mixture of two models or manifests."""

from pathlib import Path

import pytest
import torch

from cxr_clip import embed_manifest as module
from cxr_clip.checkpoint import Run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.embed_manifest import EmbedRequest, embed_manifest
from cxr_clip.embeddings_file import read_embeddings
from cxr_clip.errors import EmbeddingInputError, EmbeddingsFileError
from cxr_clip.study import Split
from support_data import write_tiny_manifest
from support_models import tiny_recipe, tiny_run


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"))


@pytest.fixture(scope="module")
def run(manifest: Path) -> Run:
    torch.manual_seed(4)
    return tiny_run(tiny_recipe(manifest))


@pytest.fixture(scope="module")
def embedder(run: Run) -> Embedder:
    return Embedder(run)


def request_of(manifest: Path, split: Split | None = None) -> EmbedRequest:
    return EmbedRequest(manifest, split=split, precision="float32", studies_in_part=5)


def test_every_image_and_section_has_its_embedding(embedder: Embedder, manifest: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    origin = embed_manifest(
        embedder, request_of(manifest), tmp_path / "all.parquet", advance=lambda done, total: told.append((done, total))
    )
    found = read_embeddings(tmp_path / "all.parquet")
    assert found.origin == origin
    assert origin.model == embedder.fingerprint
    studies, store = list(read_manifest(manifest)), ImageStore(manifest)
    pictures = [store.read(image) for study in studies for image in study.images]
    texts = [study.sections[name] for study in studies for name in ("findings", "impression") if study.sections]
    images = read_embeddings(tmp_path / "all.parquet", kind="image")
    torch.testing.assert_close(images.values, embedder.embed_images(pictures))
    assert images.about.column("path").to_pylist() == [image.path for study in studies for image in study.images]
    is_text = [kind != "image" for kind in found.about.column("kind").to_pylist()]
    torch.testing.assert_close(found.values[is_text], embedder.embed_texts(texts))
    assert found.about.column("text").drop_null().to_pylist() == texts
    assert told[-1] == (len(pictures), len(pictures))
    assert list(tmp_path.iterdir()) == [tmp_path / "all.parquet"]


def test_one_split_is_embedded_alone(embedder: Embedder, manifest: Path, tmp_path: Path) -> None:
    embed_manifest(embedder, request_of(manifest, Split.TEST), tmp_path / "test.parquet")
    assert set(read_embeddings(tmp_path / "test.parquet").about.column("split").to_pylist()) == {"test"}


def test_a_stopped_one_continues_and_what_is_done_stays(
    embedder: Embedder, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_manifest(embedder, request_of(manifest), tmp_path / "straight.parquet")
    write = module.write_embeddings

    def write_two_and_stop(path: Path, *rest: object) -> None:
        if path.name.endswith("2.parquet"):
            raise KeyboardInterrupt
        write(path, *rest)  # type: ignore[arg-type]

    out = tmp_path / "stopped.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_embeddings", write_two_and_stop)
        with pytest.raises(KeyboardInterrupt):
            embed_manifest(embedder, request_of(manifest), out)
    assert not out.exists()
    told: list[tuple[int, int]] = []
    embed_manifest(embedder, request_of(manifest), out, advance=lambda done, total: told.append((done, total)))
    images = sum(len(study.images) for study in list(read_manifest(manifest))[10:])
    assert told[-1] == (images, images)
    straight, continued = read_embeddings(tmp_path / "straight.parquet"), read_embeddings(out)
    assert torch.equal(straight.values, continued.values)
    assert straight.about.equals(continued.about)
    written = out.stat().st_mtime_ns
    embed_manifest(embedder, request_of(manifest), out)
    assert out.stat().st_mtime_ns == written


def test_another_model_or_manifest_or_request_is_refused(
    embedder: Embedder, run: Run, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "all.parquet"
    embed_manifest(embedder, request_of(manifest), out)
    torch.manual_seed(7)
    other = Embedder(tiny_run(run.recipe))
    with pytest.raises(EmbeddingsFileError, match=r"all.parquet has embeddings of another model \([0-9a-f]{12} there"):
        embed_manifest(other, request_of(manifest), out)
    smaller = write_tiny_manifest(tmp_path / "smaller", train=2)
    with pytest.raises(EmbeddingsFileError, match=r"of another manifest .*: give another name for the file"):
        embed_manifest(embedder, request_of(smaller), out)
    with pytest.raises(EmbeddingsFileError, match=r"of another split \(all there, test asked\)"):
        embed_manifest(embedder, request_of(manifest, Split.TEST), out)
    out.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(module, "join_embeddings", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            embed_manifest(embedder, request_of(manifest), out)
    with pytest.raises(EmbeddingsFileError, match=r"all.parquet.parts has embeddings of another model"):
        embed_manifest(other, request_of(manifest), out)


def test_parts_on_another_machine_are_told(
    embedder: Embedder, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = module.write_embeddings
    elsewhere = tmp_path / "elsewhere"

    def write_elsewhere(path: Path, *rest: object) -> None:
        write(path if path.name.endswith("0.parquet") else elsewhere / path.name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_embeddings", write_elsewhere)
    with pytest.raises(
        EmbeddingsFileError, match=r"5-000001.parquet and 2 more parts are not here: all workers need the"
    ):
        embed_manifest(embedder, request_of(manifest), tmp_path / "out.parquet")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_damaged_image_and_an_empty_split_are_told(embedder: Embedder, tmp_path: Path) -> None:
    folder = write_tiny_manifest(tmp_path / "manifest", test=0)
    with pytest.raises(EmbeddingsFileError, match="has no study in the split 'test'"):
        embed_manifest(embedder, request_of(folder, Split.TEST), tmp_path / "out.parquet")
    image = read_manifest(folder)[3].images[0]
    assert image.stored is not None
    with (folder / image.stored.shard).open("r+b") as shard:
        shard.seek(image.stored.offset)
        shard.write(bytes(image.stored.length))
    with pytest.raises(EmbeddingInputError, match="study 'train-3' of made-up: the bytes of"):
        embed_manifest(embedder, request_of(folder), tmp_path / "out.parquet")
