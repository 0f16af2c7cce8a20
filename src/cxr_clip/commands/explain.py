"""The command that shows where in an image a text is supported."""

from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Always, AsJson, Device, PromptFile, RunFolder, Style
from cxr_clip.commands.use import ABSTAINED
from cxr_clip.terminal import say, say_explanation, show_explanation


def explain(
    run: RunFolder,
    image: Annotated[Path, typer.Argument(help="A PNG, JPEG, DICOM or other image file.")],
    *,
    text: Annotated[
        list[str] | None, typer.Option(help="A text of your own; give the option once for each.", show_default=False)
    ] = None,
    finding: Annotated[
        list[str] | None,
        typer.Option(help="A finding, by its prompts; give the option once for each.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="The PNG file to write.")] = Path("map.png"),
    style: Style = None,
    prompts: PromptFile = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="How maps are made: parts or gradient.",
            show_default="parts where the model pools by the mean, else gradient",
        ),
    ] = None,
    always: Always = False,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Draw where in an image the score of texts or findings comes from.

    A map says what each place adds to the score. It is no outline of a finding
    and no proof that it is there: a map is as vivid where the text is wrong.

    Research only, not for any decision about a patient.

    Exit code 2: a mistake, which is named; 3: the picture does not look like a
    chest X-ray, and nothing is written.

    Example: cxr-clip explain runs/openi chest.dcm --finding Cardiomegaly --out map.png
    """
    from cxr_clip.data.prompts import ZeroShotPrompt
    from cxr_clip.embed import load
    from cxr_clip.errors import EmbeddingInputError
    from cxr_clip.evaluate.prompt_styles import choose_style
    from cxr_clip.overlay import write_overlay
    from cxr_clip.whole_files import refuse_places

    questions: list[str | ZeroShotPrompt] = [
        *(finding or []),
        *(ZeroShotPrompt(one, positive=(one,), negative=()) for one in text or []),
    ]
    if not questions:
        raise EmbeddingInputError("there is nothing to look for: give --text or --finding")
    if any(not one.strip() for one in text or []):
        raise EmbeddingInputError("a text is empty: write something in it, or leave --text out")
    refuse_places([out], kept=[image])
    style = choose_style(style, prompts)
    model = load(run, device=device)
    explanation = model.explain(image, questions, style=style, prompts=prompts, method=method)
    if explanation.doubts and not always:
        if as_json:
            say_explanation(explanation, None)
        else:
            why = "; ".join(explanation.doubts)
            say(f"{explanation.name}: the model abstains: {why}; --always draws it nevertheless")
        raise typer.Exit(ABSTAINED)
    write_overlay(out, explanation)
    if as_json:
        say_explanation(explanation, out)
    else:
        show_explanation(explanation, out)
