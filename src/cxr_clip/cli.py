"""The command `cxr-clip`: the commands by name, and how they end."""

import sys
from collections.abc import Callable

import typer
from typer.core import TyperGroup

from cxr_clip.commands.document import document_app
from cxr_clip.commands.experiments import ablate, learning_curve, reproduce_app
from cxr_clip.commands.explain import explain
from cxr_clip.commands.inspect import inspect
from cxr_clip.commands.model import benchmarks, evaluate, quickstart, recipe, train
from cxr_clip.commands.overlap import overlap
from cxr_clip.commands.prepare import merge, prepare_app
from cxr_clip.commands.search import index_app, search
from cxr_clip.commands.serve import serve
from cxr_clip.commands.share import export, import_weights, push
from cxr_clip.commands.statistics import calibrate, compare
from cxr_clip.commands.synthesize import synthesize_app
from cxr_clip.commands.use import classify, embed, reference
from cxr_clip.errors import AnotherWorkerFailedError, CxrClipError
from cxr_clip.terminal import say_on_stderr

# The commands as the help shows them: in the order in which people come to them.
PANELS: dict[str, tuple[Callable[..., None] | typer.Typer, ...]] = {
    "Start": (quickstart,),
    "Data": (prepare_app, merge, inspect, overlap, synthesize_app),
    "Train and measure": (train, evaluate, benchmarks, compare, calibrate, recipe),
    "Experiments": (ablate, learning_curve, reproduce_app),
    "Use a model": (
        classify,
        explain,
        serve,
        reference,
        embed,
        index_app,
        search,
        import_weights,
        export,
        push,
        document_app,
    ),
}


class InOrder(TyperGroup):
    """The commands in the order of the panels; Typer itself puts those with commands below them last."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """The names of all commands."""
        return [name_of(command) for commands in PANELS.values() for command in commands]


def name_of(command: Callable[..., None] | typer.Typer) -> str:
    """What is typed for it."""
    return str(command.info.name) if isinstance(command, typer.Typer) else command.__name__.replace("_", "-")


app = typer.Typer(
    cls=InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Contrastive language-image pre-training for chest X-rays: from raw downloads to a measured model.",
)
INTERRUPTED = 130
CONTINUING = ("prepare", "merge", "train", "embed", "quickstart", "ablate", "learning-curve", "reproduce")


for _panel, _commands in PANELS.items():
    for _command in _commands:
        if isinstance(_command, typer.Typer):
            app.add_typer(_command, rich_help_panel=_panel)
        else:
            app.command(rich_help_panel=_panel)(_command)


def main() -> None:
    """Run the command; a user's mistake is one sentence and exit code 2, an interruption exit code 130.

    Of several workers one speaks.
    """
    try:
        app()
    except AnotherWorkerFailedError:
        sys.exit(2)
    except CxrClipError as error:
        say_on_stderr(str(error))
        sys.exit(2)
    except SystemExit as ended:
        # Typer turns an interruption into this exit code, without a word.
        if ended.code == INTERRUPTED:
            _say_stopped(sys.argv)
        raise
    except KeyboardInterrupt:
        _say_stopped(sys.argv)
        sys.exit(INTERRUPTED)


def _say_stopped(arguments: list[str]) -> None:
    """Say on stderr what the same command does next time."""
    continues = any(name in CONTINUING for name in arguments[1:2])
    what = "continues where this one stopped" if continues else "starts again"
    say_on_stderr(f"stopped; the same command {what}")
