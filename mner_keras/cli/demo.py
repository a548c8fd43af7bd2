"""`mner demo`."""

from pathlib import Path
from typing import Annotated

from typer import Option

from mner_keras.cli.options import ModelArgument, Weights
from mner_keras.cli.terminal import note, start_keras

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EXAMPLES = 4


def demo(
    model: ModelArgument = Path("pretrained"),
    pictures: Annotated[
        Path | None,
        Option(help="Folder of pictures to swap in. (default: for a model of the sample corpus, its pictures)"),
    ] = None,
    weights: Weights = None,
    host: Annotated[str, Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int | None, Option(min=1, max=65535, help="(default: the first free port from 7860)")] = None,
    open_: Annotated[bool, Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve a page that tags a post with its picture, without it, and with another one.

    Shows the names with their scores, the model's attention, and HSN's gamma. Requires the extra `demo`
    (pip install 'mner-keras[demo]'). By default, only this machine can open the page. Ctrl-C stops the server.
    """
    from mner_keras.views.demo import DemoSession, build_page, describe_run, import_gradio, launch_page
    from mner_keras.vision.pictures import find_pictures

    import_gradio()
    found = find_pictures([pictures])[0] if pictures is not None else {}
    start_keras(all_cores=True)
    from mner_keras.data.datasets import load_dataset
    from mner_keras.models import load_tagger
    from mner_keras.views.case import own_pictures

    tagger, examples = load_tagger(model), []
    visual = tagger.preprocessor.visual
    if visual is not None and visual.extractor == "tiles":
        sample = load_dataset("sample")
        own = own_pictures(sample)
        found = found or own
        posts = [post for post in sample["test"] if post.image_id in own and len(post) < 9][:_EXAMPLES]
        examples = [(" ".join(post.tokens), str(own[post.image_id])) for post in posts]
    session = DemoSession(tagger, found, weights)
    if session.no_pictures:
        note(f"no pictures: {session.no_pictures}")
    if host not in LOOPBACK:
        note(f"served on {host}: everyone who can reach it can use it, without a password")
    page = build_page(session, examples, describe_run(model))
    print(f"{launch_page(page, host, port, open_)} (Ctrl-C to stop)", flush=True)
    page.block_thread()
