"""What a model says of one study: python examples/classify_a_study.py RUN IMAGE [IMAGE ...]."""

import sys
from pathlib import Path

import cxr_clip


def main(run: str, *images: str) -> None:
    model = cxr_clip.load(run)
    study = model.classify_study(
        [Path(image) for image in images], ["Cardiomegaly", "Pleural Effusion", "Pneumothorax"]
    )
    if study.abstained:
        sys.exit(f"the model is not asked: {'; '.join(study.abstained)}")
    for one in sorted(study.findings, key=lambda one: -one.score):
        print(f"{one.finding:20} {one.score:+.3f}  {one.meaning}")


if __name__ == "__main__":
    main(*sys.argv[1:])
