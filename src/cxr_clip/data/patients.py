"""A part of a manifest's patients: the first of an order that a seed decides; larger parts hold the smaller ones."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from cxr_clip.data.manifest import Manifest


def first_patients(manifest: Manifest, fraction: float, *, seed: int) -> Manifest:
    """Return all studies of the first `fraction` of the patients, of one at least; studies keep their order.

    A patient's place in the order is a hash of seed and name: the same in every manifest, whatever else is in it.
    """
    patients = pc.unique(manifest.table["patient"]).to_pylist()
    patients.sort(key=lambda patient: hashlib.sha256(f"{seed} {patient}".encode()).digest())
    taken = patients[: max(1, round(fraction * len(patients)))]
    chosen = pc.is_in(manifest.table["patient"], pa.array(taken, pa.string()))
    return Manifest(manifest.root, manifest.table.filter(chosen))
