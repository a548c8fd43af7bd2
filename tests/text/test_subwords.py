"""Subwords: each kind against its reference tokenizer, and the layout of a post."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
from tweets import PIECES, TWEETS, WORDS

pytest.importorskip("keras_hub")
import keras_hub  # noqa: E402
import sentencepiece  # noqa: E402
import tokenizers  # noqa: E402

from mner_keras import InputError  # noqa: E402
from mner_keras.text.subwords import Subwords  # noqa: E402


def joined(subwords, words):
    return [i for word in subwords.ids(words) for i in word]


def ids_of(tokenizer, text):
    return [int(i) for i in np.asarray(tokenizer(text)).reshape(-1)]


@pytest.mark.parametrize("lowercase", [False, True])
def test_word_pieces_are_berts(lowercase):
    hub = keras_hub.models.BertTokenizer(vocabulary=PIECES, lowercase=lowercase)
    subwords = Subwords.from_hub(hub, 24)
    reference = tokenizers.BertWordPieceTokenizer({p: i for i, p in enumerate(PIECES)}, lowercase=lowercase)
    for words in WORDS:
        expected = reference.encode(" ".join(words), add_special_tokens=False).ids
        assert joined(subwords, words) == expected
    assert (subwords.start, subwords.middle, subwords.end, subwords.unknown) == ([2], [3], [3], 1)
    assert subwords.ids(["\u200e"]) == [[1]]


def test_byte_pairs_are_robertas():
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(TWEETS * 3, vocab_size=330, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    model = json.loads(trained.to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    hub = keras_hub.models.RobertaTokenizer(vocabulary=model["vocab"], merges=merges)
    subwords = Subwords.from_hub(hub, 24)
    for words in WORDS:
        assert joined(subwords, words) == ids_of(hub, " " + " ".join(words))
    assert (subwords.start, subwords.middle, subwords.end) == ([0], [2, 2], [2])


@pytest.mark.parametrize("kind", ["XLMRobertaTokenizer", "DebertaV3Tokenizer"])
def test_sentence_pieces_are_their_models(kind):
    proto = io.BytesIO()
    special = {"unk_id": 0, "bos_id": 1, "eos_id": 2}
    if kind.startswith("Deberta"):
        special = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
        special |= {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TWEETS[:3]), model_writer=proto, vocab_size=90, hard_vocab_limit=False, **special
    )
    hub = getattr(keras_hub.models, kind)(proto=proto.getvalue())
    subwords = Subwords.from_hub(hub, 24)
    for words in WORDS:  # the last has letters that the model does not know
        assert joined(subwords, words) == ids_of(hub, " ".join(words))
    expected = ([0], [2, 2], [2], 3) if kind.startswith("XLM") else ([1], [2], [2], 3)
    assert (subwords.start, subwords.middle, subwords.end, subwords.unknown) == expected
    again = Subwords(**json.loads(json.dumps(dataclasses.asdict(subwords))))
    assert again.ids(WORDS[0]) == subwords.ids(WORDS[0])
    assert base64.b64decode(again.tokenizer) == proto.getvalue()


def test_a_hugging_face_file_is_read_without_its_padding_and_truncation(tmp_path):
    reference = tokenizers.BertWordPieceTokenizer({p: i for i, p in enumerate(PIECES)}, lowercase=True)
    reference.enable_padding(length=40)
    reference.enable_truncation(max_length=6)
    reference.save(str(tmp_path / "tokenizer.json"))
    subwords = Subwords.from_file(tmp_path / "tokenizer.json", 24)
    reference.no_padding()
    reference.no_truncation()
    for words in WORDS:
        assert joined(subwords, words) == reference.encode(" ".join(words), add_special_tokens=False).ids
    assert (subwords.start, subwords.middle, subwords.end, subwords.unknown) == ([2], [3], [3], 1)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="expected Hugging Face's tokenizer, found a file that does not load"):
        Subwords.from_file(tmp_path / "tokenizer.json", 24)


def make(max_length):
    tokenizer = tokenizers.BertWordPieceTokenizer({p: i for i, p in enumerate(PIECES)})
    return Subwords(tokenizer.to_str(), [1], [2, 2], [3], 0, max_length)


@pytest.mark.parametrize(
    ("counts", "length", "firsts"),
    [
        ([1, 3, 2], 8, [1, 2, 5]),
        ([2, 3, 2], 9, [1, 3, 6]),
        ([2, 3, 2], 8, [1, 3, 5]),
        ([9, 1, 9], 8, [1, 3, 4]),
        ([2, 2, 2, 2, 2, 2, 2], 8, [1, 2, 3, 4, 5, 6, 0]),
        ([5], 3, [1]),
    ],
)
def test_a_post_keeps_as_many_subwords_of_each_word_as_fit(counts, length, firsts):
    row, found, second = make(length).layout([[10 * w + i + 10 for i in range(n)] for w, n in enumerate(counts)])
    assert found == firsts
    assert len(row) == second <= length and (row[0], row[-1]) == (1, 3)
    assert [row[first] for first in firsts if first] == [10 * w + 10 for w, first in enumerate(firsts) if first]


@pytest.mark.parametrize(
    ("length", "expected", "second"),
    [
        (20, [1, 7, 8, 9, 2, 2, 30, 31, 32, 3], 6),
        (8, [1, 7, 8, 9, 2, 2, 30, 3], 6),
        (7, [1, 7, 8, 9, 3], 5),
    ],
)
def test_a_caption_stands_behind_the_post_where_there_is_room(length, expected, second):
    assert make(length).layout([[7], [8, 9]], [30, 31, 32]) == (expected, [1, 2], second)
