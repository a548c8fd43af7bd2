"""Kernels for TensorFlow: rows of a table, the loop of a CRF, the convolution over characters."""

import tensorflow as tf

BLOCK = 8  # the steps that are unrolled in one turn of the loop: a turn costs as much as several steps


def gather(table, index):
    """Return the rows `table[index]` of a tensor or variable, for an index from 0.

    Keras' `take` reads a variable as a whole, which copies it after each sparse update, and serves negative indices.
    """
    return tf.gather(table, index)


def loop_in_blocks(step, initial, xs, reverse, rescale, rescale_every):
    """Run the `loop` of `crf_recursions` for a length that is unknown, or too long to unroll.

    A block's missing steps run over zeros, after all others in time or, reversed, before them.
    """
    length = tf.shape(xs[0])[0]
    blocks = tf.maximum((length + BLOCK - 1) // BLOCK, 1)
    padded = [tf.pad(x, [[0, blocks * BLOCK - length], *[[0, 0]] * (x.shape.rank - 1)]) for x in xs]
    padded = [tf.reshape(x, tf.concat([[blocks, BLOCK], tf.shape(x)[1:]], 0)) for x in padded]
    padded = [tf.ensure_shape(p, [None, BLOCK, *x.shape[1:]]) for p, x in zip(padded, xs, strict=True)]
    carries = tf.TensorArray(initial.dtype, size=blocks, element_shape=[BLOCK, *initial.shape])

    def body(block, carry, carries):
        columns = [tf.unstack(x[block]) for x in padded]
        made = [None] * BLOCK
        for t in reversed(range(BLOCK)) if reverse else range(BLOCK):
            carry = step(rescale(carry) if t % rescale_every == 0 else carry, *[column[t] for column in columns])
            made[t] = carry
        return block + (-1 if reverse else 1), carry, carries.write(block, tf.stack(made))

    *_, carries = tf.while_loop(
        lambda block, *_: (block >= 0) if reverse else (block < blocks),
        body,
        (blocks - 1 if reverse else 0, initial, carries),
        shape_invariants=(tf.TensorShape([]), initial.shape, tf.TensorShape(None)),
    )
    carries = carries.stack()
    carries = tf.reshape(carries, tf.concat([[-1], tf.shape(carries)[2:]], 0))[:length]
    return tf.concat([carries, initial[None]] if reverse else [initial[None], carries], 0)


def pack_characters(valid):
    """Return where the characters of tokens are, token by token, so that no padding is computed.

    From bool `[N, c]`, true for a token's characters, which come first: the position of each character in the flat
    tokens `[N * c]`, and its token, both int32 `[P]`.
    """
    places = tf.cast(tf.where(valid), tf.int32)
    return places[:, 0] * tf.shape(valid)[1] + places[:, 1], places[:, 0]


def highest_features(vectors, tokens, count, kernel, bias):
    """Return the maximum of each filter over each token's characters, `[count, f]`, zeros for a token without any.

    Vectors `[P, d]` and tokens int32 `[P]` are those of the packed characters, kernel `[w, d, f]` and bias `[f]`
    Keras'. A token is padded with zeros on both sides, as Keras does it.
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
