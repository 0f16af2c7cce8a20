"""Reports nearest to the first image of a manifest: python examples/embed_a_manifest.py RUN MANIFEST OUT."""

import sys
from pathlib import Path

import cxr_clip
from cxr_clip.embed_manifest import EmbedRequest, embed_manifest
from cxr_clip.embeddings_file import read_embeddings


def main(run: str, manifest: str, out: str) -> None:
    embed_manifest(cxr_clip.load(run), EmbedRequest(Path(manifest)), Path(out))
    images, reports = read_embeddings(Path(out), kind="image"), read_embeddings(Path(out), kind="findings")
    similarities = reports.values @ images.values[0]
    texts = reports.about.column("text")
    print(f"nearest to {images.ids[0]}:")
    for row in similarities.topk(min(3, len(texts))).indices.tolist():
        print(f"{similarities[row]:.3f}  {texts[row]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
