"""The loop of `crf_recursions` over rows of unknown length, on TensorFlow."""

from __future__ import annotations

import tensorflow as tf

BLOCK = 8
"""The steps that are unrolled in one turn of the loop: a turn costs as much as several steps."""


def loop_in_blocks(step, initial, xs, reverse, rescale, rescale_every):
    """Run `loop` for a length that is unknown, or too long to unroll.

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
