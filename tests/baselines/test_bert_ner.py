"""BERT-NER, on a small BERT with random weights."""

import math
import shutil
import zipfile

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from small_corpus import make_posts
from tiny_bert import HEADS, LAYERS, WIDTH, write_tiny_bert

import mner_keras
from mner_keras import Post
from mner_keras.data import PostPreprocessor
from mner_keras.data.batches import PostBatches

pytest.importorskip("keras_hub")
pytest.importorskip("safetensors")


from mner_keras.baselines.bert_ner import BertNER  # noqa: E402

POSTS = make_posts(count=20)
TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("hub") / "bert", words=("Ann", "Anna", "Ben", "New", "saw", "the"))


@pytest.fixture(scope="module")
def preprocessor(bert):
    return BertNER.fit_preprocessor(POSTS, backbone=bert[0])


def batch(preprocessor, posts):
    return PostBatches(preprocessor, posts, None, len(posts)).batch(np.arange(len(posts)))


# --- The network, from the folder's weights ---


def numpy_bert(weights, ids):
    """The last layer's vectors of one post's pieces, from Hugging Face's names: the original's post-norm layers."""

    def dense(name, x):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name, x):
        deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return (x - x.mean(-1, keepdims=True)) / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x):
        # KerasHub takes the approximation by tanh.
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm("embeddings.LayerNorm", x + weights["embeddings.token_type_embeddings.weight"][0])
    width = WIDTH // HEADS
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        query, key, value = (dense(f"{layer}.attention.self.{name}", x) for name in ("query", "key", "value"))
        heads = []
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            scores = np.exp(query[:, part] @ key[:, part].T / math.sqrt(width))
            heads.append(scores / scores.sum(-1, keepdims=True) @ value[:, part])
        attended = dense(f"{layer}.attention.output.dense", np.concatenate(heads, -1))
        x = norm(f"{layer}.attention.output.LayerNorm", x + attended)
        inner = gelu(dense(f"{layer}.intermediate.dense", x))
        x = norm(f"{layer}.output.LayerNorm", x + dense(f"{layer}.output.dense", inner))
    return x


def test_potentials_are_read_off_each_tokens_first_piece(bert, preprocessor):
    folder, weights = bert
    model = BertNER(preprocessor)
    posts = [Post(("Ann", "saw", "Rome", "!")), Post(("x1",))]
    inputs, _ = batch(preprocessor, posts)
    found = to_numpy(model(inputs)["potentials"])
    kernel, bias = (to_numpy(weight.value) for weight in model.get_layer("potentials").weights)
    vocabulary = (folder / "vocab.txt").read_text().split("\n")
    for row, pieces in enumerate(
        (["[CLS]", "Ann", "saw", "R", "##o", "##m", "##e", "!", "[SEP]"], ["[CLS]", "x", "##1", "[SEP]"])
    ):
        vectors = numpy_bert(weights, [vocabulary.index(piece) for piece in pieces])
        firsts = [i for i, piece in enumerate(pieces) if not piece.startswith(("##", "["))]
        assert len(firsts) == len(posts[row])
        np.testing.assert_allclose(found[row, : len(firsts)], vectors[firsts] @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_what_stands_in_padding_changes_nothing(bert, preprocessor):
    model = BertNER(preprocessor)
    inputs, _ = batch(preprocessor, [Post(("Ann", "saw", "Rome")), Post(("the",))])
    expected = to_numpy(model(inputs)["potentials"])[inputs["token_mask"]]
    wide = {name: np.pad(array, ((0, 0), (0, 3))) for name, array in inputs.items() if name.startswith("subword_")}
    changed = {
        **inputs,
        "subword_ids": np.where(wide["subword_mask"], wide["subword_ids"], 7),
        "subword_mask": wide["subword_mask"],
        "first_subwords": np.where(inputs["token_mask"], inputs["first_subwords"], 2),
    }
    np.testing.assert_allclose(to_numpy(model(changed)["potentials"])[inputs["token_mask"]], expected, atol=1e-5)


# --- The model ---


def test_twenty_posts_are_learnt_by_heart_and_the_file_alone_knows_them(tmp_path, bert):
    folder = shutil.copytree(bert[0], tmp_path / "bert")
    preprocessor = BertNER.fit_preprocessor(POSTS, backbone=folder)
    shutil.rmtree(folder)
    model = BertNER(preprocessor, dropout=0.0)
    model.compile(keras.optimizers.Adam(0.02))
    inputs, tags = batch(preprocessor, POSTS)
    before = model.get_weights()
    # One step elsewhere: JAX without its compiler takes seconds for each.
    for _ in range(80 if TENSORFLOW else 1):
        assert np.isfinite(model.train_on_batch(inputs, tags))
    moved = [np.abs(after - initial).max() > 0 for initial, after in zip(before, model.get_weights(), strict=True)]
    assert sum(moved) >= 0.9 * len(moved)
    model.save(tmp_path / "model.keras")
    loaded = mner_keras.load(tmp_path / "model.keras")
    assert type(loaded) is BertNER
    assert loaded.get_config() == model.get_config()
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert str(folder) not in archive.read("config.json").decode()
    posts = POSTS if TENSORFLOW else POSTS[:3]
    tagged = loaded.tag(posts)
    assert [len(t.tags) for t in tagged] == [len(post) for post in posts]
    if TENSORFLOW:
        assert [t.tags for t in tagged] == [post.tags for post in posts]
    assert loaded.tag(["  Ann saw  Rome"])[0].post.tokens == ("Ann", "saw", "Rome")


def test_without_the_crf_each_token_is_tagged_by_itself(tmp_path, preprocessor, bert):
    model = BertNER(preprocessor, crf=False)
    inputs, tags = batch(preprocessor, POSTS[:6])
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    assert np.isfinite(model.train_on_batch(inputs, tags))
    model.save(tmp_path / "model.keras")
    for found in (model, mner_keras.load(tmp_path / "model.keras")):
        assert found.get_config()["crf"] is False and not found.crf.boundary
        np.testing.assert_array_equal(to_numpy(found.crf.transitions.value), 0.0)
        outputs = found(inputs)
        potentials = to_numpy(outputs["potentials"]).astype("float64")
        # The loss is the cross-entropy of the tokens' softmax.
        shares = potentials - np.log(np.exp(potentials).sum(-1, keepdims=True))
        chosen = np.take_along_axis(shares, tags[..., None], -1)[..., 0] * inputs["token_mask"]
        assert float(to_numpy(found.crf_loss(tags, outputs))) == pytest.approx(-chosen.sum(1).mean(), rel=1e-4)
        best = to_numpy(found.crf.decode(outputs["potentials"], outputs["mask"])[0])
        np.testing.assert_array_equal(best[inputs["token_mask"]], potentials.argmax(-1)[inputs["token_mask"]])


def test_every_token_of_a_long_post_has_a_tag(preprocessor, bert):
    model = BertNER(preprocessor)
    # The BERT has 24 positions: many pieces, more tokens than positions, tokens of nothing that shows.
    posts = [Post(("abcdefghij",) * 9), Post(("a",) * 40), Post(("\u200e", "\u00a0", "\u4e2d"))]
    assert [len(t.tags) for t in model.tag(posts)] == [9, 40, 3]
    inputs, _ = batch(preprocessor, posts)
    assert inputs["subword_ids"].shape == (3, 24)
    assert (inputs["first_subwords"][1, 22:] == 0).all() and (inputs["first_subwords"][1, :22] > 0).all()


# --- What is refused ---


def test_what_cannot_be_is_refused(preprocessor, bert):
    with pytest.raises(ValueError, match="^`vectors` must be None where `use_words` is False. Received: vectors=3"):
        BertNER.fit_preprocessor(POSTS, vectors=3, backbone=bert[0])
    with pytest.raises(ValueError, match="^`preprocessor` must have a backbone: create it with `BertNER.fit_preproc"):
        BertNER(PostPreprocessor.fit(POSTS))
    for arguments, message in (
        ({"crf": "yes"}, "`crf` must be True or False. Received: crf='yes'"),
        ({"dropout": 1}, "`dropout` must be a number of at least 0 and below 1. Received: dropout=1"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            BertNER(preprocessor, **arguments)
