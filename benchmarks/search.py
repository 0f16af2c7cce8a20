"""Search: time, recall and memory of both kinds of index, on one thread.

python benchmarks/search.py            # about two minutes
python benchmarks/search.py --tiny     # only whether it works

100,000 made-up unit vectors of 512 numbers, and 64 queries drawn with them. "clustered": 1,000 random centres of unit
length, chosen with probabilities in proportion to 1 / (10 + rank), plus a normal step of length about 0.8 in the 32
directions of the cluster (random; cluster c has those of c modulo 50), plus normal noise of length about 0.2 in all
directions. "uniform": directions drawn at random, the worst case. Times are medians. Recall@10 is against float32.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from cxr_clip.embeddings_file import ABOUT, EmbeddingOrigin, Embeddings
from cxr_clip.search import vectors
from cxr_clip.search.folder_index import build_index
from cxr_clip.search.nearest import nearest_studies
from cxr_clip.search.vector_index import Wanted

RESULTS = Path(__file__).parent / "results" / "search.json"
QUERIES, TOP, DIRECTIONS, FAMILIES = 64, 10, 32, 50
PROBES = (1, 4, 16, 64)
OPENED = """
import sys
from pathlib import Path
import numpy as np
from cxr_clip.search import vectors
def own():
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return [int(said[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")]
vectors.faiss()
before = own()
index = vectors.read(Path(sys.argv[1]), mapped=True)
opened = own()
query = np.load(sys.argv[2])
vectors.search(index, query, top=10, probe=int(sys.argv[3]))
print(*(round(b - a, 1) for a, b in zip(before + before, opened + own())))
"""


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def uniform(rows: int, dim: int) -> np.ndarray:
    return unit(np.random.default_rng(0).standard_normal((rows, dim), dtype=np.float32))


def clustered(rows: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    clusters = max(10, rows // 100) if rows < 100_000 else 1000
    centres = unit(rng.standard_normal((clusters, dim)))
    weight = 1 / (10 + np.arange(clusters))
    of_row = rng.choice(clusters, rows, p=weight / weight.sum())
    values = centres[of_row] + rng.standard_normal((rows, dim), dtype=np.float32) * np.float32(0.2 / dim**0.5)
    for family in range(FAMILIES):
        members = np.flatnonzero(of_row % FAMILIES == family)
        directions = unit(rng.standard_normal((DIRECTIONS, dim)))
        values[members] += rng.standard_normal((len(members), DIRECTIONS)) * (0.8 / DIRECTIONS**0.5) @ directions
    return unit(values)


def seconds(run: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def memory(path: Path, queries: np.ndarray, probe: int) -> dict[str, float]:
    """MiB that a fresh process grows by: when it opens an index, and after one query."""
    file = path.with_suffix(".npy")
    np.save(file, queries[:1])
    program = [sys.executable, "-c", OPENED, path, file, str(probe)]
    said = subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()
    names = ("opened", "opened_own", "after_a_query", "after_a_query_own")
    return dict(zip(names, map(float, said), strict=True))


def measure(values: np.ndarray, queries: np.ndarray, folder: Path, times: int) -> list[dict[str, Any]]:
    """Rows of the table: the exact index, then inverted lists at several numbers of lists looked through."""
    truth = np.argsort(-(queries @ values.T), axis=1, kind="stable")[:, :TOP]
    rows: list[dict[str, Any]] = []
    for kind in ("exact", "lists"):
        start = time.perf_counter()
        index = vectors.build(values, kind)
        built = time.perf_counter() - start
        probing = vectors.measured_probing(index, values) if kind == "lists" else None
        path = folder / f"{kind}.faiss"
        vectors.write(index, path)
        chosen = probing.lists if probing else None
        for probe in sorted({*PROBES, chosen}) if chosen else (None,):
            _, found = vectors.search(index, queries, top=TOP, probe=probe)
            recall = np.mean([len(np.intersect1d(one, two)) / TOP for one, two in zip(truth, found, strict=True)])
            one_by_one = iter(np.resize(np.arange(QUERIES), (times + 1) * 8))
            rows.append(
                {
                    "kind": kind,
                    "lists": index.nlist if chosen else None,
                    "looked_through": probe,
                    "chosen": probe == chosen,
                    "recall_when_built": probing.recall if probing and probe == chosen else None,
                    "build_seconds": round(built, 2),
                    "recall_at_10": round(float(recall), 4),
                    "one_query_ms": round(
                        1e3 * seconds(lambda p=probe, q=one_by_one, i=index: _one(i, queries, next(q), p), times * 4), 3
                    ),
                    "batch_ms": round(
                        1e3 * seconds(lambda p=probe, i=index: vectors.search(i, queries, top=TOP, probe=p), times), 1
                    ),
                    "disk_mb": round(path.stat().st_size / 1e6, 1),
                    "memory_mib": memory(path, queries, probe or 1),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows


def _one(index: Any, queries: np.ndarray, which: int, probe: int | None) -> Any:
    return vectors.search(index, queries[which : which + 1], top=TOP, probe=probe)


def whole_search(values: np.ndarray, queries: np.ndarray, folder: Path, times: int) -> dict[str, float]:
    """A folder of as many rows, every second one a text: to build, open, search and change it."""
    count = len(values)
    study = np.arange(count) // 2
    text = np.arange(count) % 2 == 1
    columns = {
        "id": [f"s{n}/{'findings' if t else 'image'}/0" for n, t in zip(study, text, strict=True)],
        "study_id": [f"s{n}" for n in study],
        "patient": [f"p{n // 2}" for n in study],
        "source": ["made-up"] * count,
        "split": ["train"] * count,
        "kind": ["findings" if t else "image" for t in text],
        "number": [0] * count,
        "view": [None if t else "pa" for t in text],
        "path": [None if t else f"{n}.png" for n, t in zip(study, text, strict=True)],
        "text": ["The lungs are clear. " * 10 if t else None for t in text],
        "findings": [["Edema"] if n % 10 == 0 else [] for n in study],
    }
    about = pa.table(columns, schema=ABOUT)
    origin = EmbeddingOrigin(model="0", manifest="0", recipe="made-up", dim=values.shape[1])
    rows = Embeddings(torch.from_numpy(values), about, origin)
    start = time.perf_counter()
    index = build_index(folder / "index", rows, exact_rows=count)
    built = time.perf_counter() - start
    few = Embeddings(rows.values[:QUERIES], about.slice(0, QUERIES), origin)
    edema = Wanted(findings=("Edema",))
    return {
        "build_and_open_seconds": round(built, 2),
        "open_seconds": round(seconds(lambda: index.__class__(folder / "index"), 3), 2),
        "search_ms": round(1e3 * seconds(lambda: nearest_studies(index, queries[0]), times), 1),
        "search_one_finding_ms": round(
            1e3 * seconds(lambda: nearest_studies(index, queries[0], wanted=edema), times), 1
        ),
        "add_64_rows_seconds": round(seconds(lambda: index.add(few), 3), 2),
        "disk_mb": round(sum(file.stat().st_size for file in (folder / "index").iterdir()) / 1e6, 1),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--results", type=Path, default=RESULTS)
    options.add_argument("--tiny", action="store_true")
    asked = options.parse_args()
    rows, dim, times = (2000, 64, 1) if asked.tiny else (100_000, 512, 5)
    vectors.faiss().omp_set_num_threads(1)
    torch.set_num_threads(1)
    told: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "faiss": vectors.faiss().__version__,
        "rows": rows,
        "dim": dim,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, made in (("clustered", clustered), ("uniform", uniform)):
            drawn = made(rows + QUERIES, dim)
            told[name] = measure(drawn[:rows], drawn[rows:], Path(folder), times)
        drawn = clustered(rows + QUERIES, dim)
        told["folder"] = whole_search(drawn[:rows], drawn[rows:], Path(folder), times)
    print(json.dumps(told["folder"]))
    asked.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
