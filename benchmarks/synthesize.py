"""How fast made-up radiographs are drawn: frontal views a second on one core at 224 pixels.

python benchmarks/synthesize.py

Draws several batches of different patients with their findings and writes benchmarks/results/synthesize.json. The best
batch counts (the others had to share the core); the median is kept beside it.
"""

import json
import os
import platform
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.study import View
from cxr_clip.synthetic.acquisition import draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.files import png
from cxr_clip.synthetic.pathology import draw_findings
from cxr_clip.synthetic.render import Patient, render

RESULTS = Path(__file__).parent / "results" / "synthesize.json"
PIXELS, BATCH, BATCHES = 224, 50, 9


def draw_one(number: int, view: View) -> np.ndarray:
    rng = np.random.default_rng([0, number])
    patient = Patient(draw_body(rng), number)
    pose, exposure = draw_pose(rng, view, patient.body.scale), draw_exposure(rng, view)
    return render(patient, draw_findings(rng), pose, exposure, short_side=PIXELS).picture


def rates(view: View, *, encoded: bool) -> list[float]:
    """Images a second of processor time, batch by batch."""
    found = []
    for batch in range(BATCHES):
        start = time.process_time()
        for number in range(batch * BATCH, (batch + 1) * BATCH):
            picture = draw_one(number, view)
            if encoded:
                png(picture)
        found.append(BATCH / (time.process_time() - start))
    return found


def main() -> None:
    cv2.setNumThreads(1)
    draw_one(0, View.PA)
    measured = {
        name: {"best": round(max(found), 1), "median": round(statistics.median(found), 1)}
        for name, found in (
            ("frontal", rates(View.PA, encoded=False)),
            ("frontal_with_png", rates(View.PA, encoded=True)),
            ("lateral", rates(View.LATERAL, encoded=False)),
        )
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    told = {"pixels": PIXELS, "images_a_second_one_core": measured, "machine": machine}
    RESULTS.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
