"""A convolution over the real characters of tokens alone, for TensorFlow on CPUs."""

from __future__ import annotations

import tensorflow as tf


def pack(valid):
    """Return where the characters of tokens are, token by token.

    Args:
        valid: bool `[N, c]`, true for a token's characters, which come first.

    Returns:
        the position of each character in the flat tokens `[N * c]`, and its token, both int32 `[P]`.
    """
    places = tf.cast(tf.where(valid), tf.int32)
    return places[:, 0] * tf.shape(valid)[1] + places[:, 1], places[:, 0]


def highest_features(vectors, tokens, count, kernel, bias):
    """Return the maximum of each filter over each token's characters, `[count, f]`, zeros for a token without any.

    Args:
        vectors: of the packed characters, `[P, d]`.
        tokens: each character's token, int32 `[P]`.
        count: the number of tokens, N.
        kernel: `[w, d, f]`; a token is padded with zeros on both sides, as Keras does it.
        bias: `[f]`.
    """
    width = kernel.shape[0]
    before = (width - 1) // 2
    padded = tf.pad(vectors, [[before, width - 1 - before], [0, 0]])
    owner = tf.pad(tokens, [[before, width - 1 - before]], constant_values=-1)
    size = tf.shape(vectors)[0]
    seen = [
        padded[offset : offset + size] * tf.cast(owner[offset : offset + size] == tokens, vectors.dtype)[:, None]
        for offset in range(width)
    ]
    features = tf.matmul(tf.concat(seen, -1), tf.reshape(kernel, [-1, kernel.shape[-1]])) + bias
    highest = tf.math.unsorted_segment_max(features, tokens, count)
    return tf.where((tf.math.unsorted_segment_max(tokens, tokens, count) >= 0)[:, None], highest, 0.0)
