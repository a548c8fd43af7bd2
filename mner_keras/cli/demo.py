"""`mner demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EXAMPLES = 4


def demo(
    model: Annotated[Path, typer.Argument(help="A .keras file or a run's folder.", show_default=False)],
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Folder of pictures to swap in. (default: the sample corpus' for a model of it)", show_default=False
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="The extractor's weights. (default: those that the model's store names)", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="(default: the first free one from 7860)", show_default=False)
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve a page that finds the names in a post: with its picture, without it, with another one.

    Shows the names with their scores, what the model attended to, and HSN's gamma. Needs the extra `demo`
    (pip install 'mner-keras[demo]'). Serves this machine alone unless `--host` says otherwise; ends with Ctrl-C.
    """
    from mner_keras.demo.page import build_page, import_gradio, launch_page
    from mner_keras.vision.pictures import find_pictures

    import_gradio()
    found = find_pictures([pictures])[0] if pictures is not None else {}
    from mner_keras.cli.keras_start import start_keras

    start_keras(all_cores=True)
    from mner_keras.demo.answering import Answering
    from mner_keras.saving import load_tagger

    tagger = load_tagger(model)
    examples: list[tuple[str, str | None]] = []
    visual = tagger.preprocessor.visual
    if visual is not None and visual.extractor == "tiles":
        from mner_keras.data.datasets import load_dataset

        sample = load_dataset("sample")
        own = find_pictures([sample.pictures()])[0]
        found = found or own
        posts = [post for post in sample["test"] if post.image_id in own and len(post) < 9][:_EXAMPLES]
        examples = [(" ".join(post.tokens), str(own[post.image_id])) for post in posts]
    answering = Answering(tagger, found, weights)
    if answering.no_pictures:
        print(f"no pictures: {answering.no_pictures}", file=sys.stderr)
    if host not in LOOPBACK:
        print(f"served on {host}: whoever reaches it may use it, without a password", file=sys.stderr)
    page = build_page(answering, tagger.name, examples)
    print(f"{launch_page(page, host, port, open_)} (Ctrl-C ends it)", flush=True)
    page.block_thread()
