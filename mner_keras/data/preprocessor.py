"""`PostPreprocessor`: converts posts to batches of arrays."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.data.batches import PostBatches, as_dataset, open_store
from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.text.backbone import TextBackbone
from mner_keras.text.pos import POS_CATEGORIES, pos_category, tag_pos
from mner_keras.vision.visual_input import VisualInput

if TYPE_CHECKING:
    import tensorflow as tf

    from mner_keras.text.vectors import WordVectors
    from mner_keras.vision.feature_store import FeatureStore

UNKNOWN, FIRST = 1, 2  # index 0 is padding, index 1 is unknown; words and characters start at 2


@dataclasses.dataclass(eq=False, repr=False)
class PostPreprocessor:
    """Convert posts into the arrays that the models read.

    `Model.fit_preprocessor` creates one with the settings of the model's paper. A saved model contains it as JSON.

    Args:
        words: the words of the training posts; their table is trainable.
        characters: the characters of the training posts.
        types: the entity types; the tags are `O` and, for each type, a `B-` and an `I-` tag.
        frozen_words: further words of the vector file; their table is frozen.
        use_pos: whether batches contain `pos_ids`.
        fold_digits: whether each digit is replaced by 0 before look-up, in words and characters.
        max_characters: the number of characters kept per token, from its start.
        vector_dim: the width of the pretrained word vectors; `None` without them.
        visual: the picture input of the batches; `None` for a text-only model.
        blank: the features of the blank picture, `[count, dim]`, for `regions`; zeros if `None`.
        num_singletons: how many of `words`, the last ones, appear only once in the training posts.
        use_words: whether batches contain `word_ids`.
        use_characters: whether batches contain `char_ids`.
        backbone: the pretrained text model that gives the tokens contextual vectors; `None` for none.
        bucket: whether a batch joins posts of similar length and is padded to one of a few lengths. If not, batches
            ignore the posts' lengths and are padded to their longest post, in training and in tagging.

    Batch keys: `word_ids` int32 `[B, n]`, `char_ids` int32 `[B, n, c]`, `pos_ids` int32 `[B, n]`, `token_mask` bool
    `[B, n]`, `visual_features` float32 `[B, k, f]`, `visual_mask` bool `[B, k]`; with a frozen backbone `contextual`
    float32 `[B, n, d]`; with a fine-tuned one `subword_ids` int32 `[B, m]`, `subword_mask` bool `[B, m]`,
    `first_subwords` int32 `[B, n]` (the position of each token's first subword, 0 for none) and, if it reads captions,
    `subword_segments` int32 `[B, m]`; targets: tags int32 `[B, n]`.
    """

    words: Sequence[str]
    characters: Sequence[str]
    types: Sequence[str]
    frozen_words: Sequence[str] = ()
    use_pos: bool = True
    fold_digits: bool = False
    max_characters: int = 24
    vector_dim: int | None = None
    visual: VisualInput | dict | None = None
    blank: Sequence[Sequence[float]] | np.ndarray | None = None
    num_singletons: int = 0
    use_words: bool = True
    use_characters: bool = True
    backbone: TextBackbone | dict | None = None
    bucket: bool = True

    def __post_init__(self) -> None:
        for name in ("words", "characters", "types", "frozen_words"):
            setattr(self, name, list(getattr(self, name)))
        if isinstance(self.visual, dict):
            self.visual = VisualInput(**self.visual)
        if isinstance(self.backbone, dict):
            self.backbone = TextBackbone(**self.backbone)
        if self.blank is not None:
            self.blank = np.asarray(self.blank, "float32")
        self.tags = ["O", *(prefix + kind for kind in self.types for prefix in ("B-", "I-"))]
        """The tags, in the order of the model's potentials."""
        self.vectors: WordVectors | None = None
        """The pretrained word vectors that a new model copies; not saved with the preprocessor."""
        self.vocabulary_size = FIRST + len(self.words)
        """The number of rows of the trainable word table: padding, unknown, the training posts' words."""
        self.frozen_vocabulary_size = len(self.frozen_words)
        self.char_vocabulary_size = FIRST + len(self.characters)
        self.pos_vocabulary_size = 1 + len(POS_CATEGORIES)
        self.num_tags = len(self.tags)
        self._word_ids = {word: i for i, word in enumerate([*self.words, *self.frozen_words], FIRST)}
        self._character_ids = {character: i for i, character in enumerate(self.characters, FIRST)}
        self._tag_ids = {tag: i for i, tag in enumerate(self.tags)}

    @classmethod
    def fit(
        cls,
        posts: Iterable[Post],
        vectors: WordVectors | None = None,
        features: FeatureStore | str | os.PathLike | None = None,
        visual: VisualInput | None = None,
        pictures: bool = True,
        use_words: bool = True,
        use_characters: bool = True,
        use_pos: bool = True,
        fold_digits: bool = False,
        max_characters: int = 24,
        backbone: str | os.PathLike | None = None,
        fine_tune: bool = False,
        caption: bool = False,
        bucket: bool = True,
        other_posts: Iterable[Post] = (),
    ) -> PostPreprocessor:
        """Learn the vocabularies from posts.

        Args:
            posts, features: the training posts, and the store of their pictures' features.
            vectors: pretrained word vectors (`mner_keras.text.read_vectors`).
            visual: the model's picture input: its kind, and its sizes without a store; `None` for a text-only model.
            pictures: whether to use the posts' pictures. If not, every post counts as one without a picture; `features`
                then only gives the sizes and the blank picture.
            use_words, use_characters, use_pos, fold_digits, max_characters, bucket: as in the class.
            backbone: a pretrained text model, by its name in KerasHub or its folder (`TextBackbone.load`).
            fine_tune: whether training changes the backbone. If not, its vectors are computed once per post.
            caption: whether the backbone also reads, behind a post, the caption of its picture from `features`.
            other_posts: the other splits, for a transductive vocabulary with their words, characters and types.

        Raises:
            InputError: posts without entities, a store of another kind of features, or a backbone that does not load.
            ValueError: options that exclude each other.
        """
        if vectors is not None and not use_words:
            raise ValueError(f"`vectors` must be None where `use_words` is False. Received: vectors={vectors!r}")
        if backbone is None and (fine_tune or caption or not (use_words or use_characters)):
            expected = "given for `fine_tune`, for `caption`, and where words and characters are left out"
            raise ValueError(f"`backbone` must be {expected}. Received: backbone=None")
        posts, other_posts = list(posts), list(other_posts)
        types = sorted({tag[2:] for post in (*posts, *other_posts) for tag in post.tags or () if tag != "O"})
        if not types:
            raise InputError("the training posts must contain at least one entity, found none")
        counts = Counter(_folded(token, fold_digits) for post in posts for token in post.tokens)
        others = dict.fromkeys(_folded(token, fold_digits) for post in other_posts for token in post.tokens)
        single = [word for word, count in counts.items() if count == 1]
        repeated = [word for word, count in counts.most_common() if count > 1]
        # Singletons come last: `num_singletons` counts their rows.
        words = [*repeated, *(word for word in others if word not in counts), *single]
        known = set(words)
        if caption and (features is None or not open_store(features).has_captions):
            raise InputError("expected a feature store with captions, as `mner features words` writes it, found none")
        blank = None
        if visual is not None and features is not None:
            store = open_store(features)
            visual = visual.of_store(store, pictures)
            blank = store.blank(visual.count) if visual.kind == "regions" else None
        elif visual is not None:
            visual = dataclasses.replace(visual, pictures=pictures)
        preprocessor = cls(
            words,
            sorted({character for word in words for character in word[:max_characters]}),
            types,
            frozen_words=[word for word in vectors.words if word not in known] if vectors is not None else (),
            use_pos=use_pos,
            fold_digits=fold_digits,
            max_characters=max_characters,
            vector_dim=None if vectors is None else vectors.dim,
            visual=visual,
            blank=blank,
            num_singletons=len(single),
            use_words=use_words,
            use_characters=use_characters,
            backbone=None if backbone is None else TextBackbone.load(backbone, fine_tune, caption),
            bucket=bucket,
        )
        preprocessor.vectors = vectors
        return preprocessor

    @property
    def reads_store(self) -> bool:
        """Return whether batches contain what a feature store holds: vectors of pictures, or captions."""
        has_pictures = self.visual is not None and self.visual.pictures
        return has_pictures or (self.backbone is not None and self.backbone.caption)

    def word_vectors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return pretrained vectors for the word tables.

        Returns:
            rows float32 `[vocabulary_size, d]`, known bool `[vocabulary_size]` (whether the vectors contain that row's
                word, as written or lower-cased), frozen float32 `[frozen_vocabulary_size, d]`.
        """
        if self.vectors is None:
            raise ValueError("`vectors` must be given to `fit_preprocessor` for pretrained word tables. Received: None")
        found = np.array([-1] * FIRST + [self.vectors.lookup(word) for word in self.words])
        known = found >= 0
        rows = np.where(known[:, None], self.vectors.matrix[found], np.float32(0))
        frozen = self.vectors.matrix[[self.vectors.lookup(word) for word in self.frozen_words]]
        return rows, known, frozen.reshape(-1, self.vectors.dim)

    def word_id(self, word: str) -> int:
        """Return the row of a word, as written or lower-cased, in the trainable table or else the frozen one."""
        word = _folded(word, self.fold_digits)
        return self._word_ids.get(word) or self._word_ids.get(word.lower(), UNKNOWN)

    def char_ids(self, word: str) -> list[int]:
        """Return the rows of a word's first `max_characters` characters."""
        characters = _folded(word[: self.max_characters], self.fold_digits)
        return [self._character_ids.get(character, UNKNOWN) for character in characters]

    def tag_ids(self, tags: Sequence[str]) -> list[int]:
        """Return the indices of tags; raise `InputError` if the training posts contain no entity of the type."""
        try:
            return [self._tag_ids[tag] for tag in tags]
        except KeyError as error:
            raise InputError(f"expected tags of {', '.join(self.types)}, found {error.args[0]!r}") from None

    def pos_ids(self, posts: Sequence[Post]) -> list[list[int]]:
        """Return the categories of the posts' parts of speech; NLTK tags posts without them."""
        missing = [post.tokens for post in posts if post.pos is None]
        made = iter(tag_pos(missing) if missing else ())
        index = {category: 1 + i for i, category in enumerate(POS_CATEGORIES)}
        return [[index[pos_category(tag)] for tag in (post.pos or next(made))] for post in posts]

    def dataset(
        self,
        posts: Iterable[Post],
        features: FeatureStore | str | os.PathLike | None = None,
        batch_size: int = 16,
        shuffle: bool = False,
        seed: int | None = None,
    ) -> tf.data.Dataset:
        """Return batches for `fit`, `evaluate` and `predict`, as a `tf.data.Dataset` or a `keras.utils.PyDataset`.

        The latter replaces a missing TensorFlow. Each is `(inputs, tags)`, or `inputs` alone if a post has no tags.

        Args:
            posts, batch_size: the posts, and their number in a batch.
            features: the store of their pictures' features; without it, all posts count as posts without a picture.
            shuffle: whether to reorder the posts in each epoch. With `bucket`, batches contain posts of similar length
                (at most six lengths), and the last batch is filled up with empty rows. Otherwise the order is kept.
            seed: the order depends on (seed, epoch).

        Raises:
            InputError: the width of the features differs from the preprocessor's.
            TaggerDataMissing: parts of speech are needed, and NLTK's data is not installed.
        """
        return as_dataset(PostBatches(self, posts, features, batch_size, shuffle, seed))

    def get_config(self) -> dict[str, Any]:
        """Return the preprocessor as JSON values."""
        return {**dataclasses.asdict(self), "blank": None if self.blank is None else self.blank.tolist()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PostPreprocessor:
        """Return the preprocessor that `get_config` described."""
        return cls(**config)


def needed_words(posts: Iterable[Post], fold_digits: bool = False) -> set[str]:
    """Return the words of posts as a preprocessor looks them up in a vector file."""
    return {_folded(token, fold_digits) for post in posts for token in post.tokens}


def _folded(word: str, fold_digits: bool) -> str:
    return re.sub("[0-9]", "0", word) if fold_digits else word
