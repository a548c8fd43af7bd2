"""The demo's page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from mner_keras.demo.answering import Answering
from mner_keras.demo.post_html import STYLE, error_html, explanation_html, post_html
from mner_keras.errors import InputError
from mner_keras.vision.pictures import open_picture

_INTRODUCTION = """# Names in a post

Type a post, add its picture, and see the names that the model finds. *Other picture* and *No picture* tag the same
post again: the answer before stays below for comparison.
"""


def build_page(answering: Answering, title: str, examples: list[tuple[str, str | None]] | None = None) -> Any:
    """The page as a gradio app, to be launched.

    Args:
        answering: tags the posts.
        title: the model's name.
        examples: posts with the paths of their pictures, to begin with.

    Raises:
        InputError: gradio is not installed.
    """
    gradio = import_gradio()
    sees = answering.extractor is not None

    def tag(text: str, picture: str | None, before: tuple[str, str] | None):
        """The answer's HTML, and the answer to compare the next one with."""
        try:
            case, tagged = answering.answer(text or "", picture)
        except InputError as error:
            return error_html(_without_folder(str(error), picture)), before
        seen = f"with the picture {Path(picture).name}" if picture else "without a picture"
        post = post_html(case, tagged)
        heading = f"<p><b>{escape(seen.capitalize())}</b></p>"
        earlier = ""
        if before is not None and before[0] == text and before[1] != heading + post:
            earlier = f'<hr><section id="mner-before"><p class="mner-quiet">Before:</p>{before[1]}</section>'
        answer = f'<section id="mner-answer">{heading}{post}{explanation_html(case)}</section>{earlier}'
        return f"<style>{STYLE}</style>{answer}", (text, heading + post)

    def swapped(text: str, picture: str | None, before: Any):
        other = answering.next_picture(picture)
        if other is None:
            return error_html("there are no pictures to swap in: `--pictures FOLDER` names some"), before, picture
        return *tag(text, other, before), other

    def uploaded(file: str, text: str, before: Any, picture: str | None):
        try:
            open_picture(file)
        except InputError as error:
            # The picture that was there stays.
            return error_html(_without_folder(str(error), file)), before, picture
        if not (text or "").strip():
            return f'<p id="mner-answer">The picture {escape(Path(file).name)} is there: type a post.</p>', before, file
        return *tag(text, file, before), file

    with gradio.Blocks(title=f"{title}: names in a post", analytics_enabled=False) as page:
        gradio.Markdown(_INTRODUCTION)
        picture, before = gradio.State(None), gradio.State(None)
        text = gradio.Textbox(label="Post", lines=2, max_lines=8, elem_id="mner-text", placeholder="Beautiful Benz")
        with gradio.Row():
            find = gradio.Button("Find names", variant="primary", elem_id="mner-find")
            upload = gradio.UploadButton("Add picture", type="filepath", elem_id="mner-upload", visible=sees)
            other = gradio.Button("Other picture", elem_id="mner-swap", visible=sees)
            none = gradio.Button("No picture", elem_id="mner-none", visible=sees)
        if not sees:
            gradio.Markdown(f"*No pictures here: {answering.no_pictures}.*")
        answer = gradio.HTML(elem_id="mner-out")
        inputs, outputs = [text, picture, before], [answer, before]
        find.click(tag, inputs, outputs)
        text.submit(tag, inputs, outputs)
        upload.upload(uploaded, [upload, text, before, picture], [*outputs, picture])
        other.click(swapped, inputs, [*outputs, picture])
        none.click(lambda text, before: (*tag(text, None, before), None), [text, before], [*outputs, picture])
        if examples:
            gradio.Markdown("Posts to begin with:")
        for words, path in examples or []:
            button = gradio.Button(words, size="sm")
            shown = path if sees else None
            chosen = button.click(lambda words=words, path=shown: (words, path), None, [text, picture])
            chosen.then(tag, inputs, outputs)
    return page


def launch_page(page: Any, host: str, port: int | None, browser: bool = False) -> str:
    """Serve a page in the background; returns its address. No request of it leaves the machine.

    Raises:
        InputError: the port is taken.
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
    """gradio, told to send nothing to anybody.

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


def _without_folder(message: str, path: str | None) -> str:
    """A message with a file's name in the place of its path, which nobody chose."""
    return message if path is None else message.replace(str(path), Path(path).name)
