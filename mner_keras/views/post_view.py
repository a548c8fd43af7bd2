"""One post as HTML: entities with scores, the picture, attention and gate. Report, demo and notebooks use this view.

The HTML needs no script and no other file. Pointing at a token, tapping it or selecting it with the arrow keys shows
its attention: each token is a radio button with its numbers inside, which the style sheet lays over the picture.
"""

import base64
import hashlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

import mner_keras
from mner_keras.data.post import Post
from mner_keras.files import write_whole
from mner_keras.tagged_post import TaggedPost, as_post, with_pictures
from mner_keras.views.case import MOST_TOKENS, PostCase, is_right_to_left, make_cases, shares
from mner_keras.views.palette import COLOURS, FILL, OBJECT_COLOURS, TYPE_COLOURS, type_number
from mner_keras.vision.extraction import Extractor, load_extractor

if TYPE_CHECKING:
    from mner_keras.tagger import Tagger

_SHOWN = 480  # pixels of a picture's longer side that a page keeps
_SMALL = 256  # a picture of at most so many pixels is kept as it is


class PostView:
    """Posts as HTML, shown by notebooks and saved as a self-contained page."""

    def __init__(self, cases: Sequence[PostCase]) -> None:
        self.cases = list(cases)

    def _repr_html_(self) -> str:
        return f"<style>{style_sheet('post.css')}</style>{self.body()}"

    def body(self) -> str:
        """Return the posts without the style sheet."""
        return "".join(map(post_html, self.cases))

    def save(self, path: str | os.PathLike) -> None:
        """Write the posts as one HTML page that makes no requests."""
        page = render("page.html.j2", title="Posts", style=style_sheet("page.css", "post.css"), cases=self.cases)
        write_whole(Path(path), lambda place: place.write_text(page, encoding="utf-8"))


def show(
    model: "Tagger",
    posts: Sequence[Post | str | Sequence[str]],
    features: Any = None,
    pictures: Mapping[str, Any] | Sequence[Any] | None = None,
    extractor: Extractor | None = None,
) -> PostView:
    """Tag posts and show them with their scores, pictures, attention and gate.

    Args:
        posts: posts, plain texts, or lists of tokens.
        features: the store of the posts' pictures' features, or its path.
        pictures: with `features`, paths or PIL images by image id, to be drawn. Without it, one path, PIL image or
            `None` per post, which the model sees, too.
        extractor: turns these into features, as in `Tagger.tag`.

    Returns:
        a view that notebooks display and `save` writes as a page.

    Example:

    >>> mner_keras.show(model, ["Beautiful Benz in Los Angeles"], pictures=["benz.jpg"]).save("benz.html")
    """
    posts = [as_post(post) for post in posts]
    if pictures is not None and not isinstance(pictures, Mapping):
        if features is not None:
            raise ValueError("`pictures` must be a mapping by image id if `features` is given. Received: a sequence")
        posts, features = with_pictures(posts, pictures, extractor or load_extractor(model.preprocessor.visual))
        pictures = features.pictures
    return PostView(make_cases(model, posts, features, pictures))


def tagged_html(tagged: TaggedPost) -> str:
    """A tagged post as HTML: its entities with their scores."""
    return PostView([PostCase(tagged.post, {"predicted": tagged.tags}, entities=tagged.entities)])._repr_html_()


def post_html(case: PostCase) -> Markup:
    """A post as HTML, without the style sheet `post.css`."""
    columns, grid = case.columns, case.regions
    colouring = columns if case.attention is not None else columns[:1]  # HSN's gamma does not colour words
    # Two posts of a page must not share one group of radio buttons.
    key = repr((case.post, sorted(case.predicted.items()), [column.values.tobytes() for column in columns]))
    view = {
        "key": "post-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        "direction": "rtl" if is_right_to_left(case.post.tokens) else "ltr",
        "tokens": case.post.tokens[:MOST_TOKENS],
        "gaps": _gaps(case.post),
        "more": max(0, len(case.post) - MOST_TOKENS),
        "lanes": _lanes(case),
        "picture": None if case.picture is None else _data_uri(case.picture),
        "size": (300, 300) if case.picture is None else case.picture.size,
        "columns": columns,
        "grid": None if grid is None else (grid, shares(grid)),  # of the regions, `[rows, columns]`
        "heat": np.max([column.shares for column in colouring], axis=0) if columns else None,  # of each token
        "boxes": case.boxes if grid is None else [],
    }
    return Markup(render("post.html.j2", case=case, view=view))


def render(template: str, **values: Any) -> str:
    """Fill a template of this package; all values are escaped."""
    return _environment().get_template(template).render(**values)


def style_sheet(*names: str) -> Markup:
    """The palette and style sheets of this package, without comments and indents."""
    colours = {"colours": COLOURS, "types": TYPE_COLOURS, "objects": OBJECT_COLOURS, "fill": FILL}
    text = "\n".join(render(name, **colours) for name in ("palette.css", *names))
    return Markup(re.sub(r"\n\s*", "\n", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)).strip())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mner_keras.views"),
        autoescape=lambda name: not name.endswith(".css"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(post_html=post_html, type_number=type_number, version=mner_keras.__version__)
    return environment


def _lanes(case: PostCase) -> list[tuple[str, list[tuple]]]:
    """Label and pieces of the first system, then of the gold tags if they differ, then of other systems."""
    gold = None if case.post.tags is None else case.spans()
    if not case.predicted:
        return [("gold", _cut(case, gold or set(), None))]
    first = next(iter(case.predicted))
    lanes = [(name, _cut(case, case.spans(name), gold)) for name in case.predicted]
    if len(lanes) == 1:
        lanes = [("predicted", lanes[0][1])]
    if gold == case.spans(first):
        lanes[0] = (f"gold and {lanes[0][0]}", lanes[0][1])
    elif gold is not None:
        lanes.insert(1, ("gold", _cut(case, gold, case.spans(first))))
    return lanes


def _gaps(post: Post) -> list[str]:
    """What follows each token: a space, or nothing where the post's own text has none."""
    if post.text is None or post.offsets is None:
        return [" "] * len(post)
    ends = [start for start, _ in post.offsets[1:]] + [len(post.text) + 1]
    return [" " if follows > end else "" for (_, end), follows in zip(post.offsets, ends, strict=True)]


def _cut(case: PostCase, spans: set[tuple[str, int, int]], others: set[tuple[str, int, int]] | None) -> list[tuple]:
    """The shown tokens, cut at the ends of entities: start, end, type or "", whether `others` has it, score or None."""
    scores = {(one.type, one.start, one.end): one.score for one in case.entities}
    pieces, position, last = [], 0, min(len(case.post), MOST_TOKENS)
    for span in [*sorted(spans, key=lambda span: span[1]), ("", last, last)]:
        kind, start, end = span[0], min(span[1], last), min(span[2], last)
        pieces.append((position, start, "", True, None))
        pieces.append((start, end, kind, others is None or span in others, scores.get(span)))
        position = end
    return [piece for piece in pieces if piece[0] < piece[1]]


def _data_uri(picture: Image.Image) -> str:
    small = picture.convert("RGB")
    small.thumbnail((_SHOWN, _SHOWN), Image.Resampling.BOX)
    kind = "png" if max(picture.size) <= _SMALL else "jpeg"
    stream = io.BytesIO()
    small.save(stream, kind.upper(), quality=75, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
