"""The papers' figures from made-up posts: what stands in them, and that it can be read."""

import re

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from mner_keras import InputError, Post
from mner_keras.reproduce.figures import (
    PostCase,
    attention_map_figure,
    case_study_figure,
    hsn_attention_figure,
    linear_separability,
    loss_curves_figure,
    modality_space_figure,
    write_figure,
)
from mner_keras.reproduce.figures.choose import (
    aligned_posts,
    confusing_posts,
    differing_posts,
    failing_posts,
    find_posts,
    mapped_posts,
)
from mner_keras.reproduce.figures.fonts import drawable, is_right_to_left, shortened, text_width
from mner_keras.reproduce.figures.modality_space import ModalityFeatures
from mner_keras.reproduce.figures.page import HEAT, WIDTH
from mner_keras.vision import PictureObjects

SHORT = ("Beautiful", "Benz", "in", "Los", "Angeles")
SHORT_TAGS = ("O", "B-OTHER", "O", "B-LOC", "I-LOC")
LONG = tuple(f"word{number}" for number in range(60)) + ("https://t.co/" + "x" * 200, "$x^2$", "50%", "\\alpha")
ARABIC = ("سافر", "محمد", "صلاح", "إلى", "لندن")


def hsn_case(tokens=SHORT, tags=SHORT_TAGS, predicted=None, side=7, image_id="p", picture=True, seed=0):
    rng = np.random.default_rng(seed)
    regions, words = rng.random(side * side), rng.random(len(tokens))
    return PostCase(
        Post(tokens, tags, image_id),
        {"hsn": tuple(predicted or tags)},
        {
            "region_attention": (regions / regions.sum()).astype("float32"),
            "token_attention": (words / words.sum()).astype("float32"),
            "gamma": rng.random((len(tokens), 3)).astype("float32"),
        },
        Image.new("RGB", (200, 100), "white") if picture else None,
    )


def agban_case(tokens=SHORT, tags=SHORT_TAGS, names=("car", "person"), picture=True, glimpses=None):
    rng = np.random.default_rng(1)
    scores = rng.dirichlet(np.ones(max(1, len(names))), len(tokens))[:, : len(names)]
    if glimpses:
        scores = np.stack([scores.T] * glimpses)
    boxes = np.array([[10, 20, 60, 90], [5, 120, 95, 190], [40, 40, 50, 50]])[: len(names)]
    return PostCase(
        Post(tokens, tags, "p"),
        {"agban": tuple(tags)},
        {"attention": scores.astype("float32")},
        Image.new("RGB", (200, 100), "white") if picture else None,
        PictureObjects(names, boxes, np.linspace(0.9, 0.5, len(names))),
    )


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def ends(figure, wanted):
    """Left and right ends of texts, in points, by the text."""
    renderer = figure.canvas.get_renderer()
    scale = 72 / figure.dpi
    found = {}
    for text in figure.findobj(Text):
        if text.get_text() in wanted:
            extent = text.get_window_extent(renderer)
            found[text.get_text()] = extent.x0 * scale, extent.x1 * scale, extent.y0 * scale
    return found


def overlays(figure):
    """The images in a figure that lie over others: those with an alpha of their own."""
    return [image for image in figure.findobj(AxesImage) if image.get_array().shape[-1] == 4]


def test_hsn_shows_regions_tokens_gamma_and_entities():
    case = hsn_case(predicted=("O", "B-PER", "O", "B-LOC", "I-LOC"))
    figure = hsn_attention_figure([case])
    written = texts(figure)
    assert set(SHORT) <= set(written)
    # Gamma, the mean over its features.
    for value in case.explanation["gamma"].mean(axis=1):
        assert f"{value:.2f}" in written
    # The type is right for one entity and wrong for the other.
    assert written.count("LOC") == 2
    assert written.count("OTHER") == 1
    assert written.count("× PER") == 1
    (over,) = overlays(figure)
    weights = case.explanation["region_attention"].reshape(7, 7)
    alpha = np.asarray(over.get_array())[..., 3]
    np.testing.assert_array_equal(np.argsort(alpha, axis=None), np.argsort(weights, axis=None))
    # Seven by seven cells over the whole picture, whatever its shape.
    assert tuple(over.get_extent()) == (0, 200, 100, 0)
    backgrounds = {rectangle.get_facecolor() for rectangle in figure.findobj(Rectangle)}
    assert tuple(HEAT(1.0)) in backgrounds


@pytest.mark.parametrize("draw", [hsn_attention_figure, case_study_figure])
def test_a_long_tweet_stays_on_the_page_and_no_word_covers_another(draw):
    tags = ("O", "B-PER", "I-PER") + ("O",) * (len(LONG) - 3)
    figure = draw([hsn_case(LONG, tags)])
    wanted = [word for word in LONG if len(word) < 20]
    places = ends(figure, wanted)
    assert set(places) == set(wanted)
    assert all(left > 0 and right < WIDTH for left, right, _ in places.values())
    lines = {}
    for left, right, bottom in places.values():
        lines.setdefault(round(bottom / 4), []).append((left, right))
    assert len(lines) > 4
    for line in lines.values():
        line.sort()
        assert all(right <= left for (_, right), (left, _) in zip(line, line[1:], strict=False))
    assert any(text.startswith("https://t.co/xxx") and text.endswith("…") for text in texts(figure))
    figure = draw([hsn_case(LONG * 4, tags * 4)])
    assert "and 96 more tokens" in texts(figure)


def test_a_right_to_left_post_begins_at_the_right():
    figure = hsn_attention_figure([hsn_case(ARABIC, ("O", "B-PER", "I-PER", "O", "B-LOC"))])
    places = ends(figure, ARABIC)
    lefts = [places[token][0] for token in ARABIC]
    assert lefts == sorted(lefts, reverse=True)
    assert is_right_to_left(ARABIC)
    assert is_right_to_left(("@user", *ARABIC, "http://t.co/x", "2015"))
    assert not is_right_to_left(SHORT)
    assert not is_right_to_left(("!", "2015"))


def test_a_post_without_a_picture_says_so():
    none = hsn_attention_figure([hsn_case(image_id=None, picture=False)])
    assert any("no picture" in text and "blank" in text for text in texts(none))
    lost = hsn_attention_figure([hsn_case(picture=False)])
    assert any("picture p\nnot at hand" in text for text in texts(lost))
    objects = attention_map_figure([agban_case(names=(), picture=False)])
    assert "the model sees no object" in texts(objects)
    assert "objects: none" in texts(case_study_figure([agban_case(names=(), picture=False)]))


def test_regions_that_make_no_square_are_a_row():
    case = hsn_case()
    few = {**case.explanation, "region_attention": np.array([0.2, 0.3, 0.5], "float32")}
    (over,) = overlays(hsn_attention_figure([PostCase(case.post, case.predicted, few, case.picture)]))
    assert over.get_array().shape[:2] == (1, 3)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("Benz", "Benz"),
        ("\U0001f525", "‹fire›"),
        ("\U0001f60a", "\U0001f60a"),  # DejaVu Sans has this one
        ("\U0001f1fa\U0001f1f8", "‹flag US›"),
        ("❤️", "❤"),
        ("\U0001f468‍\U0001f469", "‹man›‹woman›"),
        (" ", "␣"),
        ("‎", "U+200E"),
        ("a\nb", "a⏎b"),
        ("a​b", "ab"),
        ("$x$", "$x$"),
        ("中", "中"),
    ],
)
def test_every_token_can_be_drawn_and_seen(token, shown, monkeypatch):
    # As on a machine without other fonts than matplotlib's.
    monkeypatch.setattr("mner_keras.reproduce.figures.fonts.fontManager.ttflist", [])
    from mner_keras.reproduce.figures.fonts import _font_with

    _font_with.cache_clear()
    try:
        assert drawable(token) == shown
    finally:
        _font_with.cache_clear()


def test_a_text_is_cut_to_a_width():
    assert shortened("Benz", 100, 8) == "Benz"
    cut = shortened("x" * 100, 60, 8)
    assert cut.endswith("…")
    assert 50 < text_width(cut, 8) <= 60


@pytest.mark.parametrize("glimpses", [None, 2])
def test_the_attention_map_has_a_cell_for_each_token_and_object(glimpses):
    case = agban_case(glimpses=glimpses)
    figure = attention_map_figure([case])
    written = texts(figure)
    assert set(SHORT) <= set(written)
    # On the axis and in the picture.
    assert written.count("car") == written.count("person") == 2
    scores = case.explanation["attention"]
    scores = scores.mean(axis=0).T if glimpses else scores
    for value in scores.ravel():
        assert f"{value:.2f}".lstrip("0") in written
    boxes = [r for r in figure.findobj(Rectangle) if not r.get_fill()]
    assert {tuple(np.round([r.get_x(), r.get_y(), r.get_width(), r.get_height()], 6)) for r in boxes} >= {
        (20.0, 10.0, 70.0, 50.0),
        (120.0, 5.0, 70.0, 90.0),
    }


def test_a_long_map_goes_on_below():
    figure = attention_map_figure([agban_case(LONG, ("O",) * len(LONG))])
    wanted = [word for word in LONG if len(word) < 20]
    places = ends(figure, wanted)
    assert set(places) == set(wanted)
    assert all(left > 0 and right < WIDTH for left, right, _ in places.values())
    assert texts(figure).count("gold") > 3


def test_the_case_study_shows_every_system():
    case = agban_case()
    predicted = {"cnn-bilstm-crf": ("O", "B-PER", "O", "B-LOC", "I-LOC"), "agban": SHORT_TAGS}
    figure = case_study_figure([PostCase(case.post, predicted, case.explanation, case.picture, case.objects)])
    written = texts(figure)
    assert {"gold", "cnn-bilstm-crf", "agban", "objects: car 0.90, person 0.50"} <= set(written)
    assert written.count("× PER") == 1
    assert written.count("OTHER") == 2


HISTORY = [
    {"epoch": 1, "crf_loss": 50.0, "adversarial_loss": 7.0, "val_crf_loss": 64.0, "val_adversarial_loss": 16.0},
    {"epoch": 2, "crf_loss": 30.0, "adversarial_loss": 8.0, "val_crf_loss": 32.0, "val_adversarial_loss": 24.0},
]


def test_the_losses_are_those_of_a_post():
    figure = loss_curves_figure(HISTORY, "agban", (10.0, 32.0))
    curves = [[list(line.get_ydata()) for line in axes.lines] for axes in figure.axes]
    assert curves == [[[5.0, 3.0], [2.0, 1.0]], [[0.7, 0.8], [0.5, 0.75]]]
    released = [{"epoch": 1, "crf_loss": 1.0, "textual_loss": 2.0, "visual_loss": 3.0}]
    assert list(loss_curves_figure(released).axes[1].lines[0].get_ydata()) == [5.0]
    with pytest.raises(InputError, match="expected the losses of a model with a modality classifier"):
        loss_curves_figure([{"epoch": 1, "loss": 1.0}])


def modality_features(distance, count=60, width=8):
    rng = np.random.default_rng(0)
    text, objects = rng.normal(size=(2, count, width))
    return ModalityFeatures(text, objects + distance, np.arange(count) // 3, np.arange(count) // 3)


def test_separability_is_half_for_mixed_and_one_for_parted_features():
    assert linear_separability(modality_features(0.0)) == pytest.approx(0.5, abs=0.15)
    assert linear_separability(modality_features(5.0)) == pytest.approx(1.0, abs=0.01)


def test_the_maps_of_both_models_share_their_axes():
    figure = modality_space_figure(
        {"without": modality_features(5.0, 20), "with": modality_features(0.0, 20)}, iterations=250
    )
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim() == left.get_ylim() == right.get_ylim()
    for axes in (left, right):
        points = np.concatenate([c.get_offsets() for c in axes.findobj(PathCollection)])
        assert len(points) >= 40
        assert np.abs(points).max() <= axes.get_xlim()[1]
    assert "(a) without" in texts(figure)
    assert re.search(r"linear classifier on held-out posts: 100.0 % \(chance 50 %\)", " ".join(texts(figure)))


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_a_figure_is_written_by_its_ending_and_the_same_each_time(tmp_path, ending, magic):
    first, second = (tmp_path / f"{name}.{ending}" for name in "ab")
    for path in (first, second):
        assert write_figure(hsn_attention_figure([hsn_case()]), path) == []
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()


def test_letters_that_no_font_has_are_told(tmp_path):
    figure = hsn_attention_figure([hsn_case(("\ua000", "Benz"), ("O", "O"))])  # a syllable of Yi
    (note,) = write_figure(figure, tmp_path / "a.png")
    assert note.startswith("1 characters are in no font of this machine")


POSTS = [
    Post(SHORT, SHORT_TAGS, "p1", id="a"),
    Post(SHORT, SHORT_TAGS, None, id="b"),
    Post(SHORT, SHORT_TAGS, "p3"),
    Post(SHORT, SHORT_TAGS, "p4", id="d"),
]
WRONG = ("O", "B-PER", "O", "B-LOC", "I-LOC")


def test_posts_are_found_by_name():
    assert find_posts(["a", "p3", "test:2", "p4"], POSTS, "test") == [0, 2, 1, 3]
    with pytest.raises(InputError, match="found 'p33'. Did you mean 'p3'"):
        find_posts(["p33"], POSTS, "test")


def test_the_posts_chosen_show_what_the_figure_is_about():
    gates = [np.full((5, 1), value) for value in (0.9, 0.1, 0.2, 0.3)]
    tags = [SHORT_TAGS, SHORT_TAGS, SHORT_TAGS, WRONG]
    # b has no picture, d is wrong.
    assert aligned_posts(POSTS, tags, gates) == [2, 0]
    assert confusing_posts(POSTS, tags, gates) == [0, 3, 2]
    assert differing_posts(POSTS, tags, [SHORT_TAGS, WRONG, WRONG, SHORT_TAGS]) == [2, 1]
    assert failing_posts(POSTS, tags, [SHORT_TAGS, WRONG, WRONG, SHORT_TAGS]) == [3]
    even, uneven = np.full((5, 2), 0.5), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert mapped_posts(POSTS, [SHORT_TAGS] * 4, [even, uneven, np.zeros((5, 0)), np.ones((5, 1))]) == [1, 0]
