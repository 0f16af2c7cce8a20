"""Headers of radiology reports: the spellings that are known, English and Spanish, and the section each starts."""

import re
from difflib import get_close_matches

FINDINGS = "findings"
IMPRESSION = "impression"
ADDENDUM = "addendum"
WET_READ = "wet read"
SIGNATURE = "signature"  # who read and who transcribed: never kept
# Below a header that names the picture only ("PA AND LATERAL VIEWS OF THE CHEST:"); findings if nothing else is.
VIEWS = "examination of the chest"
NARRATIVE = "narrative"  # the same, where a report calls its whole body so
PREAMBLE = ("examination", "indication", "history", "technique", "comparison")

_SPELLINGS = {
    FINDINGS: "finding, findings, findings and impression, findings/impression, findings & impression, "
    "impression and findings, impression/findings, report, interpretation, observations, results, "
    "hallazgo, hallazgos, informe, informe radiologico, descripcion, resultado, resultados, "
    "hallazgos e impresion, lectura",
    IMPRESSION: "impression, impressions, conclusion, conclusions, opinion, impression and recommendation, "
    "impression and recommendations, impression/recommendation, impression/recommendations, impression and plan, "
    "final impression, diagnostic impression, assessment, "
    "impresion, impresiones, impresion diagnostica, impresion radiologica, conclusiones, "
    "juicio diagnostico, diagnostico, diagnostico radiologico, conclusion diagnostica",
    "comparison": "comparison, comparisons, comparison study, comparison studies, comparison exam, "
    "comparison film, comparison films, prior studies, comparacion, estudios previos, estudio previo, "
    "se compara con",
    "indication": "indication, indications, clinical indication, clinical indications, clinical information, "
    "indication for study, reason for exam, reason for the exam, reason for examination, reason for study, "
    "reason for this examination, exam indication, admitting diagnosis, "
    "indicacion, indicaciones, motivo, motivo de consulta, motivo del estudio, motivo de la exploracion, "
    "datos clinicos, informacion clinica, sospecha diagnostica",
    "history": "history, clinical history, patient history, brief history, clinical details, clinical data, "
    "historia, historia clinica, antecedentes",
    "technique": "technique, procedure, procedure comments, tecnica, procedimiento",
    "examination": "exam, examination, study, type of examination, type of exam, exam type, "
    "examen, exploracion, estudio, tipo de estudio",
    "recommendation": "recommendation, recommendations, recomendacion, recomendaciones",
    "notification": "notification, notifications, communication",
    ADDENDUM: "addendum, addenda, adenda, addendum to report, nota adicional",
    WET_READ: "wet read, wet reading, wetread, preliminary read, preliminary report, preliminary findings, "
    "preliminary impression, provisional findings impression, lectura preliminar, informe preliminar",
    NARRATIVE: "narrative",
    "end of impression": "end of impression",
    "summary": "summary, resumen",
    SIGNATURE: "signature, dictated by, signed by, electronically signed by, interpreted by, transcribed by, "
    "approved by, attending radiologist, reading radiologist, accession number, firmado, firmado por, "
    "informado por, medico responsable",
}
_SECTION_OF = {spelling: section for section, listed in _SPELLINGS.items() for spelling in listed.split(", ")}
_TYPED_WRONGLY = ("findings", "impression", "conclusion", "hallazgos")
_ENDINGS = {"findings": FINDINGS, "impression": IMPRESSION, "impressions": IMPRESSION, "hallazgos": FINDINGS}
_KNOWN = "|".join(re.escape(s).replace(r"\ ", r"[ \t]+") for s in sorted(_SECTION_OF, key=len, reverse=True))
_CAPITALS = "|".join(re.escape(s.upper()).replace(r"\ ", r"[ \t]+") for s in sorted(_SECTION_OF, key=len, reverse=True))
_STAMP = r"(?:[ \t]*(?:\([A-Z]{1,4}\)|VERSION[ \t]*#?\d+|#?\d(?!\d)))?"
_MARK = r"[#*]*[ \t]*"
_VIEW_WORDS = re.compile(
    r"\b(?:CHEST|VIEWS?|RADIOGRAPHS?|FRONTAL|LATERAL|PORTABLE|UPRIGHT|SUPINE|AP|PA|"
    r"TORAX|PROYECCION|PROYECCIONES|RADIOGRAFIAS?|PORTATIL|RX)\b"
)
_PLAIN = str.maketrans("áàéèíìóòúùüñÁÀÉÈÍÌÓÒÚÙÜÑ", "aaeeiioouuunAAEEIIOOUUUN")
# On folded text (see `folded`): a known header in capitals before a colon anywhere; at the start of a line or of a
# sentence before a colon in any case, at the start of a line also before a dash, or alone on a line below a paragraph;
# and any words in capitals before a colon at the start of a line.
HEADER = re.compile(
    rf"(?<![\w/-])(?=[A-Z]{{2}})(?P<known>{_CAPITALS}){_STAMP}[ \t*]*:\**"
    rf"|^{_MARK}(?P<line>(?i:{_KNOWN})){_STAMP}(?:[ \t*]*:\**|(?<=[A-Z])[ \t]*[-\u2013\u2014]+[ \t])"
    rf"|(?:\A|(?<=\n\n)|(?<=[.:]\n)){_MARK}(?=[A-Z])(?P<alone>(?i:{_KNOWN})){_STAMP}\**$"
    rf"|(?<=[.!?] )(?=[A-Z])(?P<sentence>(?i:{_KNOWN}))[ \t]*:"
    rf"|^(?P<wet>WET READ|ADDENDUM|ADENDA)\b{_STAMP}(?=[ \t]{{2}}|[ \t]*_)"
    rf"|^(?P<attested>I have (?:personally )?reviewed the (?:image|film|stud)|This report has been anonymized)"
    r"|^(?P<capitals>[A-Z](?:[A-Z0-9 ,.()/&'_#-]|(?<=\d):(?=\d)){2,60}?)[ \t]*:(?!\d)",
    re.MULTILINE,
)


def folded(text: str) -> str:
    """A composed text (NFC) without accents, of the same length."""
    return text.translate(_PLAIN)


def section_of(label: str) -> str:
    """The section that a label stands for ("FINDINGS", "Hallazgos:"); an unknown one is a section of its own name."""
    name = " ".join(folded(label).lower().rstrip(": ").split())
    return _SECTION_OF.get(name) or _nearly(name) or name


def started_section(match: re.Match[str], *, current: str) -> str | None:
    """The section that a match of `HEADER` starts, or None where it is a heading inside the current one."""
    if match["attested"]:
        return SIGNATURE
    words = match["known"] or match["line"] or match["alone"] or match["sentence"] or match["wet"]
    if words is not None:
        return _SECTION_OF[" ".join(words.lower().split())]
    words = " ".join(match["capitals"].split())
    section = _nearly(words.lower())
    if section is not None or current in (FINDINGS, IMPRESSION, VIEWS, ADDENDUM, WET_READ):
        return section
    if _VIEW_WORDS.search(words):
        return VIEWS
    return None if current == NARRATIVE else words.lower()


def _nearly(name: str) -> str | None:
    """The section of a header with a qualifier ("chest findings") or a typing error ("impresson")."""
    last = name.rsplit(" ", 1)[-1]
    if last in _ENDINGS:
        return _ENDINGS[last]
    near = get_close_matches(name, _TYPED_WRONGLY, n=1, cutoff=0.84)
    return _SECTION_OF[near[0]] if near else None
