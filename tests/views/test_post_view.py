"""The HTML of a post: what it shows are the model's numbers, and any post is shown as it is."""

import re

import numpy as np
import pytest
from html_page import HtmlPage
from PIL import Image

import mner_keras
from mner_keras import Post, load_dataset
from mner_keras.views.case import PostCase, is_right_to_left, make_cases, own_pictures, shares
from mner_keras.views.post_view import PostView, post_html
from mner_keras.vision import PictureObjects

pytestmark = pytest.mark.usefixtures("eagerly")
TOKENS = ("Beautiful", "Benz", "in", "Los", "Angeles")
TAGS = ("O", "B-OTHER", "O", "B-LOC", "I-LOC")


def test_hsn_shows_its_numbers(model_of, corpus):
    data = load_dataset(corpus)
    model, store = model_of("hsn")
    post = data["test"][1]
    view = mner_keras.show(model, [post], store, own_pictures(data))
    (explained,), (tagged,) = model.explain([post], store), model.tag([post], store)
    html = view._repr_html_()
    regions = [float(x) for x in re.findall(r"row \d, column \d: ([\d.]+)</title>", html)]
    np.testing.assert_allclose(regions, explained["region_attention"], atol=6e-5)
    gammas = [float(x) for x in re.findall(r"; --gamma: ([\d.]+)", html)]
    np.testing.assert_allclose(gammas, explained["gamma"].mean(axis=1), atol=6e-3)
    for value in (*explained["token_attention"], explained["gamma"].mean()):
        assert f"{value:.4f}" in html
    for entity in tagged.entities:
        assert f"{entity.type} {100 * entity.score:.1f} %" in html
    assert html.count('href="data:image/png;base64,') == 1


def test_agban_shows_its_numbers_scaled_by_the_largest(model_of, corpus):
    data = load_dataset(corpus)
    model, store = model_of("agban")
    # Some pictures of the corpus have no object.
    post, found = next(
        (post, found)
        for post, found in zip(data["test"], model.explain(data["test"], store), strict=True)
        if found["attention"].shape[1] == 2 and len(post) < 10
    )
    html = mner_keras.show(model, [post], store)._repr_html_()
    shown = [float(x) for x in re.findall(r'class="mner-heat"[^>]*>([\d.]+)<', html)]
    np.testing.assert_allclose(np.reshape(shown, found["attention"].shape), found["attention"], atol=6e-5)
    strengths = [float(x) for x in re.findall(r'class="mner-heat" style="--share: ([\d.]+)"', html)]
    np.testing.assert_allclose(strengths, (found["attention"] / found["attention"].max()).ravel(), atol=6e-4)


@pytest.mark.parametrize("glimpses", [None, 2])
def test_boxes_and_small_weights(glimpses):
    """Weights of a softmax over all pairs of tokens and objects: the largest is far below one, and drawn as one."""
    scores = np.full((5, 2), 0.09, "float32")
    scores[1] = 0.2, 0.08
    attention = np.stack([scores.T] * glimpses) if glimpses else scores
    objects = PictureObjects(("car", "person"), np.array([[10, 20, 60, 90], [5, 120, 95, 190]]), np.array([0.9, 0.5]))
    picture = Image.new("RGB", (200, 100), "white")
    html = post_html(PostCase(Post(TOKENS, TAGS, "p"), {"agban": TAGS}, {"attention": attention}, picture, "", objects))
    assert html.count('x="20.0" y="10.0" width="70.0" height="50.0"') == 6  # below, and once per token
    assert ">car</text>" in html  # beside its box
    assert re.search(r"car 0.90</span> <b>0.2000</b><span class=\"mner-bar\" style=\"--share: 1.000\"", html)
    assert "gold and predicted" in html
    assert "✗" not in html


def test_wrong_entities_are_marked():
    post = Post(TOKENS, TAGS)
    html = post_html(PostCase(post, {"text": ("O", "B-PER", "O", "B-LOC", "I-LOC")}))
    assert re.search(r"mner-wrong.*?PER.*?✗.*?not a gold entity", html, re.DOTALL)
    assert re.search(r"mner-wrong.*?OTHER.*?✗.*?not found", html, re.DOTALL)
    assert html.count("✗") == 2


def test_a_post_is_text_in_its_own_direction(model_of, corpus):
    data = load_dataset(corpus)
    for name in ("hsn", "agban", "text"):
        model, store = model_of(name)
        view = mner_keras.show(model, data["test"][:6], store, own_pictures(data))
        found = HtmlPage(view._repr_html_())
        assert found.problems == []
        assert not any(tag in ("script", "img", "iframe") for tag, _ in found.elements)
        words = [part.count('class="mner-words" dir="rtl"') for part in map(post_html, view.cases)]
        assert [count > 0 for count in words] == [False, False, False, True, False, False]
        html = view._repr_html_()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "القاهرة" in html
        assert "and 41 more tokens" in html
    assert is_right_to_left(("RT", "@user", "وصلت", "شركة", "http://t.co/x", "2015"))
    assert not is_right_to_left(("Hello", "وصلت", "so", "proud"))
    assert not is_right_to_left(("!", "2015"))


def test_missing_and_damaged_pictures_are_reported(model_of, corpus):
    data = load_dataset(corpus)
    model, store = model_of("hsn")
    by_id = {post.image_id: post for post in data["test"]}
    posts = [by_id["test-3"], by_id["test-5"], Post(("a",)), Post(("a",), image_id="new"), by_id["test-1"]]
    cases = make_cases(model, posts, store, {**own_pictures(data), "new": Image.new("RGB", (9, 9))})
    assert [case.why_none for case in cases] == [
        "Picture test-3 cannot be read: is no picture in JPEG, PNG, WEBP, GIF or BMP.",
        "Picture test-5 is not available.",
        "This post has no picture. The model sees a blank picture.",
        "The model was given no features of picture new. The model sees a blank picture.",
        "",
    ]
    # Attention to the blank picture is never drawn over one that the model did not see.
    assert [case.picture is None for case in cases] == [True] * 4 + [False]
    assert all(case.why_none in post_html(case) for case in cases)
    assert "The model sees no object." in mner_keras.show(model_of("agban")[0], [Post(("a",))])._repr_html_()


def test_words_keep_the_spaces_of_their_text():
    post = Post.from_text("Anna, in Rome!")
    html = post_html(PostCase(post, {"text": ("B-PER", "O", "O", "B-LOC", "O")}))
    text = re.sub(r"<small.*?</small>|<[^>]+>|&nbsp;", "", html[html.index("mner-words") :])
    assert "Anna, in Rome!" in " ".join(text.split())


def test_a_saved_page_makes_no_requests(model_of, tmp_path):
    mner_keras.show(model_of("text")[0], ["Beautiful Benz", ["in", "Rome"]]).save(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert HtmlPage(text).problems == []
    assert "default-src 'none'" in text


def test_a_tagged_post_shows_itself_in_a_notebook(model_of):
    (tagged,) = model_of("text")[0].tag(["So proud of Bosch"])
    html = tagged._repr_html_()
    assert all(token in html for token in tagged.post.tokens)
    assert all(f"{entity.type} {100 * entity.score:.1f} %" in html for entity in tagged.entities)


def test_pictures_as_a_sequence_go_with_the_models_extractor(model_of):
    with pytest.raises(ValueError, match="`pictures` must be a mapping"):
        mner_keras.show(model_of("hsn")[0], ["a"], features="store.h5", pictures=["a.png"])


def test_two_posts_share_no_group_of_buttons():
    attention = np.full((5, 1), 0.1, "float32")
    cases = [PostCase(Post(TOKENS, TAGS, image), {"a": TAGS}, {"attention": attention}) for image in ("p", "q")]
    names = re.findall(r'type="radio" name="([^"]+)"', PostView(cases)._repr_html_())
    assert [names.count(name) for name in dict.fromkeys(names)] == [5, 5]


def test_grids_and_shares():
    for count, shape in ((49, (7, 7)), (3, (1, 3))):
        assert PostCase(Post(TOKENS), {}, {"region_attention": np.arange(count)}).regions.shape == shape
    np.testing.assert_allclose(shares(np.array([0.1, 0.2, 0.3])), [0, 0.5, 1])
    np.testing.assert_allclose(shares(np.array([0.1, 0.2]), low=0.0), [0.5, 1])
    assert shares(np.array([0.2, 0.2])).tolist() == [0, 0]
    assert shares(np.zeros((3, 0)), low=0.0).shape == (3, 0)
