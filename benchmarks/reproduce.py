"""The paper's comparison, an ablation, a learning curve and a control on made-up studies, with several seeds.

    python benchmarks/reproduce.py [--work FOLDER] [--results FILE] [--seeds N] [--other-seeds N] [--processes N]

Makes the studies, trains what is not trained yet (a stopped program continues), compares, and writes
results/reproduce.json. All share their runs: FOLDER/runs. Wall minutes are those of all sessions, whatever else
the machine did; processor minutes are what trainings and evaluations used, which other work beside them changes less.
"""

import argparse
import json
import os
import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measured_with import machine

from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.experiment import Experiment, run_experiment
from cxr_clip.experiments.first_three import LABELS, PAIRS, PLAIN, STUDY, first_three, verdicts
from cxr_clip.experiments.made_up import Manifests, World, make_world, small_recipe
from cxr_clip.experiments.trials import Examination, Trial
from cxr_clip.recipe import load_recipe
from cxr_clip.whole_files import write_whole

RESULTS = Path(__file__).parent / "results" / "reproduce.json"
FRACTIONS = (0.125, 0.25, 0.5)
# Plain CLIP that sees as many images and texts as the arms with two of each.
TWICE = ("train.epochs=18", "train.validate_epochs=18")


@dataclass
class Session:
    """How long this start of the program has run; its file is written anew after every trial, in case it is killed."""

    folder: Path
    started: float = field(default_factory=time.time)

    def write(self) -> None:
        """Write what this session has spent so far."""
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        spent = {
            "wall_seconds": round(time.time() - self.started, 1),
            "processor_seconds": round(sum(one.ru_utime + one.ru_stime for one in both), 1),
        }
        write_whole(self.folder / "sessions" / f"{self.started:.0f}.json", json.dumps(spent) + "\n")

    def ended(self, done: int, total: int, trial: Trial) -> None:
        """Say that a trial came to its end."""
        self.write()
        print(f"{time.strftime('%H:%M:%S')} {done} of {total}: {trial.arm.name}, seed {trial.seed}", flush=True)


def main() -> None:
    arguments = parse()
    session = Session(arguments.work)
    manifests = make_world(
        arguments.work / "data", World(arguments.reports, arguments.labels), processes=arguments.processes
    )
    session.write()
    content: dict[str, object] = {}
    for name, experiment, pairs in experiments(arguments, manifests):
        compared = run_experiment(experiment, pairs, processes=arguments.processes, ended=session.ended)
        content[name] = asdict(compared)
        if name == "first_three":
            content["verdicts"] = [asdict(one) for one in verdicts(compared)]
        session.write()
        write(arguments, content)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, default=5, help="of the paper's comparison")
    parser.add_argument(
        "--other-seeds", type=int, default=5, help="of the ablation, the learning curve and the control"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--reports", type=int, default=World.reports, help="made-up studies with reports")
    parser.add_argument("--labels", type=int, default=World.labels, help="made-up studies with labels")
    parser.add_argument("overrides", nargs="*", help="settings of all arms as section.key=value")
    return parser.parse_intermixed_args()


def experiments(
    arguments: argparse.Namespace, manifests: Manifests
) -> list[tuple[str, Experiment, list[tuple[str, str]]]]:
    """The experiments with the pairs that each compares; arms of one name share their runs."""
    recipe = small_recipe()
    three = first_three(load_recipe(recipe), manifests.reports, [manifests.labels])
    plain, study, method = three
    longer = Arm(f"{PLAIN}, twice the epochs", (*plain.overrides, *TWICE))
    parts = [
        Arm("icl=off", (*method.overrides, "loss.image_image=0")),
        Arm("tcl=off", (*method.overrides, "loss.text_text=0")),
    ]
    shares = [
        Arm(
            f"{LABELS}, {fraction:g} of the patients",
            (*method.overrides, f"data.part.fraction={fraction}"),
            seeded=("train.seed", "data.part.seed"),
        )
        for fraction in FRACTIONS
    ]

    def experiment(arms: list[Arm], seeds: int) -> Experiment:
        examination = Examination(manifests.reports, audit=False, resamples=100)
        return Experiment(recipe, tuple(arms), arguments.work, examination, seeds, overrides=tuple(arguments.overrides))

    return [
        ("first_three", experiment(list(three), arguments.seeds), list(PAIRS)),
        (
            "ablation",
            experiment([method, *parts, study], arguments.other_seeds),
            [(one.name, LABELS) for one in (*parts, study)],
        ),
        (
            "learning_curve",
            experiment([*shares, method], arguments.other_seeds),
            [(one.name, LABELS) for one in shares],
        ),
        ("control", experiment([study, longer], arguments.other_seeds), [(STUDY, longer.name)]),
    ]


def write(arguments: argparse.Namespace, content: dict[str, object]) -> None:
    """Write what there is so far."""
    sessions = [json.loads(file.read_text()) for file in sorted((arguments.work / "sessions").glob("*.json"))]
    trials = [json.loads(file.read_text()) for file in (arguments.work / "runs").glob("*/seed-*/trial.json")]
    head = {
        "machine": machine(),
        "wall_minutes": round(sum(one["wall_seconds"] for one in sessions) / 60, 1),
        "sessions": len(sessions),
        "processor_minutes_of_runs": round(sum(one["processor_seconds"] for one in trials) / 60, 1),
        "runs": len(trials),
        "overrides": arguments.overrides,
    }
    text = json.dumps({**head, **content}, indent=1).replace(f"{arguments.work}/", "")
    write_whole(arguments.results, f"{text}\n")


if __name__ == "__main__":
    main()
