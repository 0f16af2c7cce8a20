"""The reference of the public Python names: signatures and docstrings as they stand in the source, nothing imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LINE = 88


@dataclass(frozen=True)
class ReferencePage:
    """A page: its name and title, and names as "module:name"."""

    name: str
    title: str
    names: tuple[str, ...]


PAGES = (
    ReferencePage("model", "A model", ("cxr_clip:load", "cxr_clip.embed:Embedder")),
    ReferencePage(
        "answers",
        "Answers",
        (
            "cxr_clip.classify:Classification",
            "cxr_clip.classify:FindingScore",
            "cxr_clip.data.prompts:ZeroShotPrompt",
            "cxr_clip.calibration:Calibration",
            "cxr_clip.calibration:FindingCalibration",
            "cxr_clip.calibration:Probability",
            "cxr_clip.calibration:Answer",
            "cxr_clip.calibration:read_calibration",
            "cxr_clip.explain:Explanation",
            "cxr_clip.explain:TextMap",
            "cxr_clip.standards.results:results_of",
            "cxr_clip.standards.results:Results",
            "cxr_clip.standards.fhir:fhir_bundle",
            "cxr_clip.standards.dicom_sr:structured_report",
        ),
    ),
    ReferencePage(
        "search",
        "Embeddings and search",
        (
            "cxr_clip.embeddings_file:read_embeddings",
            "cxr_clip.embeddings_file:Embeddings",
            "cxr_clip.embed_manifest:embed_manifest",
            "cxr_clip.search.folder_index:build_index",
            "cxr_clip.search.folder_index:FolderIndex",
            "cxr_clip.search.vector_index:VectorIndex",
            "cxr_clip.search.vector_index:Wanted",
            "cxr_clip.search.vector_index:Hit",
        ),
    ),
    ReferencePage(
        "data",
        "Data",
        (
            "cxr_clip.study:Study",
            "cxr_clip.study:ImageFile",
            "cxr_clip.study:Certainty",
            "cxr_clip.study:Split",
            "cxr_clip.study:View",
            "cxr_clip.data.manifest:read_manifest",
            "cxr_clip.data.manifest:Manifest",
            "cxr_clip.data.store:ImageStore",
            "cxr_clip.data.reports:split_sections",
            "cxr_clip.data.labeller:label_report",
            "cxr_clip.data.findings:canonical",
        ),
    ),
    ReferencePage(
        "training",
        "Training",
        (
            "cxr_clip.recipe:load_recipe",
            "cxr_clip.recipe:Recipe",
            "cxr_clip.recipe.data:DataSettings",
            "cxr_clip.recipe.model:ModelSettings",
            "cxr_clip.recipe.train:LossSettings",
            "cxr_clip.recipe.train:TrainSettings",
            "cxr_clip.losses:info_nce",
            "cxr_clip.losses:study_contrast",
            "cxr_clip.train.train_run:train_run",
            "cxr_clip.published.import_weights:import_weights",
            "cxr_clip.export.write_onnx:export_onnx",
        ),
    ),
    ReferencePage(
        "figures",
        "Figures",
        (
            "cxr_clip.metrics:auroc",
            "cxr_clip.metrics:average_precision",
            "cxr_clip.evaluate.statistics:Estimate",
            "cxr_clip.evaluate.statistics:patient_bootstrap_weights",
            "cxr_clip.evaluate.delong:areas",
            "cxr_clip.evaluate.contract:Benchmark",
            "cxr_clip.evaluate.evaluate_run:evaluate_run",
            "cxr_clip.errors:CxrClipError",
        ),
    ),
)


def overview() -> str:
    """The page that lists the others."""
    rows = [f"| [{page.title}]({page.name}.md) | {_listed(page)} |" for page in PAGES]
    return "\n".join(
        [
            "# Python",
            "",
            "`import cxr_clip` is quick and imports no torch; `cxr_clip.load` does. Records are frozen. A mistake of "
            "the caller raises a child of `cxr_clip.errors.CxrClipError` whose message says how to mend it.",
            "",
            "| page | names |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def reference(page: ReferencePage, source: Path) -> str:
    """A page of the reference as Markdown. Raises LookupError for a name that its module does not define."""
    parts = [f"# {page.title}", ""]
    for address in page.names:
        module, _, name = address.partition(":")
        parts += _described(find(module, name, source), module)
    return "\n".join(parts)


def find(module: str, name: str, source: Path) -> ast.ClassDef | ast.FunctionDef:
    """The definition of a name, in its module or in a module of its package that the package takes it from."""
    path = source.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return find(node.module, name, source)
    raise LookupError(f"{module} does not define {name}: mend docs_site/reference.py")


def _listed(page: ReferencePage) -> str:
    return ", ".join(f"`{address.partition(':')[2]}`" for address in page.names)


def _described(node: ast.ClassDef | ast.FunctionDef, module: str) -> Iterator[str]:
    yield f"## {node.name}"
    yield f"\n`from {module} import {node.name}`\n"
    if isinstance(node, ast.FunctionDef):
        yield from _code([_signature(node, node.name)])
        yield f"{ast.get_docstring(node) or ''}\n"
        return
    fields = [ast.unparse(one) for one in node.body if isinstance(one, ast.AnnAssign) and _public(one.target)]
    values = [ast.unparse(one) for one in node.body if isinstance(one, ast.Assign) and _public(one.targets[0])]
    if fields or values:
        yield from _code([*fields, *values])
    yield f"{ast.get_docstring(node) or ''}\n"
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
            yield f"### {node.name}.{method.name}\n"
            kinds = {ast.unparse(one) for one in method.decorator_list}
            if kinds & {"property", "cached_property"}:
                yield from _code([f"{method.name}: {ast.unparse(method.returns) if method.returns else ''}"])
            else:
                yield from _code([_signature(method, method.name)])
            yield f"{ast.get_docstring(method) or ''}\n"


def _signature(function: ast.FunctionDef, name: str) -> str:
    """The signature as in the source; too long for a line, one argument a line."""
    arguments = function.args
    for part in (arguments.posonlyargs, arguments.args):
        if part and part[0].arg in ("self", "cls"):
            del part[0]
    ending = f") -> {ast.unparse(function.returns)}" if function.returns else ")"
    whole = f"{name}({ast.unparse(arguments)}{ending}"
    if len(whole) <= _LINE:
        return whole
    return "\n".join([f"{name}(", *(f"    {one}," for one in _arguments(arguments)), ending])


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    named = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(named) - len(arguments.defaults)) + list(arguments.defaults)
    for one, default in zip(named, defaults, strict=True):
        yield _argument(one, default)
    if arguments.vararg:
        yield f"*{ast.unparse(arguments.vararg)}"
    elif arguments.kwonlyargs:
        yield "*"
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(one, default)


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(one) + (f" = {ast.unparse(default)}" if default is not None else "")


def _public(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and not target.id.startswith("_")


def _code(lines: list[str]) -> list[str]:
    return ["```python", *lines, "```", ""]
