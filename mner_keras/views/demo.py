"""The demo: a gradio page that tags a post with its picture, without it, and with another one (extra `demo`)."""

import base64
import binascii
import dataclasses
import os
import threading
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.run.run import Run
from mner_keras.text import TaggerDataMissing
from mner_keras.views.post_view import PostView, render, show, style_sheet
from mner_keras.vision.extraction import load_extractor
from mner_keras.vision.pictures import PictureError, open_picture

if TYPE_CHECKING:
    from mner_keras.tagger import Tagger

MOST_CHARACTERS = 5000  # of a post on the page


class DemoSession:
    """Tags one post at a time, with or without a picture.

    Args:
        pictures: pictures to swap in, paths by id.
        weights: the file of the extractor's weights; by default, the published weights.

    `extractor` turns pictures into features; for a model that takes none it is `None`, and `no_pictures` says why.
    """

    def __init__(
        self, model: "Tagger", pictures: Mapping[str, Path] | None = None, weights: str | Path | None = None
    ) -> None:
        self.model = model
        self.pictures = [str(path) for path in (pictures or {}).values()]
        self.extractor, self.no_pictures = None, ""
        try:
            self.extractor = load_extractor(model.preprocessor.visual, weights)
        except InputError as error:
            if weights is not None:
                raise
            self.no_pictures = str(error)
        self._lock = threading.Lock()

    def tag(self, text: str, picture: str | Path | bytes | None = None) -> PostView:
        """Tag a post with the picture at a path or in a file's bytes, or with none.

        No words, too many characters, an unreadable picture, a picture for a model that takes none, and missing NLTK
        data for a model that needs parts of speech raise `InputError`.
        """
        if len(text) > MOST_CHARACTERS:
            raise InputError(f"expected a post of at most {MOST_CHARACTERS:,} characters, found {len(text):,}")
        if picture is not None and self.extractor is None:
            raise InputError(self.no_pictures)
        pictures = None if picture is None else [open_picture(picture)]
        try:
            post = Post.from_text(" ".join(text.split()))
        except ValueError:
            raise InputError("expected a post, found no words: type one first") from None
        try:
            with self._lock:
                return show(self.model, [post], pictures=pictures, extractor=self.extractor)
        except TaggerDataMissing as error:
            raise InputError(str(error)) from None

    def next_picture(self, picture: str | None) -> str | None:
        """Return the picture after another one, in the order of their ids; `None` if there are none to swap in."""
        place = self.pictures.index(picture) + 1 if picture in self.pictures else 0
        return self.pictures[place % len(self.pictures)] if self.pictures else None


def describe_run(path: str | Path) -> str:
    """Return the data and the test F1 of a model's run, for the page's header; empty for a model without a run."""
    try:
        run = Run(path if Path(path).is_dir() else Path(path).parent)
        return f"trained on {run.dataset.name}; F1 {run.metrics['test']['micro']['f1']:.2f} on its test posts"
    except (InputError, AttributeError):
        return ""


def build_page(session: DemoSession, examples: Sequence[tuple[str, str | None]] = (), about: str = "") -> Any:
    """Return the page as a gradio app, whose JSON route `tag` returns the names in a text; `InputError` without gradio.

    `examples` are posts to start with, and the paths of their pictures. The header contains what is said `about` the
    model (`describe_run`).
    """
    gradio = import_gradio()
    sees = session.extractor is not None

    def respond(text: str, picture: dict | None, before: tuple[str, str] | None):
        """The message, the answer's HTML, the answer to compare the next one with, and the picture that remains."""
        path = picture and picture["path"]
        try:
            view = session.tag(text or "", path)
        except InputError as error:  # the last answer remains, and a picture that can be read
            kept = None if isinstance(error, PictureError) else gradio.skip()
            return error_html(str(error), path), gradio.skip(), gradio.skip(), kept
        seen = f"With {escape(Path(path).name)}" if path else "Without a picture"
        html = shown = f'<section id="mner-answer"><h2>{seen}</h2>{view.body()}</section>'
        if before is not None and before[0] == text and before[1] != html:
            # Both answers may show the same post, and each has its own group of radio buttons.
            earlier = before[1].replace('name="post-', 'name="before-')
            shown += earlier.replace('id="mner-answer"><h2>', 'id="mner-before"><h2>Before: ')
        return "", f'<div class="mner-answers">{shown}</div>', (text, html), gradio.skip()

    def change_picture(text: str, picture: dict | None, before: Any):
        """Tag the post again; without a post, only report a picture that cannot be read."""
        message, *others = respond(text, picture, before)
        return "" if not (text or "").strip() and others[-1] is not None else message, *others

    def names(text: str, picture: str) -> list[dict]:
        """The names in a text: type, text, place, score of each; `picture` is a picture's file in base64, or empty."""
        try:
            (case,) = session.tag(text, base64.b64decode(picture, validate=True) if picture else None).cases
        except binascii.Error:
            raise gradio.Error("expected a picture's file in base64") from None
        except InputError as error:
            raise gradio.Error(str(error)) from None
        return [dataclasses.asdict(entity) for entity in case.entities]

    name, types = session.model.name, session.model.preprocessor.types
    gradio.set_static_paths([*session.pictures, *(path for _, path in examples if path)])
    # Gradio opens no picture, because `open_picture` reports what is wrong with it.
    raw = {"preprocess": False, "api_visibility": "private"}
    with gradio.Blocks(title=f"{name}: names in a post", analytics_enabled=False) as page:
        gradio.HTML(render("demo_header.html.j2", title=name, about=about, types=types))
        before = gradio.State(None)
        with gradio.Row():
            with gradio.Column(scale=2, min_width=300):
                text = gradio.Textbox(
                    label="Post", lines=3, max_lines=8, elem_id="mner-text", placeholder="Type a post"
                )
                picture = gradio.Image(
                    label="Picture",
                    type="filepath",
                    sources=["upload", "clipboard"],
                    buttons=[],
                    height=220,
                    visible=sees,
                    elem_id="mner-picture",
                    placeholder="Drop a picture here, or click",
                    alt_text="The picture of the post",
                )
                with gradio.Row():
                    find = gradio.Button("Find names", variant="primary", elem_id="mner-find", min_width=120)
                    swaps = sees and bool(session.pictures)
                    swap = gradio.Button("Other picture", elem_id="mner-swap", visible=swaps, min_width=120)
                if not sees:
                    gradio.HTML(f'<p class="mner-note">No pictures: {escape(session.no_pictures)}.</p>')
            with gradio.Column(scale=3, min_width=300):
                message = gradio.HTML(elem_id="mner-message")
                answer = gradio.HTML(render("demo_empty.html.j2", sees=sees), elem_id="mner-out")
                inputs, outputs = [text, picture, before], [message, answer, before, picture]
                if examples:
                    gradio.HTML('<h2 class="mner-head">Examples</h2>')
                with gradio.Row(elem_id="mner-examples"):
                    for words, path in examples:
                        example = words, path if sees else None
                        card = gradio.Button(words, icon=example[1], size="sm", min_width=130)
                        chosen = card.click(lambda example=example: example, None, [text, picture], **raw)
                        chosen.then(respond, inputs, outputs, **raw)
        gradio.on([find.click, text.submit], respond, inputs, outputs, **raw)
        gradio.on([picture.upload, picture.clear], change_picture, inputs, outputs, **raw)
        swapped = swap.click(lambda one: session.next_picture(one and one["path"]), picture, picture, **raw)
        swapped.then(change_picture, inputs, outputs, **raw)
        gradio.api(names, api_name="tag", queue=False)
    return page


def launch_page(page: Any, host: str, port: int | None, browser: bool = False) -> str:
    """Serve a page, which asks no other machine, and return its address; raise `InputError` for a port in use."""
    gradio = import_gradio()
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            inbrowser=browser,
            prevent_thread_lock=True,
            ssr_mode=False,
            footer_links=[],
            max_file_size="50mb",
            theme=gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=style_sheet("post.css", "demo.css"),
            head=f"<style>{style_sheet('demo_theme.css')}</style>",  # gradio would put its own selector before these
        )
    except OSError as error:
        raise InputError(f"cannot serve on {host}, port {port or '7860 to 7959'}: {error}") from None
    return address


def import_gradio() -> Any:
    """Import gradio with its analytics off; raises `InputError` if it is not installed."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import gradio
    except ImportError:
        raise InputError("the demo needs gradio, which is not installed: pip install 'mner-keras[demo]'") from None
    return gradio


def error_html(message: str, path: str | None = None) -> str:
    """An error as HTML, with the name of an uploaded file in place of its temporary path."""
    message = message if path is None else message.replace(str(path), Path(path).name)
    return f'<div role="alert" class="mner-error">{escape(message)}</div>'
