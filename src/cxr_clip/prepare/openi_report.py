"""Read one Open-I report: its id, its sections, its images, its MeSH terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from cxr_clip.data.reports import sections_from_labelled
from cxr_clip.errors import ReportError


@dataclass(frozen=True)
class OpeniReport:
    """A report as its XML file has it; `id` is "CXR1", `images` are Open-I ids, `terms` the MeSH majors."""

    id: str
    path: str
    sections: Mapping[str, str]
    images: tuple[str, ...]
    terms: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether there is a findings or an impression section."""
        return bool(self.sections.get("findings") or self.sections.get("impression"))


def read_openi_report(root: Path, path: str) -> OpeniReport:
    """Read `path` below `root`. Raises ReportError if it is unreadable, no XML, or not an Open-I report."""
    try:
        data = (root / path).read_bytes()
    except OSError as error:
        raise ReportError(f"the file cannot be read ({error.strerror})") from error
    tree = parse_xml(data)
    if tree.tag != "eCitation":
        raise ReportError("the XML is not an Open-I report (its root is not eCitation)")
    texts = [(part.get("Label"), "".join(part.itertext())) for part in tree.iter("AbstractText")]
    return OpeniReport(
        id=_report_id(tree, path),
        path=path,
        sections=sections_from_labelled(texts),
        images=tuple(dict.fromkeys(name for image in tree.iter("parentImage") if (name := image.get("id")))),
        terms=tuple(term.text.strip() for mesh in tree.iter("MeSH") for term in mesh.iter("major") if term.text),
    )


def parse_xml(data: bytes) -> Element:
    """Parse XML that declares no entities and no document type, so that nothing in it can expand.

    Raises ReportError with a plain reason.
    """
    if not data.strip():
        raise ReportError("the file is empty")
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        tree: Element = builder.close()
    except expat.ExpatError as error:
        raise ReportError(f"the XML is broken ({expat.ErrorString(error.code)})") from error
    except LookupError as error:
        raise ReportError("the XML is broken (its encoding is unknown)") from error
    return tree


def _refuse(*_: object) -> None:
    raise ReportError("the XML declares a document type, which no Open-I report does")


def _report_id(tree: Element, path: str) -> str:
    """The uId; where it is missing the file's number."""
    identifier = tree.find("uId")
    name = identifier.get("id") if identifier is not None else None
    stem = Path(path).stem
    return name or (f"CXR{stem}" if stem.isdigit() else stem)
