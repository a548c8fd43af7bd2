"""`Tagger`: a model that trains on posts and tags posts."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from mner_keras.best_tags import BestTags
from mner_keras.crf_model import CRFModel
from mner_keras.data.batches import PostBatches
from mner_keras.data.cutting import cut, filled
from mner_keras.data.encoder import PostEncoder
from mner_keras.data.pictured import with_pictures
from mner_keras.data.pipeline import inputs_of
from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.metrics.entity_f1 import EntityF1
from mner_keras.tagged_post import TaggedPost, as_post, tagged_post
from mner_keras.vision.extractors import load_extractor
from mner_keras.vision.feature_store import FeatureStore

if TYPE_CHECKING:
    from PIL import Image

    from mner_keras.text.word_vectors import WordVectors
    from mner_keras.vision.extraction import Extractor

FORMAT = 1
"""The number of the file format; a file with another number is from another version."""


class Tagger(CRFModel):
    """Base of the models: CRF loss, entity F1 in `fit`, decoding, `tag`, one file that does it all.

    A subclass builds a functional graph over the batch keys of `PostEncoder` and passes it on; it keeps each argument
    of its constructor as an attribute of that name, from which `get_config` reads them. `predict` gives potentials,
    `tag` gives tags.

    Args:
        inputs: `keras.Input` by batch key; further keys of a batch are not read.
        outputs: a dict with `potentials` `[B, n, K]` and `mask` `[B, n]`, and what else the subclass reads.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.
    """

    encoder_defaults: dict[str, Any] = {"use_pos": False}
    """The arguments of `PostEncoder.fit` that the paper's setting asks for."""

    explained: dict[str, str] = {}
    """What `explain` gives, by name, and the axes of each array: `n` tokens, `k` regions or objects, `d` features."""

    def __init__(
        self, inputs: dict, outputs: dict, encoder: PostEncoder | None = None, loss_reduction: str = "mean", **kwargs
    ) -> None:
        if loss_reduction not in ("mean", "sum"):
            raise ValueError(f"`loss_reduction` must be 'mean' or 'sum'. Received: loss_reduction={loss_reduction!r}")
        super().__init__(inputs, outputs, **kwargs)
        self.encoder = encoder
        self.loss_reduction = loss_reduction
        self.f1 = EntityF1(encoder.tags) if encoder is not None else None
        self._tracks_f1 = False
        self._decoder = None
        self._scorer = None
        self._explainer = None
        self._extractor = None

    @classmethod
    def fit_encoder(
        cls,
        posts: Iterable[Post],
        vectors: WordVectors | None = None,
        features: FeatureStore | str | os.PathLike | None = None,
        **options: Any,
    ) -> PostEncoder:
        """A `PostEncoder` with the settings of the model's paper.

        Args:
            posts: the training posts.
            vectors: pretrained word vectors.
            features: the store of the pictures' features; without it the model sees no pictures.
            options: arguments of `PostEncoder.fit` to set otherwise.
        """
        options = {**cls.encoder_defaults, **options}
        if features is None and isinstance(options.get("visual"), str):
            options["visual"] = cls.no_pictures(options.pop("visual_count", None))
        return PostEncoder.fit(posts, vectors, features, **options)

    @classmethod
    def encoder_options(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Options of `fit_encoder` that follow from arguments of the model."""
        return {"visual_count": arguments["num_objects"]} if "num_objects" in arguments else {}

    @classmethod
    def from_encoder(cls, encoder: PostEncoder, **arguments: Any) -> Tagger:
        """Build the model for an encoder, and take over the encoder's word vectors.

        Args:
            encoder: gives the sizes of the vocabularies, of the tag set and of the visual features.
            arguments: the model's other arguments.

        Raises:
            ValueError: `word_dim` is not the width of the encoder's word vectors.
        """
        sizes = {
            "num_tags": encoder.num_tags,
            "vocabulary_size": encoder.vocabulary_size,
            "frozen_vocabulary_size": encoder.frozen_vocabulary_size,
            "char_vocabulary_size": encoder.char_vocabulary_size,
            "max_characters": encoder.max_characters,
        }
        if encoder.vectors is not None:
            width = arguments.setdefault("word_dim", encoder.vectors.dim)
            if width != encoder.vectors.dim:
                expected = f"the width of the word vectors, {encoder.vectors.dim}"
                raise ValueError(f"`word_dim` must be {expected}. Received: word_dim={width}")
        if encoder.visual is not None and "visual" in cls.encoder_defaults:
            sizes["visual_dim"] = encoder.visual.dim
        model = cls(**sizes, encoder=encoder, **arguments)
        if encoder.vectors is not None:
            model.get_layer("word_embedding").load_vectors(*encoder.word_vectors())
        return model

    def call(self, inputs, training=None, mask=None):
        # A batch may hold keys that this model does not read.
        return super().call({name: inputs[name] for name in self._input_names()}, training=training)

    def fit(self, x=None, y=None, **kwargs):
        if y is None:
            # Data sets of posts come in their own order.
            kwargs.setdefault("shuffle", False)
        return super().fit(x, y, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self._tracks_f1 = self.f1 is not None and not training
        if self._tracks_f1:
            tags, _ = self.crf.decode(y_pred["potentials"], y_pred["mask"])
            self.f1.update_state(y, tags, y_pred["mask"])
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        results = super().compute_metrics(x, y, y_pred, sample_weight)
        if self.f1 is not None and not self._tracks_f1:
            results.pop(self.f1.name, None)
        return results

    def reduce_rows(self, values, outputs):
        if self.loss_reduction == "mean":
            return super().reduce_rows(values, outputs)
        return ops.sum(ops.where(ops.any(outputs["mask"], axis=1), values, 0.0))

    def predict(self, x, batch_size: int | None = None, **kwargs) -> np.ndarray:
        """Potentials, float32 `[N, n, K]`, n the longest post's length; what stands beyond a post's end means nothing.

        Args:
            x: a data set of `encoder.dataset`, or a dict of arrays.
            batch_size: for arrays.
        """
        if self._scorer is None:
            self._scorer = self._submodel(self.output["potentials"])
        if isinstance(x, dict):
            return self._scorer.predict(self._select(x), batch_size=batch_size, **{"verbose": 0, **kwargs})
        batches = [
            np.asarray(self._scorer.predict_on_batch(self._select(inputs)), "float32") for inputs in inputs_of(x)
        ]
        length = max(batch.shape[1] for batch in batches)
        return np.concatenate([np.pad(b, ((0, 0), (0, length - b.shape[1]), (0, 0))) for b in batches])

    def decode(self, x: dict, batch_size: int | None = None) -> np.ndarray:
        """The best tags of a dict of arrays, int32 `[B, n]`, 0 in masked positions."""
        return ops.convert_to_numpy(self.crf.decode(self.predict(x, batch_size=batch_size), x["token_mask"])[0])

    def tag(
        self,
        posts: Iterable[Post | str | Sequence[str]],
        features: FeatureStore | str | os.PathLike | None = None,
        batch_size: int = 64,
        pictures: Sequence[str | os.PathLike | Image.Image | None] | None = None,
        extractor: Extractor | None = None,
    ) -> list[TaggedPost]:
        """Find the names in posts.

        Args:
            posts: posts, plain texts, or lists of tokens.
            features: the store of the posts' pictures; without it, or for a picture that it does not hold, a post
                counts as one without a picture.
            batch_size: posts computed at once.
            pictures: instead of `features`, a path, a PIL image or `None` for each post. One that cannot be read is
                warned of and counts as none.
            extractor: turns `pictures` into vectors; by default, what made the features that the model learned from.

        Returns:
            a `TaggedPost` for each post, in order. An entity's score is the smallest marginal probability of its tags.

        Raises:
            ValueError: the model was built without an encoder; as many pictures as posts were not given.
            InputError: features of another width than the model's; pictures that the model cannot take.
        """
        posts = [as_post(post) for post in posts]
        tagged: list[TaggedPost | None] = [None] * len(posts)
        for rows, inputs in self._batches(posts, features, batch_size, pictures, extractor):
            tags, scores = self._decode_batch(inputs)
            for row, row_tags, row_scores in zip(rows, tags, scores, strict=False):
                post = posts[row]
                names = tuple(self.encoder.tags[i] for i in row_tags[: len(post)])
                tagged[row] = tagged_post(post, names, row_scores)
        return tagged

    def explain(
        self,
        posts: Iterable[Post | str | Sequence[str]],
        features: FeatureStore | str | os.PathLike | None = None,
        batch_size: int = 64,
        pictures: Sequence[str | os.PathLike | Image.Image | None] | None = None,
        extractor: Extractor | None = None,
    ) -> list[dict[str, np.ndarray]]:
        """What the model attended to in posts, as it tags them.

        Args:
            posts: as those of `features`, `batch_size`, `pictures` and `extractor`, arguments of `tag`.

        Returns:
            for each post, float32 arrays by the names in `explained`, without padding.

        Raises:
            ValueError: as `tag`.
            InputError: as `tag`; a model that attends to nothing.
        """
        names = [name for name in self.explained if name in self.output]
        if not names:
            raise InputError(f"expected a model that attends to something, found a {type(self).__name__}")
        posts = [as_post(post) for post in posts]
        if self._explainer is None:
            self._explainer = self._submodel({name: self.output[name] for name in names})
        found: list[dict[str, np.ndarray]] = [{} for _ in posts]
        for rows, inputs in self._batches(posts, features, batch_size, pictures, extractor):
            arrays = self._explainer.predict_on_batch(filled(self._select(inputs)))
            seen = inputs["visual_mask"].sum(axis=1) if "visual_mask" in inputs else np.zeros(len(rows), int)
            for name in names:
                for array, row, count in zip(arrays[name], rows, seen, strict=False):
                    size = {"n": len(posts[row]), "k": count}
                    cut_off = tuple(slice(size.get(axis)) for axis in self.explained[name])
                    found[row][name] = np.asarray(array, "float32")[cut_off]
        return found

    def get_config(self) -> dict:
        """The constructor's arguments, each of which is an attribute; the encoder as plain JSON values."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        config = {name: getattr(self, name) for name in names}
        if self.encoder is not None:
            config["encoder"] = self.encoder.get_config()
        return {"format": FORMAT, **config}

    @classmethod
    def from_config(cls, config: dict, custom_objects=None) -> Tagger:
        config = dict(config)
        config.pop("format", None)
        if isinstance(config.get("encoder"), dict):
            config["encoder"] = PostEncoder.from_config(config["encoder"])
        return cls(**config)

    def _input_names(self) -> list[str]:
        return list(self.input)

    def _select(self, inputs: dict) -> dict:
        return {name: inputs[name] for name in self._input_names()}

    def _submodel(self, outputs) -> keras.Model:
        """A functional model that shares this one's layers and gives something else of it."""
        return keras.Model(self.input, outputs)

    def _batches(
        self, posts: list[Post], features: Any, batch_size: int, pictures: Any, extractor: Extractor | None
    ) -> Iterator[tuple[np.ndarray, dict]]:
        """The posts' positions and inputs, batch by batch: posts of similar length share one."""
        if self.encoder is None:
            raise ValueError("`tag` needs a model with an encoder: build it with `from_encoder`, or load a saved one")
        if not posts:
            return
        named = posts
        if pictures is not None:
            if features is not None:
                raise ValueError("`features` and `pictures` exclude each other. Received: both")
            if extractor is None:
                extractor = self._extractor = self._extractor or load_extractor(self.encoder.visual)
            named, features = with_pictures(posts, pictures, extractor)
        batches = PostBatches(self.encoder, named, features, batch_size, labelled=False)
        order = np.argsort(batches.lengths, kind="stable")
        for rows in cut(order, batches.lengths, batch_size):
            yield rows, batches.batch(rows)[0]
        for reason in features.failed.values() if pictures is not None else ():
            warnings.warn(f"{reason}: taken as no picture", stacklevel=3)

    def _decode_batch(self, inputs: dict) -> tuple[np.ndarray, np.ndarray]:
        if self._decoder is None:
            best = BestTags(self.crf, name="decode")
            self._decoder = self._submodel(best(self.output["potentials"], self.output["mask"]))
        rows, length = inputs["token_mask"].shape
        tags, scores = self._decoder.predict_on_batch(filled(self._select(inputs)))
        return np.asarray(tags)[:rows, :length], np.asarray(scores)[:rows, :length]
