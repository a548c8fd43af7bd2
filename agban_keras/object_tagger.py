"""`ObjectTagger`: the base of both forms of AGBAN."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mner_keras.data.post import Post
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.layers.checks import check_count
from mner_keras.tagger import Tagger
from mner_keras.training import check_steps
from mner_keras.vision.feature_store import FeatureStore
from mner_keras.vision.visual_input import MASK_RCNN_OBJECTS

if TYPE_CHECKING:
    from mner_keras.text.word_vectors import WordVectors


class ObjectTagger(Tagger):
    """A tagger that reads the objects of a picture and may have a layer `gradient_reversal`."""

    preprocessing = {"use_pos": False, "fold_digits": True, "visual": MASK_RCNN_OBJECTS}

    @classmethod
    def fit_preprocessor(
        cls,
        posts: Iterable[Post],
        vectors: WordVectors | None = None,
        features: FeatureStore | str | os.PathLike | None = None,
        pictures: bool = True,
        num_objects: int = 3,
        **options: Any,
    ) -> PostPreprocessor:
        """Return a `PostPreprocessor` with the paper's settings.

        Args:
            posts: the training posts.
            vectors: pretrained word vectors.
            features: the store of the pictures' objects.
            pictures: whether the posts' pictures are used; if not, every post counts as one without a picture.
            num_objects: the number of objects read per picture, k, 1 to 5 in the paper.
            options: other arguments of `PostPreprocessor.fit`.
        """
        check_count("num_objects", num_objects)
        visual = dataclasses.replace(MASK_RCNN_OBJECTS, count=num_objects)
        return super().fit_preprocessor(posts, vectors, features, pictures, **{"visual": visual, **options})

    def begin_training(self, steps_per_epoch, epochs, initial_epoch=0) -> None:
        super().begin_training(steps_per_epoch, epochs, initial_epoch)
        reversal = next((layer for layer in self.layers if layer.name == "gradient_reversal"), None)
        if reversal is not None and reversal.strength == "schedule":
            check_steps(steps_per_epoch, "the schedule of lambda")
            reversal.set_total_steps(steps_per_epoch * epochs)
