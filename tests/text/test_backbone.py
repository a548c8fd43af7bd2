"""Pretrained text backbones: each kind against KerasHub called by hand, and the models over them."""

import shutil
import zipfile

import numpy as np
import pytest
from layer_harness import to_numpy
from small_corpus import make_posts
from tiny_bert import write_tiny_bert
from tweets import PIECES, TWEETS, WORDS

import mner_keras
from mner_keras import InputError, Post
from mner_keras.data.batches import PostBatches
from mner_keras.registry import FINE_TUNING, find_model
from mner_keras.run.config import RunConfig
from mner_keras.vision.feature_writer import FeatureWriter

keras_hub = pytest.importorskip("keras_hub")

from agban_keras import AGBAN  # noqa: E402
from hsn_keras import HSN  # noqa: E402
from mner_keras.baselines.cnn_bilstm_crf import CNNBiLSTMCRF  # noqa: E402
from mner_keras.baselines.text_tagger import TextTagger  # noqa: E402
from mner_keras.text.backbone import TextBackbone  # noqa: E402

pytestmark = pytest.mark.usefixtures("eagerly")
SIZES = dict(num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=16, max_sequence_length=128)
POSTS = make_posts(count=8)


def sentence_piece(**special):
    import io

    import sentencepiece

    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TWEETS), model_writer=proto, vocab_size=90, hard_vocab_limit=False, **special
    )
    return proto.getvalue()


def byte_pairs():
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(_bytes()), "an"]
    return {"vocabulary": {piece: i for i, piece in enumerate(vocabulary)}, "merges": ["a n"]}


def _bytes():
    from tokenizers.pre_tokenizers import ByteLevel

    return ByteLevel.alphabet()


DEBERTA = dict(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]")
KINDS = {
    "Bert": lambda: {"vocabulary": PIECES, "lowercase": True},
    "DistilBert": lambda: {"vocabulary": PIECES, "lowercase": True},
    "Roberta": byte_pairs,
    "XLMRoberta": lambda: {"proto": sentence_piece(unk_id=0, bos_id=1, eos_id=2)},
    "DebertaV3": lambda: {"proto": sentence_piece(unk_piece="[UNK]", **DEBERTA)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokens_vector_is_that_of_its_first_subword(kind, tmp_path):
    tokenizer = getattr(keras_hub.models, f"{kind}Tokenizer")(**KINDS[kind]())
    more = {"bucket_size": 8} if kind == "DebertaV3" else {}
    hub = getattr(keras_hub.models, f"{kind}Backbone")(vocabulary_size=tokenizer.vocabulary_size() + 2, **SIZES, **more)
    for part in (hub, tokenizer):
        part.save_to_preset(str(tmp_path / "preset"))
    backbone = TextBackbone.load(tmp_path / "preset")
    assert (backbone.class_name, backbone.preset) == (f"{kind}Backbone", "preset")
    pieces = [backbone.subwords.ids(words) for words in WORDS]
    found = backbone.vectors(pieces, [None] * len(pieces))
    assert found.shape == (sum(map(len, WORDS)), 8)
    start = 0
    for post in pieces:
        ids = [*backbone.subwords.start, *(i for word in post for i in word), *backbone.subwords.end]
        inputs = {"token_ids": np.array([ids]), "padding_mask": np.ones((1, len(ids)), "int32")}
        if "segment_ids" in hub.input:
            inputs["segment_ids"] = np.zeros((1, len(ids)), "int32")
        outputs = hub(inputs)
        vectors = to_numpy(outputs["sequence_output"] if isinstance(outputs, dict) else outputs)[0]
        firsts = np.cumsum([1, *map(len, post)])[:-1]
        np.testing.assert_allclose(found[start : start + len(post)], vectors[firsts], rtol=1e-3, atol=1e-5)
        start += len(post)


# --- Models ---


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("hub") / "tiny", layers=1, positions=48)[0]


@pytest.mark.parametrize(("model_class", "fine_tune"), [(TextTagger, False), (AGBAN, False), (HSN, True)])
def test_a_backbone_is_trained_or_frozen_and_saved(model_class, fine_tune, bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "bert-folder")
    model = model_class(model_class.fit_preprocessor(POSTS, backbone=folder, fine_tune=fine_tune, use_pos=False))
    shutil.rmtree(folder)
    model.compile()
    optimizer, paper = (FINE_TUNING.optimizer, 0.1) if fine_tune else (find_model(model.name).training.optimizer, 0.0)
    assert optimizer in type(model.optimizer).__name__.lower()
    assert RunConfig.for_model(model.name, arguments={"fine_tune": fine_tune}).warmup == paper
    backbone = model.get_layer("backbone") if fine_tune else model.frozen_backbone
    before = backbone.get_weights()
    model.fit(POSTS, epochs=1, seed=1, verbose=0)
    moved = [np.abs(a - b).max() > 0 for a, b in zip(before, backbone.get_weights(), strict=True)]
    assert sum(moved) >= 0.8 * len(moved) if fine_tune else not any(moved)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert str(tmp_path) not in archive.read("config.json").decode()
    posts = [*POSTS[:2], "Ann saw \u05e9\u05dc\u05d5\u05dd"]
    loaded = mner_keras.load(tmp_path / "model.keras")
    for ours, theirs in zip(model.potentials(posts), loaded.potentials(posts), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_words_and_characters_can_be_left_out(bert):
    preprocessor = TextTagger.fit_preprocessor(
        POSTS, backbone=bert, use_words=False, use_characters=False, use_pos=False
    )
    model = TextTagger(preprocessor)
    assert set(model.input) == {"token_mask", "contextual"}
    assert [len(tagged.tags) for tagged in model.tag(POSTS)] == [len(post) for post in POSTS]


# --- Captions ---


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "captions.h5"
    with FeatureWriter(path, {"extractor": "words", "kind": "objects", "feature_dim": 2}) as writer:
        writer.add("car", np.ones((1, 2)), caption="a red car")
    return path


@pytest.mark.parametrize("fine_tune", [False, True])
def test_the_caption_of_a_posts_picture_is_read_behind_it(fine_tune, bert, captions):
    tagged = [Post(("Ann", "ran"), tags=("B-PER", "O"), image_id=name) for name in ("car", "other", None)]
    preprocessor = TextTagger.fit_preprocessor(
        tagged, features=captions, backbone=bert, caption=True, fine_tune=fine_tune, use_pos=False
    )
    batches = PostBatches(preprocessor, tagged, captions, 3)
    inputs, _ = batches.batch(np.arange(3))
    if fine_tune:
        subwords = preprocessor.backbone.subwords
        caption = [i for word in subwords.ids(["a", "red", "car"]) for i in word]
        alone = inputs["subword_ids"][2][inputs["subword_mask"][2]].tolist()
        expected = [*alone, *caption, *subwords.end]
        assert inputs["subword_ids"][0][inputs["subword_mask"][0]].tolist() == expected
        segments = [0] * len(alone) + [1] * (len(caption) + 1)
        assert inputs["subword_segments"][0][: len(expected)].tolist() == segments
        assert not inputs["subword_segments"][1:].any()
        np.testing.assert_array_equal(inputs["first_subwords"], [inputs["first_subwords"][2]] * 3)
    model = TextTagger(preprocessor)
    own, other, none = model.potentials(tagged, captions)
    assert np.abs(own - none).max() > 1e-4
    np.testing.assert_allclose(other, none, atol=1e-5)


# --- What is refused ---


def test_what_cannot_be_is_refused(bert, captions, tmp_path):
    refused = [
        (CNNBiLSTMCRF, {"backbone": bert}, "`backbone` must be None: CNNBiLSTMCRF takes no pretrained backbone"),
        (CNNBiLSTMCRF, {"use_words": False}, "`use_words` must be True: CNNBiLSTMCRF takes no pretrained backbone"),
        (TextTagger, {"fine_tune": True}, "`backbone` must be given for `fine_tune`"),
        (TextTagger, {"use_words": False, "use_characters": False}, "`backbone` must be given"),
        (TextTagger, {"backbone": bert, "caption": True}, "expected a feature store with captions"),
        (TextTagger, {"backbone": tmp_path}, "expected a text backbone: a preset of KerasHub, or a folder of"),
    ]
    for model_class, options, message in refused:
        with pytest.raises(ValueError, match=message):
            model_class.fit_preprocessor(POSTS, **options)
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize("package", ["keras_hub", "safetensors", "sentencepiece", "tokenizers"])
def test_a_missing_package_is_named(monkeypatch, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(InputError, match=rf"^a pretrained backbone needs {package}: pip install 'mner-keras\[backb"):
        TextBackbone.load("bert_base_en")


def test_an_image_backbone_is_no_text_backbone(tmp_path):
    vit = keras_hub.models.ViTBackbone((32, 32, 3), 16, 1, 2, 8, 16)
    vit.save_to_preset(str(tmp_path / "vit"))
    with pytest.raises(InputError, match="expected a text backbone, found a ViTBackbone"):
        TextBackbone.load(tmp_path / "vit")
