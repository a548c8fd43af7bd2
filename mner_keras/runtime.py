"""`OnnxTagger`: tag posts with the file that `mner export --to onnx` wrote, without Keras and its backends."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mner_keras.data.batches import PostBatches
from mner_keras.data.post import Post
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.errors import InputError
from mner_keras.tagged_post import TaggedPost, as_post, tagged_post
from mner_keras.vision.visual_input import names_by_id, stack_vectors

METADATA = "mner_keras"  # the key of the file's metadata whose value is the JSON of everything but the network


class OnnxTagger:
    """A tagger in ONNX Runtime, with the tags and scores of the model that it was exported from.

    It needs NumPy and ONNX Runtime, and `tokenizers` for a model that reads subwords: neither Keras nor a backend.

    Args:
        path: the file of `mner export MODEL --to onnx --out PATH`.

    Raises:
        InputError: no such file, or another kind of file; a package of the extra `runtime` is missing.

    Example:

    >>> tagger = OnnxTagger("model.onnx")
    >>> tagger.tag([["Anyway", "the", "best", "Benz", "in", "Los", "Angeles"]])[0].entities
    """

    def __init__(self, path: str | os.PathLike) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError(f"an ONNX file needs {error.name}: pip install 'mner-keras[runtime]'") from None
        if not os.path.isfile(path):
            raise InputError("expected an ONNX file of `mner export`, found no such file", path)
        try:
            options = onnxruntime.SessionOptions()
            # Threads that wait by spinning slow down the programs that share the cores, and this one.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, ["CPUExecutionProvider"])
            about = json.loads(self._session.get_modelmeta().custom_metadata_map[METADATA])
        except Exception as error:  # noqa: BLE001 (ONNX Runtime has errors of its own)
            raise InputError("expected an ONNX file of `mner export`, found another file", path) from error
        self.preprocessor = PostPreprocessor.from_config(about["preprocessor"])
        self.temperature: float = about["temperature"]
        self._batch_size: int | None = about["batch_size"]
        self._crf = {name: np.asarray(values) for name, values in about["crf"].items()}
        self._inputs = [found.name for found in self._session.get_inputs()]

    def tag(
        self,
        posts: Iterable[Post | Sequence[str]],
        features: Mapping[str, np.ndarray] | None = None,
        captions: Mapping[str, str] | None = None,
    ) -> list[TaggedPost]:
        """Find the names in posts.

        Args:
            posts: posts, or lists of tokens. A model that reads parts of speech needs `Post(tokens, pos=...)`.
            features: vectors `[k, f]` of pictures by `image_id`. A post without any counts as one without a picture.
            captions: the captions of pictures by `image_id`, for a model that reads them.

        Returns:
            a `TaggedPost` for each post, in order, as `Tagger.tag` returns it.

        Raises:
            InputError: a post without parts of speech, where the model reads them; vectors of another width.
            ValueError: a post is a plain text.
        """
        posts = list(posts)
        for post in posts:
            if isinstance(post, str):
                raise ValueError(f"`posts` must be posts or lists of tokens. Received: the text {post[:40]!r}")
        posts = [as_post(post) for post in posts]
        if not posts:
            return []
        without = [number for number, post in enumerate(posts, start=1) if post.pos is None]
        if self.preprocessor.use_pos and without:
            raise InputError(f"expected parts of speech, which the model reads, found post {without[0]:,} without")
        tagged: list[TaggedPost | None] = [None] * len(posts)
        visual, names = self.preprocessor.visual, np.array(self.preprocessor.tags, object)
        pictures = _Pictures(features or {}, captions or {}, 0 if visual is None else visual.dim)
        batches = PostBatches(self.preprocessor, posts, pictures, labelled=False)
        by_row = "char_rows" in self._inputs
        if by_row:
            batches.char_vectors = np.arange(len(batches.char_ids))  # each token's row in the table of characters
        for rows, inputs in batches.by_length(self._batch_size, compiled=False):
            if by_row:
                tokens, rows_of_tokens = np.unique(inputs["char_vectors"], return_inverse=True)
                inputs["char_ids"] = batches.char_ids[tokens][None].astype("int32")
                inputs["char_rows"] = rows_of_tokens.reshape(inputs["token_mask"].shape).astype("int32")
            (potentials,) = self._session.run(None, {name: inputs[name] for name in self._inputs})
            lengths = batches.lengths[rows]
            tags, scores = decode_crf(potentials, lengths, self._crf, self.temperature)
            for row, length, of_row, scores_of_row in zip(rows, lengths, names[tags].tolist(), scores, strict=True):
                tagged[row] = tagged_post(posts[row], tuple(of_row[:length]), scores_of_row)
        return tagged


class _Pictures:
    """Vectors and captions by image id, read as from a `FeatureStore`."""

    path = "features"  # what an error message calls it

    def __init__(self, vectors: Mapping[str, np.ndarray], captions: Mapping[str, str], dim: int) -> None:
        self._vectors, self._captions = ({i: x[n] for i, n in names_by_id(x).items()} for x in (vectors, captions))
        self.dim = dim

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._vectors

    def read(self, image_ids: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        return stack_vectors(image_ids, self._vectors, count, self.dim, self.path)

    def caption(self, image_id: str | None) -> str | None:
        return self._captions.get(image_id)


def decode_crf(
    potentials: np.ndarray, lengths: np.ndarray, crf: Mapping[str, np.ndarray], temperature: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best tags, int `[B, n]`, and their probabilities, float64 `[B, n]`, as `CRF` does, in NumPy.

    `potentials` are float `[B, n, K]`; `lengths`, int `[B]`, the tokens of each row, at least 1, after which the result
    is undefined; `crf` is from `CRF.arrays`; `temperature` divides all scores before the probabilities.
    """
    potentials = np.array(potentials, "float32")
    potentials[:, 0] += crf["start"]
    potentials[np.arange(len(lengths)), lengths - 1] += crf["end"]
    labels = _best_path(potentials, lengths, crf["transitions"])
    marginals = _marginals(potentials / temperature, lengths, crf["transitions"] / temperature)
    tags = np.asarray(crf["tags"])[labels]
    # Several labels may mean the same tag.
    return tags, (marginals * (crf["tags"] == tags[..., None])).sum(axis=-1)


def _best_path(potentials: np.ndarray, lengths: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    rows, steps, count = potentials.shape
    best, came_from = potentials[:, 0], np.zeros((steps, rows, count), int)
    for t in range(1, steps):
        ways = best[:, :, None] + transitions
        there = (t < lengths)[:, None]
        came_from[t] = np.where(there, ways.argmax(axis=1), np.arange(count))
        best = np.where(there, ways.max(axis=1) + potentials[:, t], best)
    path = [best.argmax(axis=1)]
    for t in reversed(range(1, steps)):
        path.append(came_from[t][np.arange(rows), path[-1]])
    return np.stack(path[::-1], axis=1)


def _marginals(potentials: np.ndarray, lengths: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    potentials, transitions = potentials.astype("float64"), transitions.astype("float64")
    steps = potentials.shape[1]
    forward, backward = [potentials[:, 0]], [np.zeros_like(potentials[:, 0])]
    for t in range(1, steps):
        new = np.logaddexp.reduce(forward[-1][:, :, None] + transitions, axis=1) + potentials[:, t]
        forward.append(np.where((t < lengths)[:, None], new, forward[-1]))
        t = steps - t  # backwards
        new = np.logaddexp.reduce(transitions + (potentials[:, t] + backward[-1])[:, None], axis=2)
        backward.append(np.where((t < lengths)[:, None], new, 0.0))
    log_z = np.logaddexp.reduce(forward[-1], axis=-1)
    return np.exp(np.stack(forward, axis=1) + np.stack(backward[::-1], axis=1) - log_z[:, None, None])
