"""What is wrong with a made-up patient: findings with side, place and severity, occurring together as they do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cxr_clip.study import Certainty

NORMAL_SHARE = 0.38
UNCERTAIN_SHARE = 0.10


@dataclass(frozen=True)
class FindingInstance:
    """One finding of one study, in canonical words; `side` is the patient's own.

    `kind` tells forms of one finding apart (a pacemaker from a line, a rib from a clavicle). An uncertain instance is
    drawn faintly and reported with doubt. `seed` fixes the details of its shape in every view.
    """

    name: str
    seed: int
    side: str | None = None
    location: str | None = None
    severity: str | None = None
    kind: str | None = None
    certainty: Certainty = Certainty.POSITIVE

    @property
    def is_sure(self) -> bool:
        """Whether the finding is plainly there."""
        return self.certainty is Certainty.POSITIVE

    def on(self, side: str) -> bool:
        """Whether the finding concerns that side of the body."""
        return self.side in (side, "bilateral")


_FIRST: Mapping[str, float] = {
    "Cardiomegaly": 0.11,
    "Pleural Effusion": 0.09,
    "Pneumothorax": 0.10,
    "Consolidation": 0.12,
    "Edema": 0.08,
    "Atelectasis": 0.09,
    "Nodule": 0.12,
    "Mass": 0.10,
    "Emphysema": 0.10,
    "Fracture": 0.11,
    "Hernia": 0.09,
    "Support Devices": 0.11,
}
_THEN: Mapping[str, Mapping[str, float]] = {
    "Edema": {"Cardiomegaly": 0.6, "Pleural Effusion": 0.5, "Support Devices": 0.3},
    "Cardiomegaly": {"Pleural Effusion": 0.2, "Edema": 0.18, "Support Devices": 0.25},
    "Pleural Effusion": {"Atelectasis": 0.3, "Consolidation": 0.12, "Cardiomegaly": 0.12},
    "Consolidation": {"Pleural Effusion": 0.2, "Support Devices": 0.1},
    "Pneumothorax": {"Fracture": 0.2, "Support Devices": 0.2},
    "Fracture": {"Pneumothorax": 0.1, "Atelectasis": 0.08},
    "Mass": {"Nodule": 0.15, "Pleural Effusion": 0.12},
    "Emphysema": {"Nodule": 0.12, "Pneumothorax": 0.06},
    "Hernia": {"Atelectasis": 0.12, "Cardiomegaly": 0.1},
    "Atelectasis": {"Support Devices": 0.15},
    "Nodule": {"Emphysema": 0.08},
    "Support Devices": {"Atelectasis": 0.12, "Cardiomegaly": 0.1},
}
_NOT_TOGETHER = (
    frozenset({"Edema", "Emphysema"}),
    frozenset({"Pneumothorax", "Edema"}),
    frozenset({"Pneumothorax", "Pleural Effusion"}),
    frozenset({"Consolidation", "Mass"}),
)
_LOBES = ("upper lobe", "middle lobe", "lower lobe")
_DEVICES = ("pacemaker", "central line", "picc", "port", "sternal wires", "endotracheal tube", "enteric tube")
_DEVICE_SHARES = (0.3, 0.12, 0.12, 0.14, 0.2, 0.06, 0.06)
_DOUBTFUL = ("Pleural Effusion", "Atelectasis", "Consolidation", "Nodule")


def draw_findings(rng: np.random.Generator) -> tuple[FindingInstance, ...]:
    """The findings of one study; about two in five are normal."""
    names: list[str] = []
    if rng.random() >= NORMAL_SHARE:
        shares = np.array(list(_FIRST.values()))
        names.append(str(rng.choice(list(_FIRST), p=shares / shares.sum())))
        if rng.random() < 0.42:
            names.append(str(rng.choice(list(_FIRST), p=shares / shares.sum())))
        names.extend(_companions(names, rng))
    kept = _compatible(names)
    found = [describe(name, rng) for name in kept]
    if rng.random() < UNCERTAIN_SHARE:
        found.extend(_doubt(kept, rng))
    return tuple(found)


def describe(name: str, rng: np.random.Generator) -> FindingInstance:
    """Side, place, severity and form of a finding, drawn as they are commonly seen."""
    instance = FindingInstance(name=name, seed=int(rng.integers(2**31)))
    return _DESCRIBE[name](instance, rng)


def followed_up(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> tuple[FindingInstance, ...]:
    """The findings of the same patient at the next visit: most persist, some resolve, some appear."""
    lasting = ("Cardiomegaly", "Emphysema", "Hernia", "Nodule", "Mass", "Fracture")
    kept = [f for f in findings if rng.random() < (0.95 if f.name in lasting else 0.45)]
    names = {f.name for f in kept}
    if rng.random() < 0.35:
        names_now = _compatible([*names, *(f.name for f in draw_findings(rng) if f.is_sure)])
        kept.extend(describe(name, rng) for name in names_now if name not in names)
    return tuple(kept)


def _companions(names: list[str], rng: np.random.Generator) -> list[str]:
    """Findings that come with those already there, one step deep."""
    return [other for name in names for other, share in _THEN[name].items() if rng.random() < share]


def _compatible(names: list[str]) -> list[str]:
    """The names in order, without repeats and without pairs that would hide one another."""
    kept: list[str] = []
    for name in names:
        if name not in kept and not any({name, other} in _NOT_TOGETHER for other in kept):
            kept.append(name)
    return kept


def _doubt(names: list[str], rng: np.random.Generator) -> list[FindingInstance]:
    """One finding that is only suspected, if it is not there anyway."""
    name = str(rng.choice(_DOUBTFUL))
    if name in names or "Mass" in names or "Consolidation" in names:
        return []
    instance = describe(name, rng)
    side = instance.side if instance.side in ("left", "right") else _one_side(rng)
    size = "small" if name in ("Pleural Effusion", "Nodule") else "mild"
    doubt = replace(instance, side=side, severity=size, certainty=Certainty.UNCERTAIN)
    if name == "Nodule":
        doubt = replace(doubt, kind="single", location=instance.location or _lobe(rng, side))
    if name == "Atelectasis":
        doubt = replace(doubt, kind="linear", location="base")
    return [doubt]


def _one_side(rng: np.random.Generator) -> str:
    return "left" if rng.random() < 0.5 else "right"


def _side(rng: np.random.Generator, both: float) -> str:
    return "bilateral" if rng.random() < both else _one_side(rng)


def _pick(rng: np.random.Generator, words: tuple[str, ...], shares: tuple[float, ...] | None = None) -> str:
    return str(rng.choice(words, p=shares))


def _lobe(rng: np.random.Generator, side: str) -> str:
    """A lobe that exists on that side; the lingula is the left lung's middle lobe."""
    lobe = _pick(rng, _LOBES, (0.34, 0.26, 0.40))
    return "lingula" if lobe == "middle lobe" and side == "left" else lobe


def _cardiomegaly(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    return replace(f, severity=_pick(rng, ("mild", "moderate", "severe"), (0.45, 0.35, 0.2)))


def _effusion(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    side = _side(rng, 0.3)
    size = _pick(rng, ("small", "moderate", "large"), (0.5, 0.35, 0.15) if side != "bilateral" else (0.65, 0.35, 0.0))
    return replace(f, side=side, severity=size)


def _pneumothorax(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    size = _pick(rng, ("small", "moderate", "large"), (0.4, 0.35, 0.25))
    return replace(f, side=_one_side(rng), severity=size, location="apex" if size == "small" else None)


def _consolidation(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    side = _one_side(rng)
    return replace(f, side=side, location=_lobe(rng, side), severity=_pick(rng, ("mild", "moderate", "severe")))


def _edema(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    severity = _pick(rng, ("mild", "moderate", "severe"), (0.35, 0.4, 0.25))
    return replace(f, side="bilateral", severity=severity, kind="alveolar" if severity == "severe" else "interstitial")


def _atelectasis(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    if rng.random() < 0.22:
        side = _one_side(rng)
        return replace(f, side=side, location="upper lobe", severity="severe", kind="lobar")
    severity = _pick(rng, ("mild", "moderate"))
    return replace(f, side=_side(rng, 0.3), location="base", severity=severity, kind="linear")


def _nodule(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    side = _one_side(rng)
    kind = "multiple" if rng.random() < 0.25 else "single"
    if kind == "multiple":
        return replace(f, side="bilateral", severity=_pick(rng, ("small", "moderate")), kind=kind)
    return replace(f, side=side, location=_lobe(rng, side), severity=_pick(rng, ("small", "moderate")), kind=kind)


def _mass(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    side = _one_side(rng)
    return replace(f, side=side, location=_lobe(rng, side), severity=_pick(rng, ("moderate", "large"), (0.6, 0.4)))


def _emphysema(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    return replace(f, side="bilateral", severity=_pick(rng, ("mild", "moderate", "severe"), (0.3, 0.4, 0.3)))


def _fracture(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    kind = _pick(rng, ("ribs", "clavicle"), (0.6, 0.4))
    return replace(f, side=_one_side(rng), location=kind, kind=kind, severity=_pick(rng, ("mild", "severe")))


def _hernia(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    return replace(f, severity=_pick(rng, ("small", "moderate", "large"), (0.25, 0.35, 0.4)), location="retrocardiac")


def _device(f: FindingInstance, rng: np.random.Generator) -> FindingInstance:
    kind = _pick(rng, _DEVICES, _DEVICE_SHARES)
    sided = {"pacemaker": 0.85, "central line": 0.25, "picc": 0.4, "port": 0.3}
    side = ("left" if rng.random() < sided[kind] else "right") if kind in sided else None
    return replace(f, side=side, kind=kind)


_DESCRIBE = {
    "Cardiomegaly": _cardiomegaly,
    "Pleural Effusion": _effusion,
    "Pneumothorax": _pneumothorax,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Atelectasis": _atelectasis,
    "Nodule": _nodule,
    "Mass": _mass,
    "Emphysema": _emphysema,
    "Fracture": _fracture,
    "Hernia": _hernia,
    "Support Devices": _device,
}
SYNTHETIC_FINDINGS: tuple[str, ...] = tuple(_DESCRIBE)
