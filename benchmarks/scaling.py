"""What a second worker brings: training steps on one and on two gloo workers of one machine, a thread each.

python benchmarks/scaling.py            # on a quiet machine of two cores
python benchmarks/scaling.py --tiny     # only whether it works

Both take the same global batch of made-up pictures and tokens through the towers of recipes/openi.yaml (random weights,
synchronised batch normalisation, no loader). Sessions of one worker, of two, and of one worker twice side by side,
which has each batch for itself, take turns, each turn beginning with another of them; the median of a session is one
measurement, a ratio the median of the ratios of a turn. Writes benchmarks/results/scaling.json.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from operator import truediv
from pathlib import Path

import torch

from cxr_clip.distributed import Workers, joined_workers, replicate
from cxr_clip.losses import LossWeights
from cxr_clip.model.batch_norm import synchronise
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.freezing import trainable_groups
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.tensors import Batch, Tokens
from cxr_clip.train.optim import adamw
from cxr_clip.train.step import learn
from cxr_clip.train.training import Pace, Training

RESULTS = Path(__file__).parent / "results" / "scaling.json"
IMAGE = {"model_type": "mobilenet_v2", "depth_multiplier": 0.35}
TEXT = {
    "model_type": "bert",
    "vocab_size": 8000,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
# Studies of a global batch, pixels, tokens, steps of a session that count (two go before), turns.
FULL, TINY = (32, 128, 32, 4, 4), (4, 32, 8, 1, 1)
STEPS_BEFORE = 2


def made_up_batch(studies: int, pixels: int, tokens: int, workers: Workers) -> Batch:
    """Make this worker's share of a batch that is the same for any number of them."""
    generator = torch.Generator().manual_seed(0)
    own = workers.share(studies)
    pictures = torch.randint(0, 256, (2, studies, 1, pixels, pixels), generator=generator, dtype=torch.uint8)[:, own]
    ids = torch.randint(5, 8000, (2, studies, tokens), generator=generator)[:, own]
    return Batch(
        images=(pictures[0], pictures[1]),
        texts=(Tokens(ids[0], torch.ones_like(ids[0])), Tokens(ids[1], torch.ones_like(ids[1]))),
        study_ids=tuple(str(row) for row in range(studies)[own]),
    )


def made_up_training(batch: Batch, workers: Workers, steps: int) -> Training:
    torch.manual_seed(0)
    image = image_encoder_from_architecture(IMAGE, pooling="mean")
    model = DualEncoder(image, text_encoder_from_architecture(TEXT, pooling="mean"), dim=256)
    if workers.count > 1:
        synchronise(model.image, workers, device="cpu")
    return Training(
        model=model,
        optimizer=adamw(trainable_groups(model, weight_decay=1e-4), learning_rate=1e-4),
        learning_rate=lambda _step: 1e-4,
        weights=LossWeights(),
        batches_from=lambda start: [batch] * (steps - start),
        validation_batches=None,
        pace=Pace(total_steps=steps, steps_per_epoch=steps, validate_steps=steps, checkpoint_steps=steps, log_steps=1),
        seed=0,
        workers=workers,
        replica=replicate(model, workers) if workers.count > 1 else None,
    )


def session(out: Path, size: tuple[int, int, int, int, int]) -> None:
    """One worker's part of a session; the first one writes the seconds of its steps."""
    studies, pixels, tokens, counted, _ = size
    torch.set_num_threads(1)
    with joined_workers() as workers:
        batch = made_up_batch(studies, pixels, tokens, workers)
        training = made_up_training(batch, workers, STEPS_BEFORE + counted)
        seconds = []
        for step in range(STEPS_BEFORE + counted):
            start = time.perf_counter()
            learn(training, batch, step, lap=lambda _part: None)
            training.optimizer.step()
            seconds.append(time.perf_counter() - start)
        if workers.leads:
            out.write_text(json.dumps(seconds[STEPS_BEFORE:]))


def measured(count: int, *, tiny: bool) -> float:
    """The median seconds of a step in a session of so many workers."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seconds.json"
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        options = ["--tiny"] if tiny else []
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        subprocess.run([*launcher, __file__, "--session", str(out), *options], env=environment, check=True)
        return statistics.median(json.loads(out.read_text()))


def side_by_side(*, tiny: bool) -> float:
    """The median seconds of a step in two sessions of one worker at the same time: the mean of both."""
    with ThreadPoolExecutor(2) as pool:
        return statistics.mean(pool.map(lambda _: measured(1, tiny=tiny), range(2)))


def main(*, tiny: bool) -> None:
    size = TINY if tiny else FULL
    ways = {
        "one": lambda: measured(1, tiny=tiny),
        "two": lambda: measured(2, tiny=tiny),
        "side by side": lambda: side_by_side(tiny=tiny),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(size[4]):
        names = list(ways)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(ways[name]())
    one = found["one"]
    told = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "studies_a_batch": size[0],
        "pixels": size[1],
        "tokens": size[2],
        "seconds_a_step": {name: [round(value, 4) for value in values] for name, values in found.items()},
        "times_as_fast": {
            "two": round(statistics.median(map(truediv, one, found["two"])), 3),
            "side by side": round(2 * statistics.median(map(truediv, one, found["side by side"])), 3),
        },
    }
    print(json.dumps(told, indent=2))
    if not tiny:
        RESULTS.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    if "--session" in sys.argv:
        place = Path(sys.argv[sys.argv.index("--session") + 1])
        session(place, TINY if "--tiny" in sys.argv else FULL)
    else:
        main(tiny="--tiny" in sys.argv)
