"""The papers' figures: they contain the numbers, and say what is missing."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from mner_keras import InputError, Post
from mner_keras.views.case import PostCase
from mner_keras.views.charts import ModalityFeatures, linear_separability, loss_curves_figure, modality_space_figure
from mner_keras.views.figures import attention_map_figure, case_study_figure, hsn_attention_figure, write_figure
from mner_keras.views.paper_figures import FIGURES, choose_posts, find_posts
from mner_keras.vision import PictureObjects

SHORT = ("Beautiful", "Benz", "in", "Los", "Angeles")
SHORT_TAGS = ("O", "B-OTHER", "O", "B-LOC", "I-LOC")
WRONG = ("O", "B-PER", "O", "B-LOC", "I-LOC")
WHITE = Image.new("RGB", (200, 100), "white")


def hsn_case(tokens=SHORT, tags=SHORT_TAGS, predicted=None, picture=WHITE, why_none=""):
    rng = np.random.default_rng(0)
    regions, words = rng.random(49), rng.random(len(tokens))
    explanation = {
        "region_attention": (regions / regions.sum()).astype("float32"),
        "token_attention": (words / words.sum()).astype("float32"),
        "gamma": rng.random((len(tokens), 3)).astype("float32"),
    }
    return PostCase(Post(tokens, tags, "p"), {"hsn": predicted or tags}, explanation, picture, why_none)


def agban_case(count=2):
    scores = np.array([[0.011, 0.02], [0.2, 0.03], [0.04, 0.05], [0.06, 0.07], [0.08, 0.4]], "float32")[:, :count]
    boxes = np.array([[10, 20, 60, 90], [5, 120, 95, 190]])
    objects = PictureObjects(("car", "person")[:count], boxes[:count], np.array([0.9, 0.5])[:count])
    return PostCase(Post(SHORT, SHORT_TAGS, "p"), {"agban": SHORT_TAGS}, {"attention": scores}, WHITE, "", objects)


def texts(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_hsn_shows_regions_tokens_gamma_and_entities():
    case = hsn_case(predicted=WRONG)
    figure = hsn_attention_figure([case])
    written = texts(figure)
    assert set(SHORT) <= set(written)
    for value in (*case.explanation["token_attention"], *case.gamma):
        assert f"{value:.4f}".removeprefix("0") in written
    assert (written.count("LOC"), written.count("OTHER"), written.count("× PER")) == (2, 1, 1)
    # Each region is the redder and the more opaque, the larger its weight.
    (over,) = [image for image in figure.findobj(AxesImage) if image.get_array().shape == (7, 7)]
    weights = case.explanation["region_attention"]
    np.testing.assert_array_equal(np.argsort(over.get_alpha(), axis=None), np.argsort(weights))
    assert over.get_alpha().max() <= 0.5  # the picture shows
    assert f"(a) {' '.join(SHORT)}" in written
    assert any("even share 0.0204; of words 0.2000" in text for text in written)
    assert {"gold", "predicted", "attention", "gamma", "0: fusion", "1: text", "×: not a gold entity"} <= set(written)


def test_agban_shows_each_weight_scaled_by_the_posts_largest():
    case = agban_case()
    figure = attention_map_figure([case])
    written = texts(figure)
    assert all(f"{value:.4f}".removeprefix("0") in written for value in case.attention.ravel())
    assert {"car 0.90", "person 0.50", "car", "person"} <= set(written)
    rows = [image.get_array()[0] for image in figure.findobj(AxesImage) if image.get_array().shape == (1, 5)]
    np.testing.assert_allclose(rows, case.attention.T / 0.4, rtol=1e-6)
    boxes = {(*box.get_xy(), box.get_width(), box.get_height()) for box in figure.findobj(Rectangle)}
    assert {(20, 10, 70, 50), (120, 5, 70, 90)} <= boxes


def test_the_case_study_shows_every_system():
    case = agban_case()
    predicted = {"cnn-bilstm-crf": WRONG, "agban": SHORT_TAGS}
    written = texts(case_study_figure([PostCase(case.post, predicted, {}, WHITE, "", case.objects)]))
    assert {"gold", "cnn-bilstm-crf", "agban", "objects: car 0.90, person 0.50"} <= set(written)
    assert (written.count("× PER"), written.count("OTHER")) == (1, 2)


def test_what_is_missing_is_said():
    lost = texts(hsn_attention_figure([hsn_case(picture=None, why_none="Picture p is not available.")]))
    assert "Picture p is not\navailable." in lost
    assert "the model sees no object" in texts(attention_map_figure([agban_case(count=0)]))
    assert "and 40 more tokens" in texts(hsn_attention_figure([hsn_case(SHORT * 40, SHORT_TAGS * 40)]))


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_a_figure_is_written_by_its_ending_and_the_same_each_time(tmp_path, ending, magic):
    strange = ("سافر", "محمد", "$x^2$", "50%", "\n")
    first, second = (tmp_path / f"{name}.{ending}" for name in "ab")
    for path in (first, second):
        assert write_figure(hsn_attention_figure([hsn_case(strange)]), path) == []
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()


def test_characters_that_no_font_has_are_reported(tmp_path):
    figure = hsn_attention_figure([hsn_case(("\ua000", "Benz"), ("O", "O"))])  # a syllable of Yi
    (note,) = write_figure(figure, tmp_path / "a.png")
    assert note.startswith("1 characters are in no installed font")


HISTORY = [
    {"epoch": 1, "crf_loss": 50.0, "adversarial_loss": 7.0, "val_crf_loss": 64.0, "val_adversarial_loss": 16.0},
    {"epoch": 2, "crf_loss": 30.0, "adversarial_loss": 8.0, "val_crf_loss": 32.0, "val_adversarial_loss": 24.0},
]


def test_the_losses_are_those_of_a_post():
    figure = loss_curves_figure(HISTORY, "agban", (10.0, 32.0))
    curves = [[list(line.get_ydata()) for line in axes.lines] for axes in figure.axes]
    np.testing.assert_allclose(curves, [[[5.0, 3.0], [2.0, 1.0]], [[0.7, 0.8], [0.5, 0.75]]])
    written = texts(loss_curves_figure(HISTORY, best_epoch=2))
    assert {"best epoch, 2", "CRF loss (nats per post)", "adversarial loss (nats per post)"} <= set(written)
    released = [{"epoch": 1, "crf_loss": 1.0, "textual_loss": 2.0, "visual_loss": 3.0}]
    assert list(loss_curves_figure(released).axes[1].lines[0].get_ydata()) == [5.0]
    with pytest.raises(InputError, match="expected the losses of a model with a modality classifier"):
        loss_curves_figure([{"epoch": 1, "loss": 1.0}])


def modality_features(distance, count=60, width=8):
    rng = np.random.default_rng(0)
    is_text = np.repeat([True, False], count)
    features = rng.normal(size=(2 * count, width)) + distance * ~is_text[:, None]
    return ModalityFeatures(features, is_text, np.tile(np.arange(count) // 3, 2))


def test_separability_is_half_for_mixed_and_one_for_parted_features():
    assert linear_separability(modality_features(0.0)) == pytest.approx(0.5, abs=0.15)
    assert linear_separability(modality_features(5.0)) == pytest.approx(1.0, abs=0.01)


def test_both_maps_share_their_axes():
    samples = {"without": modality_features(5.0, 20), "with": modality_features(0.0, 20)}
    figure = modality_space_figure(samples, iterations=250)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim() == left.get_ylim() == right.get_ylim()
    assert sum(len(points.get_offsets()) for points in left.findobj(PathCollection)) >= 40
    assert "linear classifier on held-out posts: 100.0 % (chance 50 %)" in texts(figure)


POSTS = [
    Post(SHORT, SHORT_TAGS, "p1", id="a"),
    Post(SHORT, SHORT_TAGS, None, id="b"),
    Post(SHORT, SHORT_TAGS, "p3"),
    Post(SHORT, SHORT_TAGS, "p4", id="d"),
]


def test_posts_are_found_by_name():
    assert find_posts(["a", "p3", "test:2", "p4"], POSTS, "test") == [0, 2, 1, 3]
    with pytest.raises(InputError, match="found 'p33'. Did you mean 'p3'"):
        find_posts(["p33"], POSTS, "test")


def test_the_posts_chosen_show_what_the_figure_is_about():
    gates = [{"gamma": np.full((5, 1), value)} for value in (0.9, 0.1, 0.2, 0.3)]
    found = [{"run": tags} for tags in (SHORT_TAGS, SHORT_TAGS, SHORT_TAGS, WRONG)]
    others = [SHORT_TAGS, WRONG, WRONG, SHORT_TAGS]
    compared = [{"other": other, **own} for other, own in zip(others, found, strict=True)]
    even = np.full((5, 2), 0.1)
    uneven = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]) / 5
    maps = [{"attention": one} for one in (even, uneven, np.zeros((5, 0)), np.ones((5, 1)))]
    # The second post has no picture, the last one's tags are wrong.
    for figure, tags, explained, expected in (
        (("hsn", 5), found, gates, [2, 0]),
        (("hsn", 6), found, gates, [0, 3, 2]),
        (("agban", 6), found, maps, [1, 0]),
        (("agban", 8), compared, [{}] * 4, [2, 1]),
        (("agban", 9), compared, [{}] * 4, [3]),
    ):
        cases = [PostCase(*one) for one in zip(POSTS, tags, explained, strict=True)]
        assert choose_posts(FIGURES[figure], cases) == expected, figure
