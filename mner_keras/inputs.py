"""The ends of a model, with the sizes that a preprocessor gives: inputs, word vectors, potentials."""

from collections.abc import Callable

import keras

from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.layers import CRF, WordEmbedding


def batch_inputs(preprocessor: PostPreprocessor) -> dict[str, keras.KerasTensor]:
    """Return a `keras.Input` for each key of the preprocessor's batches, which `PostPreprocessor` describes."""
    inputs = {"token_mask": keras.Input((None,), dtype="bool", name="token_mask")}
    if preprocessor.use_words:
        inputs["word_ids"] = keras.Input((None,), dtype="int32", name="word_ids")
    if preprocessor.use_characters:
        inputs["char_ids"] = keras.Input((None, preprocessor.max_characters), dtype="int32", name="char_ids")
    if (backbone := preprocessor.backbone) is not None:
        inputs |= backbone.inputs()
    if preprocessor.use_pos:
        inputs["pos_ids"] = keras.Input((None,), dtype="int32", name="pos_ids")
    if preprocessor.visual is not None:
        inputs["visual_features"] = keras.Input((None, preprocessor.visual.dim), name="visual_features")
        inputs["visual_mask"] = keras.Input((None,), dtype="bool", name="visual_mask")
    return inputs


def word_embedding(preprocessor: PostPreprocessor, dim: int | None, default: int, unknown: str) -> WordEmbedding:
    """Return the layer `word_embedding` for the preprocessor's vocabulary.

    Args:
        dim, default: the width; if `dim` is `None`, that of the pretrained vectors, or else `default`.
        unknown: as in `WordEmbedding`.

    Raises:
        ValueError: `dim` is not the width of the pretrained vectors.
    """
    width = preprocessor.vector_dim
    if None not in (dim, width) and dim != width:
        raise ValueError(f"`word_dim` must be the width of the pretrained vectors, {width}. Received: word_dim={dim}")
    sizes = preprocessor.vocabulary_size, dim or width or default, preprocessor.frozen_vocabulary_size
    return WordEmbedding(*sizes, unknown=unknown, name="word_embedding")


def token_representation(
    preprocessor: PostPreprocessor,
    inputs: dict[str, keras.KerasTensor],
    words: Callable | None = None,
    characters: Callable | None = None,
    pos: Callable | None = None,
) -> keras.KerasTensor:
    """Return the tokens' vectors `[word; char; POS; contextual]`, `[B, n, d]`, those that the preprocessor has.

    Args:
        preprocessor, inputs: as in `batch_inputs`; a fine-tuned backbone becomes the layer `backbone`.
        words, characters, pos: layers, or functions, that read `word_ids`, `char_ids` and `pos_ids`.
    """
    reads = {"word_ids": words, "char_ids": characters, "pos_ids": pos}
    parts = [read(inputs[name]) for name, read in reads.items() if read is not None and name in inputs]
    if "contextual" in inputs:
        parts.append(inputs["contextual"])
    elif preprocessor.backbone is not None:
        backbone = preprocessor.backbone.make_layer()
        parts.append(backbone({name: inputs[name] for name in backbone.input}))
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="token_representation")(parts)


def crf_outputs(
    preprocessor: PostPreprocessor, features: keras.KerasTensor, mask: keras.KerasTensor
) -> dict[str, keras.KerasTensor]:
    """Return `potentials` `[B, n, K]` of a linear layer and a CRF, named `potentials` and `crf`, and `mask`.

    Features are `[B, n, d]`, the mask is bool `[B, n]`, true for tokens.
    """
    scores = keras.layers.Dense(preprocessor.num_tags, name="potentials")(features)
    return {"potentials": CRF(preprocessor.num_tags, name="crf")(scores, mask=mask), "mask": mask}
