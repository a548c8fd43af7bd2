"""`Predictor`: what a `Tagger` gives for posts, batch by batch."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from mner_keras.data.batches import PostBatches
from mner_keras.data.post import Post
from mner_keras.layers import CharBiLSTM, CharCNN, CRFDecode
from mner_keras.registry import training_of
from mner_keras.tagged_post import with_pictures
from mner_keras.vision.extraction import load_extractor

DISTINCT_TOKENS = 8192  # whose characters are encoded at once


class Predictor:
    """Compute parts of a model's graph for posts, in less work than the graph itself.

    The characters of each distinct token are encoded once, posts of similar length share a batch, and the next batch is
    made while the `Tagger` computes.
    """

    def __init__(self, model) -> None:
        self.model = model
        self._graphs: dict[tuple[str, float], keras.Model] = {}
        self._extractor = None

    def _graph(self, gives: str) -> keras.Model:
        """Return a model of the same layers that gives potentials, tags, what is explained or character vectors."""
        key = gives, self.model.temperature
        if key not in self._graphs:
            inputs, found, encoder = dict(self.model.input), self.model.output, char_encoder(self.model)
            if encoder is not None:
                char_ids, inputs[encoder.output.name] = inputs.pop("char_ids"), encoder.output
            if gives == "char_vectors":
                inputs, outputs = char_ids, encoder.output
            elif gives == "potentials":
                outputs = found["potentials"]
            elif gives == "explained":
                outputs = {name: found[name] for name in self.model.explained if name in found}
            else:
                decode = CRFDecode(self.model.crf, self.model.temperature, name="decode")
                tags, scores = decode(found["potentials"], found["mask"])
                outputs = tags if gives == "tags alone" else (tags, scores)
            self._graphs[key] = keras.Model(inputs, outputs)
        return self._graphs[key]

    def _char_vectors(self, char_ids: np.ndarray) -> np.ndarray:
        """Return the vectors of distinct tokens from their characters, `[U, d]`."""
        found = []
        for start in range(0, len(char_ids), DISTINCT_TOKENS):
            block = char_ids[start : start + DISTINCT_TOKENS]
            # Few distinct sizes: a compiler makes a program for each.
            padded = np.zeros((1 << (len(block) - 1).bit_length(), 1, block.shape[1]), "int32")
            padded[: len(block), 0] = block
            found.append(np.asarray(self._graph("char_vectors").predict_on_batch(padded))[: len(block), 0])
        return np.concatenate(found)

    def __call__(
        self, gives: str, posts: list[Post], features: Any, batch_size: int | None, pictures=None, extractor=None
    ) -> Iterator[tuple[np.ndarray, dict, Any]]:
        """Yield the posts' positions, inputs and what a graph gives, batch by batch, for posts of similar length."""
        if not posts:
            return
        if None not in (features, pictures):
            raise ValueError("`features` and `pictures` exclude each other. Received: both")
        if pictures is not None:
            if extractor is None:
                extractor = self._extractor = self._extractor or load_extractor(self.model.preprocessor.visual)
            posts, features = with_pictures(posts, pictures, extractor)
        batches = PostBatches(self.model.preprocessor, posts, features, labelled=False)
        if char_encoder(self.model) is not None:
            batches.char_vectors = self._char_vectors(batches.char_ids)
        if not self.model.preprocessor.bucket:
            batch_size = batch_size or training_of(type(self.model)).batch_size
        graph = self._graph(gives)
        with ThreadPoolExecutor(1) as pool:
            waiting = batches.by_length(batch_size, compiled=keras.backend.backend() == "jax")
            ahead = pool.submit(next, waiting, None)
            while (made := ahead.result()) is not None:
                ahead = pool.submit(next, waiting, None)
                positions, inputs = made
                given = {name: inputs.get(name, inputs.get("char_vectors")) for name in graph.input}
                yield positions, inputs, graph.predict_on_batch(given)
        for reason in features.failed.values() if pictures is not None else ():
            warnings.warn(f"{reason}: ignored", stacklevel=3)


def char_encoder(model: keras.Model) -> keras.layers.Layer | None:
    """Return the layer that encodes each token from its characters alone; `None` if there is none."""
    found = [layer for layer in model.layers if isinstance(layer, (CharBiLSTM, CharCNN))]
    return found[0] if len(found) == 1 else None
