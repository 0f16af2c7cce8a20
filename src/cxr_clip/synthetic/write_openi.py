"""The made-up world in the raw layout of Open-I: XML reports, PNG images, a table of projections."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from cxr_clip.study import Box, View
from cxr_clip.synthetic.acquisition import draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.files import Truth, png, write_whole
from cxr_clip.synthetic.house_styles import HouseStyle, Report, write_report
from cxr_clip.synthetic.mesh import mesh_terms
from cxr_clip.synthetic.openi_faults import plant_in_openi
from cxr_clip.synthetic.pathology import FindingInstance, draw_findings
from cxr_clip.synthetic.processes import in_order
from cxr_clip.synthetic.render import Patient, render
from cxr_clip.synthetic.world import World, begin, finish

_STREAM = 1
_SERIES = (("1001", "2001", "1002"), ("4001", "3001", "4002"), ("0001-0001", "0001-0002", "0001-0003"))


@dataclass(frozen=True)
class OpeniJob:
    """One study to write: number `index` of the world with that seed."""

    out: Path
    seed: int
    index: int
    image_size: int
    style: HouseStyle | None = None


def synthesize_openi(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    style: HouseStyle | None = None,
    faults: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `studies` studies as Open-I is distributed, with truth.jsonl beside them.

    Study k depends on (seed, k) alone. `image_size` is the short side in pixels; `progress` hears how many are done.
    Without a `style` each report has one of its own; with another style the pictures and findings stay the same.
    With `faults` there are further reports and images with one thing wrong each, which faults.jsonl lists. A world
    that is there already is passed over; one that was begun is drawn again from its start, byte for byte.

    Raises SourceError where the folder holds anything else, or processes for drawing fail.
    """
    named = f"openi{f' in the style {style}' if style else ''}{' with faults' if faults else ''}"
    world = World(named, studies, seed, image_size)
    if not begin(out, world, progress):
        return
    jobs = (OpeniJob(out, seed, k, image_size, style) for k in range(studies))
    rows, lines = ["uid,image_id,projection\r\n"], []
    for truth in in_order(write_openi_study, jobs, processes=processes, progress=progress):
        lines.append(truth.line())
        number = truth.study.removeprefix("CXR")
        for image, view in zip(truth.images, truth.views, strict=True):
            rows.append(f"{number},{image},{'Lateral' if view == View.LATERAL else 'Frontal'}\r\n")
    write_whole(out / "projections.csv", "".join(rows).encode())
    write_whole(out / "truth.jsonl", "".join(lines).encode())
    if faults:
        plant_in_openi(out)
    finish(out, world)


def openi_report(seed: int, index: int, style: HouseStyle | None = None) -> Report:
    """The report of one study of the world with that seed, in a style; the study need not have been written in it."""
    body_rng, finding_rng, _, text_rng = _generators(seed, index)
    body = draw_body(body_rng)
    return write_report(draw_findings(finding_rng), text_rng, age=body.age, sex=body.sex, style=style)


def _generators(seed: int, index: int) -> tuple[np.random.Generator, ...]:
    """For body, findings, views and texts of a study."""
    return tuple(np.random.default_rng([seed, _STREAM, index, n]) for n in range(4))


def write_openi_study(job: OpeniJob) -> Truth:
    """Write the images and the report of one study, and return what was drawn."""
    body_rng, finding_rng, view_rng, text_rng = _generators(job.seed, job.index)
    body = draw_body(body_rng)
    findings = draw_findings(finding_rng)
    patient = Patient(body, int(body_rng.integers(2**31)))
    views = _views(findings, view_rng)
    names = _names(job.index, views, view_rng)
    boxes: list[Box] = []
    for number, (name, view) in enumerate(zip(names, views, strict=True)):
        pose, exposure = draw_pose(view_rng, view, body.scale), draw_exposure(view_rng, view)
        shot = render(patient, findings, pose, exposure, short_side=job.image_size, image=number)
        coloured = view_rng.random() < 0.02
        picture = np.repeat(shot.picture[..., None], 3, axis=2) if coloured else shot.picture
        write_whole(job.out / "images" / f"{name}.png", png(picture))
        boxes += shot.boxes
    report = write_report(findings, text_rng, age=body.age, sex=body.sex, style=job.style)
    uid = str(job.index + 1)
    # Terms in a style have draws of their own: the same in every style.
    term_rng = text_rng if job.style is None else np.random.default_rng([job.seed, _STREAM, job.index, 4])
    xml = _document(uid, report, mesh_terms(findings, term_rng), names)
    write_whole(job.out / "ecgen-radiology" / f"{uid}.xml", xml.encode())
    return Truth(f"CXR{uid}", f"CXR{uid}", tuple(names), tuple(views), findings, tuple(boxes))


def _views(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> list[View]:
    """Mostly PA and lateral; one view where the patient cannot stand."""
    bedside = any(f.kind in ("endotracheal tube", "enteric tube", "central line") for f in findings)
    draw = rng.random()
    if bedside and draw < 0.7:
        return [View.AP]
    if draw < 0.12:
        return [View.PA]
    if draw < 0.16:
        return [View.PA, View.LATERAL, View.PA]
    return [View.PA, View.LATERAL]


def _names(index: int, views: list[View], rng: np.random.Generator) -> list[str]:
    """Image ids such as CXR7_IM-0007-1001; in some series the lateral view comes first by name."""
    frontal, lateral, second = _SERIES[int(rng.choice(3, p=[0.75, 0.15, 0.10]))]
    stem = f"CXR{index + 1}_IM-{index % 9999 + 1:04d}"
    free = [frontal, second]
    return [f"{stem}-{lateral if view is View.LATERAL else free.pop(0)}" for view in views]


def _document(uid: str, report: Report, terms: list[str], images: list[str]) -> str:
    """The XML of one study, element by element as in the real collection."""
    abstract = "\n".join(
        f'            <AbstractText Label="{label}">{escape(text)}</AbstractText>'
        if text
        else f'            <AbstractText Label="{label}"/>'
        for label, text in (
            ("COMPARISON", report.comparison),
            ("INDICATION", report.indication),
            ("FINDINGS", report.findings),
            ("IMPRESSION", report.impression),
        )
    )
    majors = "\n".join(f"      <major>{escape(term)}</major>" for term in terms)
    pictures = "\n".join(_parent_image(name, number) for number, name in enumerate(images, 1))
    return _XML.format(uid=uid, quoted=quoteattr(f"CXR{uid}"), abstract=abstract, majors=majors, pictures=pictures)


def _parent_image(name: str, number: int) -> str:
    return f"""   <parentImage id={quoteattr(name)}>
      <figureId>F{number}</figureId>
      <caption>Xray Chest PA and Lateral</caption>
      <panel type="single">
         <url>/synthetic/{name}.jpg</url>
         <imgModality>7</imgModality>
      </panel>
   </parentImage>"""


_XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
   <meta type="rr"/>
   <uId id={quoted}/>
   <pmcId id="{uid}"/>
   <docSource>CXR</docSource>
   <IUXRId id="{uid}"/>
   <licenseType>open-access</licenseType>
   <articleType>XR</articleType>
   <publisher>CXR-CLIP synthetic world</publisher>
   <title>Synthetic Chest X-ray Collection</title>
   <note>Made-up patients: drawn and written by a program.</note>
   <specialty>pulmonary diseases</specialty>
   <subset>CXR</subset>
   <MedlineCitation Owner="CXR-CLIP" Status="synthetic">
      <Article PubModel="Electronic">
         <ArticleTitle>Synthetic Chest X-ray Collection</ArticleTitle>
         <Abstract>
{abstract}
         </Abstract>
         <Language>eng</Language>
         <PublicationTypeList>
            <PublicationType>Radiology Report</PublicationType>
         </PublicationTypeList>
      </Article>
   </MedlineCitation>
   <MeSH>
{majors}
   </MeSH>
{pictures}
</eCitation>
"""
