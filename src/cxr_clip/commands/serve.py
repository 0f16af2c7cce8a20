"""The command that puts a model behind HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Device, RunFolder
from cxr_clip.terminal import say, say_on_stderr
from cxr_clip.web.limits import Limits


def serve(
    run: RunFolder,
    *,
    index: Annotated[
        Path | None, typer.Option(help="The folder of an index to search in.", show_default="none")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="A manifest folder with pictures of the index; give the option once for each.", show_default="none"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0: all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0: any that is free.", min=0, max=65535)] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name by which the server is called; give the option once for each.", show_default="none"
        ),
    ] = None,
    file_bytes: Annotated[int, typer.Option(help="Most bytes of a file.", min=1)] = Limits.file_bytes,
    files: Annotated[int, typer.Option(help="Most pictures of a request.", min=1)] = Limits.files,
    pixels: Annotated[int, typer.Option(help="Most pixels of a picture.", min=1)] = Limits.pixels,
    texts: Annotated[int, typer.Option(help="Most texts of a request.", min=1)] = Limits.texts,
    text_characters: Annotated[int, typer.Option(help="Most characters of a text.", min=1)] = Limits.text_characters,
    results: Annotated[int, typer.Option(help="Most studies that a search may ask for.", min=1)] = Limits.results,
    seconds: Annotated[
        float, typer.Option(help="Most seconds from the last header of a request to its answer.", min=0.1)
    ] = Limits.seconds,
    requests: Annotated[
        int, typer.Option(help="Most requests in work or waiting; more are turned away.", min=1)
    ] = Limits.requests,
    held_bytes: Annotated[int, typer.Option(help="Most bytes of all uploads in memory.", min=1)] = Limits.held_bytes,
    batch: Annotated[int, typer.Option(help="Most images that go through the encoder together.", min=1)] = Limits.batch,
    wait: Annotated[float, typer.Option(help="Most seconds that an image waits for others.", min=0.0)] = Limits.wait,
    threads: Annotated[
        int | None, typer.Option(help="Threads that read pictures.", min=1, show_default="one for each core")
    ] = None,
    device: Device = "auto",
) -> None:
    """Serve a model over HTTP, with a page for people, until it is stopped (Ctrl-C or SIGTERM).

    Research only, not for any decision about a patient.

    It listens on this machine alone unless --host says otherwise. It has no
    log-in and no encryption of its own, and keeps nothing that it is sent.

    Example: cxr-clip serve runs/openi --index openi.index --data data/openi
    """
    from cxr_clip.web.packages import require_packages

    require_packages()
    import os

    from cxr_clip.embed import load
    from cxr_clip.web.app import build_app
    from cxr_clip.web.guard import allowed_hosts, is_loopback
    from cxr_clip.web.server import listening, log_to_stderr, run_server
    from cxr_clip.web.service import open_served

    limits = Limits(
        file_bytes=file_bytes,
        files=files,
        pixels=pixels,
        texts=texts,
        text_characters=text_characters,
        results=results,
        seconds=seconds,
        requests=requests,
        held_bytes=held_bytes,
        batch=batch,
        wait=wait,
        threads=threads or os.cpu_count() or 1,
    )
    with listening(host, port) as at:
        served = open_served(run, load(run, device=device), index, data or [])
        app = build_app(served, limits, allowed_hosts(host, allow_host or []))
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{at.getsockname()[1]}/"
        if not is_loopback(host):
            say_on_stderr(
                f"{address} is reached from other machines, without log-in or encryption: put a proxy in front"
            )
        log_to_stderr()
        run_server(
            app, at, requests=requests, seconds=seconds, started=lambda: say(f"{run} at {address} (Ctrl-C stops it)")
        )
    say("stopped")
