"""The demo: a gradio page that tags a post with its picture, without it, and with another one (extra `demo`)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.text import TaggerDataMissing
from mner_keras.views.case import make_cases
from mner_keras.views.post_view import PostView
from mner_keras.vision.extraction import PictureFeatures
from mner_keras.vision.extractors import load_extractor
from mner_keras.vision.pictures import open_picture

if TYPE_CHECKING:
    from mner_keras.tagger import Tagger

MOST_CHARACTERS = 5000
"""Characters that a post may have on the page."""

_ID = "picture"
_INTRODUCTION = """# Names in a post

Type a post, add its picture, and see the names that the model finds. *Other picture* and *No picture* tag the same
post again; the previous answer remains below for comparison.
"""
_ERROR = "border-left: 4px solid #b00020; padding: .4rem .8rem; background: #fdecee; color: #5c0010"


class DemoSession:
    """Tags one post at a time, with or without a picture.

    Args:
        model: a model.
        pictures: pictures to swap in, paths by id.
        weights: the file of the extractor's weights; by default, the published weights.

    Attributes:
        extractor: turns pictures into the model's features; `None` for a model that takes no pictures.
        no_pictures: why the model takes none; empty if it does.
    """

    def __init__(
        self, model: Tagger, pictures: Mapping[str, Path] | None = None, weights: str | Path | None = None
    ) -> None:
        self.model = model
        self.pictures = dict(pictures or {})
        self.no_pictures = ""
        self.extractor: Any = None
        try:
            self.extractor = load_extractor(model.preprocessor.visual, weights)
        except InputError as error:
            if weights is not None:
                raise
            self.no_pictures = str(error)
        self._lock = threading.Lock()

    def tag(self, text: str, picture: str | Path | None = None) -> PostView:
        """Tag a post.

        Args:
            text: the post.
            picture: the path of its picture.

        Raises:
            InputError: no words, too many characters, an unreadable picture, a picture for a model that takes none, or
                missing NLTK data for a model that needs parts of speech.
        """
        if len(text) > MOST_CHARACTERS:
            raise InputError(f"expected a post of at most {MOST_CHARACTERS:,} characters, found {len(text):,}")
        try:
            post = Post.from_text(" ".join(text.split()))
        except ValueError:
            raise InputError("expected a post, found no words: type one first") from None
        pictures, features = {}, None
        if picture is not None:
            if self.extractor is None:
                raise InputError(self.no_pictures)
            pictures = {_ID: open_picture(picture)}
            features = PictureFeatures(pictures, self.extractor)
            post = Post(post.tokens, image_id=_ID, text=post.text, offsets=post.offsets)
        try:
            with self._lock:
                return PostView(make_cases(self.model, [post], features, pictures))
        except TaggerDataMissing as error:
            raise InputError(str(error)) from None

    def next_picture(self, picture: str | None) -> str | None:
        """Return the picture after another one, in the order of their ids; `None` if there are none to swap in."""
        paths = [str(path) for path in self.pictures.values()]
        if not paths:
            return None
        return paths[(paths.index(picture) + 1) % len(paths)] if picture in paths else paths[0]


def build_page(session: DemoSession, title: str, examples: Sequence[tuple[str, str | None]] = ()) -> Any:
    """Return the page as a gradio app.

    Args:
        session: tags the posts.
        title: the model's name.
        examples: posts to start with, and the paths of their pictures.

    Raises:
        InputError: gradio is not installed.
    """
    gradio = import_gradio()
    sees = session.extractor is not None

    def tag(text: str, picture: str | None, before: tuple[str, str] | None):
        """The answer's HTML, and the answer to compare the next one with."""
        try:
            view = session.tag(text or "", picture)
        except InputError as error:
            return error_html(str(error), picture), before
        seen = f"with the picture {Path(picture).name}" if picture else "without a picture"
        answer = f"<p><b>{escape(seen.capitalize())}</b></p>{view._repr_html_()}"
        earlier = ""
        if before is not None and before[0] == text and before[1] != answer:
            earlier = f'<hr><section id="mner-before"><p>Before:</p>{before[1]}</section>'
        return f'<section id="mner-answer">{answer}</section>{earlier}', (text, answer)

    def swap(text: str, picture: str | None, before: Any):
        other = session.next_picture(picture)
        if other is None:
            message = "there are no pictures to swap in; start the demo with `--pictures FOLDER`"
            return error_html(message), before, picture
        return *tag(text, other, before), other

    def upload(file: str, text: str, before: Any, picture: str | None):
        try:
            open_picture(file)
        except InputError as error:
            # The previous picture remains.
            return error_html(str(error), file), before, picture
        if not (text or "").strip():
            return f'<p id="mner-answer">Picture {escape(Path(file).name)} is uploaded. Type a post.</p>', before, file
        return *tag(text, file, before), file

    with gradio.Blocks(title=f"{title}: names in a post", analytics_enabled=False) as page:
        gradio.Markdown(_INTRODUCTION)
        picture, before = gradio.State(None), gradio.State(None)
        text = gradio.Textbox(label="Post", lines=2, max_lines=8, elem_id="mner-text", placeholder="Beautiful Benz")
        with gradio.Row():
            find = gradio.Button("Find names", variant="primary", elem_id="mner-find")
            add = gradio.UploadButton("Add picture", type="filepath", elem_id="mner-upload", visible=sees)
            other = gradio.Button("Other picture", elem_id="mner-swap", visible=sees)
            none = gradio.Button("No picture", elem_id="mner-none", visible=sees)
        if not sees:
            gradio.Markdown(f"*No pictures: {session.no_pictures}.*")
        answer = gradio.HTML(elem_id="mner-out")
        inputs, outputs = [text, picture, before], [answer, before]
        find.click(tag, inputs, outputs)
        text.submit(tag, inputs, outputs)
        add.upload(upload, [add, text, before, picture], [*outputs, picture])
        other.click(swap, inputs, [*outputs, picture])
        none.click(lambda text, before: (*tag(text, None, before), None), [text, before], [*outputs, picture])
        if examples:
            gradio.Markdown("Example posts:")
        for words, path in examples:
            button = gradio.Button(words, size="sm")
            shown = path if sees else None
            chosen = button.click(lambda words=words, path=shown: (words, path), None, [text, picture])
            chosen.then(tag, inputs, outputs)
    return page


def launch_page(page: Any, host: str, port: int | None, browser: bool = False) -> str:
    """Serve a page in the background and return its address. The page makes no requests to other machines.

    Raises:
        InputError: the port is in use.
    """
    gradio = import_gradio()
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
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
            theme=theme,
        )
    except OSError as error:
        raise InputError(f"cannot serve on {host}, port {port or '7860 to 7959'}: {error}") from None
    return address


def import_gradio() -> Any:
    """Import gradio with its analytics off.

    Raises:
        InputError: it is not installed.
    """
    import os

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
    return f'<div role="alert" style="{_ERROR}">{escape(message)}</div>'
