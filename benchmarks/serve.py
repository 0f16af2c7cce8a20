"""`cxr-clip serve` under load: requests a second, how long they take, how many images go through the encoder together.

python benchmarks/serve.py            # about four minutes on two idle cores
python benchmarks/serve.py --tiny     # only whether it works

A server process on this machine is asked to classify one picture a request, all findings, by 1, 8 and 64 clients, each
of which sends its next request when it has the answer to the last one. Clients and server share the cores. The picture
is a made-up chest X-ray as a JPEG of 1,024 x 1,024 pixels. "quickstart": the encoders of the quickstart, trained on few
made-up studies for one epoch. "resnet50": ResNet-50 and BERT-base with random weights. Memory is the resident memory of
the server process, before and after 1,000 requests of the first model.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import torch

from cxr_clip.checkpoint import WEIGHTS, Run, write_run
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.model.tokeniser import load_tokeniser
from cxr_clip.quickstart import Places, Sizes, quickstart_steps
from cxr_clip.recipe import load_recipe
from cxr_clip.tensor_files import save_weights

RESULTS = Path(__file__).parent / "results" / "serve.json"
CLIENTS = (1, 8, 64)
SIDE = 1024
BERT_BASE = {
    "model_type": "bert",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True)
class Load:
    """What some clients met; times in milliseconds, `batch` is the mean number of images in one."""

    clients: int
    requests: int
    lost: int
    per_second: float
    p50: float
    p99: float
    batch: float


@dataclass(frozen=True)
class Sizing:
    """How much is made and asked."""

    openi: int = 120
    chestxray14: int = 80
    seconds: float = 12.0
    memory_requests: int = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="only whether it works")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    sizing = Sizing(openi=40, chestxray14=20, seconds=1.0, memory_requests=20) if asked.tiny else Sizing()
    with tempfile.TemporaryDirectory() as work:
        small, picture = quickstart_run(Path(work) / "small", sizing)
        request = post(picture)
        models = [measured("quickstart", small, request, sizing)]
        if not asked.tiny:
            models.append(measured("resnet50", random_run(Path(work) / "resnet50", small), request, sizing))
    told = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "picture": {"side": SIDE, "bytes": len(picture)},
        "studies": {"openi": sizing.openi, "chestxray14": sizing.chestxray14},
        "seconds_each": sizing.seconds,
        "models": models,
    }
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))


def quickstart_run(folder: Path, sizing: Sizing) -> tuple[Path, bytes]:
    """A run of the quickstart on few studies, one epoch, and a picture of its kind as a JPEG."""
    places = Places(folder / "data", folder / "run")
    sizes = Sizes(sizing.openi, sizing.chestxray14, processes=os.cpu_count() or 1)
    overrides = ("train.epochs=1", "train.batch_size=16", "train.precision=fp32")
    for step in quickstart_steps(places, sizes, overrides, quiet=True)[:-1]:
        print(step.run(lambda *_: None))
    image = next(path for path in sorted(places.raw("chestxray14").rglob("*.png")))
    read = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    assert read is not None
    done, encoded = cv2.imencode(".jpg", cv2.resize(read, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
    assert done
    return places.run, encoded.tobytes()


def random_run(folder: Path, like: Path) -> Path:
    """A run of the paper's size with random weights, and the tokeniser of another run."""
    torch.manual_seed(0)
    tokeniser = load_tokeniser(str(like / "tokeniser"))
    recipe = load_recipe(
        like / "recipe.yaml",
        ("name=resnet50", "data.image_size=224", "model.embedding_size=512", "model.image.pooling=mean"),
    )
    model = DualEncoder(
        image_encoder_from_architecture("resnet50", pooling="mean"),
        text_encoder_from_architecture({**BERT_BASE, "vocab_size": len(tokeniser)}, pooling="eos"),
        dim=512,
    )
    write_run(folder, Run(model=model, tokeniser=tokeniser, recipe=recipe))
    save_weights(folder / WEIGHTS, model)
    return folder


def measured(name: str, run: Path, request: bytes, sizing: Sizing) -> dict[str, object]:
    with serving(run) as (port, process):
        loads = []
        asyncio.run(load(port, request, clients=1, seconds=0.2 * sizing.seconds))  # warm
        for clients in CLIENTS:
            loads.append(asdict(asyncio.run(load(port, request, clients=clients, seconds=sizing.seconds))))
            print(name, loads[-1])
        memory = None
        if name == "quickstart":
            before = resident(process.pid)
            asyncio.run(load(port, request, clients=8, requests=sizing.memory_requests))
            memory = {"requests": sizing.memory_requests, "before_mb": before, "after_mb": resident(process.pid)}
        recipe = load_recipe(run / "recipe.yaml")
        size = (run / WEIGHTS).stat().st_size
        return {
            "name": name,
            "weights_mb": round(size / 1e6, 1),
            "image_size": recipe.data.image_size,
            "loads": loads,
            **({"memory": memory} if memory else {}),
        }


@contextmanager
def serving(run: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server process of a run, stopped at the end as people stop it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cxr_clip", "serve", str(run), "--port", "0", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r":(\d+)/", said)
    assert found is not None, said
    try:
        yield int(found[1]), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


async def load(
    port: int, request: bytes, *, clients: int, seconds: float | None = None, requests: int | None = None
) -> Load:
    """Ask for some seconds, or a number of requests."""
    before = await batches(port)
    start, left = time.perf_counter(), [requests]
    times: list[float] = []
    lost = [0]

    def more() -> bool:
        if left[0] is None:
            return time.perf_counter() - start < (seconds or 0)
        left[0] -= 1
        return left[0] >= 0

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while more():
            began = time.perf_counter()
            writer.write(request)
            await writer.drain()
            status, _ = await answer(reader)
            times.append(time.perf_counter() - began)
            lost[0] += status != 200
        writer.close()

    ended = await asyncio.gather(*(client() for _ in range(clients)), return_exceptions=True)
    lost[0] += sum(isinstance(one, BaseException) for one in ended)
    took = time.perf_counter() - start
    after = await batches(port)
    images, rounds = after[0] - before[0], after[1] - before[1]
    milliseconds = sorted(1000 * one for one in times)
    return Load(
        clients=clients,
        requests=len(times),
        lost=lost[0],
        per_second=round(len(times) / took, 2),
        p50=round(statistics.median(milliseconds), 1),
        p99=round(milliseconds[min(len(milliseconds) - 1, int(0.99 * len(milliseconds)))], 1),
        batch=round(images / rounds, 2) if rounds else 0.0,
    )


async def batches(port: int) -> tuple[float, float]:
    """How many images went through the encoder so far, and in how many batches."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    _, page = await answer(reader)
    writer.close()
    figures = dict(line.rsplit(" ", 1) for line in page.decode().splitlines() if not line.startswith("#"))
    return float(figures["cxr_clip_batch_size_sum"]), float(figures["cxr_clip_batch_size_count"])


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None, head
    return int(head.split(" ", 2)[1]), await reader.readexactly(int(length[1]))


def post(picture: bytes) -> bytes:
    """A request to classify one picture."""
    body = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n' + picture + b"\r\n--b--\r\n"
    head = (
        "POST /api/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def resident(process: int) -> float:
    """The resident memory of a process, in MB."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return round(int(said["VmRSS"].split()[0]) / 1024, 1)


if __name__ == "__main__":
    main()
