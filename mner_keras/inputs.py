"""The ends of a model, with the sizes that a preprocessor gives: inputs, word vectors, potentials."""

from __future__ import annotations

from collections.abc import Callable

import keras

from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.layers import CRF, WordEmbedding


def batch_inputs(preprocessor: PostPreprocessor) -> dict[str, keras.KerasTensor]:
    """Return a `keras.Input` for each key of the preprocessor's batches.

    These are `token_mask` and, where the preprocessor has them, the other keys that `PostPreprocessor` names.
    """
    inputs = {"token_mask": _input("token_mask", "bool")}
    if preprocessor.use_words:
        inputs["word_ids"] = _input("word_ids")
    if preprocessor.use_characters:
        inputs["char_ids"] = keras.Input((None, preprocessor.max_characters), dtype="int32", name="char_ids")
    if (backbone := preprocessor.backbone) is not None:
        inputs |= backbone.inputs()
    if preprocessor.use_pos:
        inputs["pos_ids"] = _input("pos_ids")
    if preprocessor.visual is not None:
        inputs["visual_features"] = keras.Input((None, preprocessor.visual.dim), name="visual_features")
        inputs["visual_mask"] = _input("visual_mask", "bool")
    return inputs


def word_embedding(preprocessor: PostPreprocessor, dim: int | None, default: int, unknown: str) -> WordEmbedding:
    """Return the layer `word_embedding` for the preprocessor's vocabulary.

    Args:
        preprocessor: gives the sizes of both tables and the width of the pretrained vectors.
        dim: the width of the word vectors, the argument `word_dim` of a model; `None` for that of the pretrained
            vectors.
        default: the width without pretrained vectors where `dim` is `None`.
        unknown: as in `WordEmbedding`.

    Raises:
        ValueError: `dim` is not the width of the pretrained vectors.
    """
    if None not in (dim, preprocessor.vector_dim) and dim != preprocessor.vector_dim:
        raise ValueError(
            f"`word_dim` must be the width of the pretrained vectors, {preprocessor.vector_dim}. Received: "
            f"word_dim={dim}"
        )
    return WordEmbedding(
        preprocessor.vocabulary_size,
        dim or preprocessor.vector_dim or default,
        preprocessor.frozen_vocabulary_size,
        unknown=unknown,
        name="word_embedding",
    )


def token_representation(
    preprocessor: PostPreprocessor,
    inputs: dict[str, keras.KerasTensor],
    words: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
    characters: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
    pos: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
) -> keras.KerasTensor:
    """Return the tokens' vectors `[word; char; POS; contextual]`, `[B, n, d]`, those that the preprocessor has.

    Args:
        preprocessor: knows which of them; a fine-tuned backbone becomes the layer `backbone`.
        inputs: of `batch_inputs`.
        words, characters, pos: layers, or functions, that read `word_ids`, `char_ids` and `pos_ids`.
    """
    reads = {"word_ids": words, "char_ids": characters, "pos_ids": pos}
    parts = [read(inputs[name]) for name, read in reads.items() if read is not None and name in inputs]
    if preprocessor.backbone is not None and preprocessor.backbone.fine_tune:
        backbone = preprocessor.backbone.make_layer()
        parts.append(backbone({name: inputs[name] for name in backbone.input}))
    elif preprocessor.backbone is not None:
        parts.append(inputs["contextual"])
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="token_representation")(parts)


def crf_outputs(
    preprocessor: PostPreprocessor, features: keras.KerasTensor, mask: keras.KerasTensor
) -> dict[str, keras.KerasTensor]:
    """Return the outputs of a model whose tags a linear layer (`potentials`) and a CRF (`crf`) predict.

    Args:
        preprocessor: gives the number of tags, K.
        features: `[B, n, d]`.
        mask: bool `[B, n]`, true where a token is.

    Returns:
        `potentials` `[B, n, K]` and `mask`.
    """
    scores = keras.layers.Dense(preprocessor.num_tags, name="potentials")(features)
    return {"potentials": CRF(preprocessor.num_tags, name="crf")(scores, mask=mask), "mask": mask}


def _input(name: str, dtype: str = "int32") -> keras.KerasTensor:
    return keras.Input((None,), dtype=dtype, name=name)
