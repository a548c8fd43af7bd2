"""A bidirectional LSTM for TensorFlow on CPUs, with a gradient of its own.

Keras' loop dispatches some dozen operations a step and direction, and autodiff as many again. Here one loop runs both
directions, and the gradient computes one product a step; all others are one large product each.

The gates are in the order i, f, o, c, so that one sigmoid and one tanh serve them all; Keras' weights are in the order
i, f, c, o. Both directions are stacked on the first axis: D = 2 directions, B rows, n steps, d inputs, H units.
"""

import tensorflow as tf

BLOCK = 4  # the steps that are unrolled in one turn of the loop over words


def states(inputs, length, weights, training: bool):
    """Return the states of both directions at each step, `[B, n, 2H]`; undefined after a row's end.

    Args:
        inputs: `[B, n, d]`.
        length: int32 `[B]`.
        weights: kernel `[d, 4H]`, recurrent kernel `[H, 4H]` and bias `[4H]` of the forward, then of the backward LSTM.
        training: whether the gradient will be asked for. If it is asked for otherwise, it computes the states again.
    """
    units = weights[1].shape[0]

    @tf.custom_gradient
    def run(inputs, *weights):
        kernel, recurrent, bias = _stacked(weights, units)
        rows, n = tf.shape(inputs)[0], tf.shape(inputs)[1]
        steps = n + (-n % BLOCK)

        def both_ways(x, y):
            """Stack two tensors `[n, B, w]`, the second one reversed, into `[2, steps * B, w]`."""
            y = tf.reverse_sequence(y, length, seq_axis=0, batch_axis=1)
            stacked = tf.pad(tf.stack([x, y]), [[0, 0], [0, steps - n], [0, 0], [0, 0]])
            return tf.reshape(stacked, [2, -1, x.shape[-1]])

        def one_way(both):
            """Undo `both_ways`."""
            x, y = tf.unstack(tf.reshape(both, [2, steps, rows, both.shape[-1]])[:, :n])
            return x, tf.reverse_sequence(y, length, seq_axis=0, batch_axis=1)

        tokens_first = tf.transpose(inputs, [1, 0, 2])
        both = both_ways(tokens_first, tokens_first)
        gates = tf.matmul(both, kernel) + bias[:, None]
        hidden, saved = _forward_loop(gates, recurrent, rows, training)
        outputs = tf.transpose(tf.concat(one_way(hidden), -1), [1, 0, 2])

        def gradient(upstream):
            kept = saved if training else _forward_loop(gates, recurrent, rows, True)[1]
            upstream = both_ways(*tf.split(tf.transpose(upstream, [1, 0, 2]), 2, -1))
            by_gates = _backward_loop(kept, recurrent, upstream, rows)
            before = hidden[:, :-rows], by_gates[:, rows:]
            by_inputs = tf.add(*one_way(tf.matmul(by_gates, _transposed(kernel))))
            return tf.transpose(by_inputs, [1, 0, 2]), *_by_weights((both, by_gates), before, by_gates, units)

        return outputs, gradient

    return run(inputs, *map(tf.convert_to_tensor, weights))


def pack(valid):
    """Return where the real characters of tokens are, for `last_states`.

    Args:
        valid: bool `[N, c]`, true for a token's characters, which come first; c is known.

    Returns:
        the position of each character in the flat tokens `[N * c]`, step by step, at each step the longest tokens
            first; the position in that list of the character that the backward LSTM reads in its place; the number of
            tokens that are alive at each step `[c]`; and the tokens, those without characters left out, longest first.
    """
    width = valid.shape[1]
    lengths = tf.reduce_sum(tf.cast(valid, tf.int32), 1)
    alive = tf.reduce_sum(tf.cast(lengths[:, None] > tf.range(width), tf.int32), 0)
    lengths, tokens = tf.math.top_k(lengths, k=alive[0])
    step, token = tf.unstack(tf.cast(tf.where(tf.range(width)[:, None] < lengths), tf.int32), 2, axis=1)
    first = tf.cumsum(alive, exclusive=True)
    reverse = tf.gather(first, tf.gather(lengths, token) - 1 - step) + token
    return tf.gather(tokens, token) * width + step, reverse, alive, tokens


def last_states(vectors, packed, count, weights):
    """Return the last states of both directions, `[count, 2H]`, zeros for a token without characters.

    Only real characters are computed: at each step, the tokens that are alive. Vectors `[P, d]` are those of the
    characters that `pack` found in `count` tokens; the weights are those of `states`.
    """
    _, reverse, alive, tokens = packed
    units, width = weights[1].shape[0], alive.shape[0]
    ending = alive - tf.concat([alive[1:], [0]], 0)

    @tf.custom_gradient
    def run(vectors, *weights):
        kernel, recurrent, bias = _stacked(weights, units)
        both = tf.stack([vectors, tf.gather(vectors, reverse)])
        gates = tf.split(tf.matmul(both, kernel) + bias[:, None], alive, axis=1, num=width)
        hidden = cell = tf.zeros([2, alive[0], units])
        saved, before, ended = [], [], []
        for t in range(width):
            before.append(hidden)
            hidden, cell, kept = _step(gates[t], hidden, cell, recurrent)
            saved.append(kept)
            hidden, last = tf.split(hidden, tf.stack([alive[t] - ending[t], ending[t]]), axis=1, num=2)
            cell = cell[:, : alive[t] - ending[t]]
            ended.append(last)
        # The tokens that end last are the longest, which come first.
        outputs = tf.concat(tf.unstack(tf.concat(ended[::-1], 1)), -1)

        def gradient(upstream):
            back = _transposed(recurrent)
            factors = [tf.split(x, alive, axis=1, num=width) for x in _factors(tf.concat(saved, 1))]
            upstream = tf.stack(tf.split(upstream, 2, -1))
            upstream = tf.split(upstream, ending[::-1], axis=1, num=width)[::-1]
            by_gates = [None] * width
            by_hidden = by_cell = upstream[-1][:, :0]
            for t in reversed(range(width)):
                by_hidden = tf.concat([by_hidden, upstream[t]], 1)
                by_cell = tf.concat([by_cell, tf.zeros_like(upstream[t])], 1)
                by_gates[t], by_hidden, by_cell = _step_back(by_hidden, by_cell, back, *(x[t] for x in factors))
            by_gates = tf.concat(by_gates, 1)
            by_vectors, by_reversed = tf.unstack(tf.matmul(by_gates, _transposed(kernel)))
            by_vectors += tf.gather(by_reversed, reverse)  # the reversal is its own inverse
            return by_vectors, *_by_weights((both, by_gates), (tf.concat(before, 1), by_gates), by_gates, units)

        return outputs, gradient

    return tf.scatter_nd(
        tokens[:, None], run(vectors, *map(tf.convert_to_tensor, weights)), tf.stack([count, 2 * units])
    )


def _stacked(weights, units):
    """Return Keras' weights of both LSTMs, stacked and with the gates in our order."""
    stacked = [tf.stack(pair) for pair in zip(weights[:3], weights[3:], strict=True)]
    split = [tf.split(x, [2 * units, units, units], -1) for x in stacked]
    return [tf.concat([both, o, c], -1) for both, c, o in split]


def _by_weights(by_kernel, by_recurrent, by_bias, units):
    """Return the gradients of Keras' weights from pairs of factors `[2, P, ...]`."""
    stacked = (*(tf.matmul(x, y, transpose_a=True) for x, y in (by_kernel, by_recurrent)), tf.reduce_sum(by_bias, 1))
    split = [tf.split(x, [2 * units, units, units], -1) for x in stacked]
    forward, backward = zip(*(tf.unstack(tf.concat([both, c, o], -1)) for both, o, c in split), strict=True)
    return *forward, *backward


def _step(gates, hidden, cell, recurrent):
    """Return the next hidden state and cell `[2, B, H]`, and what the gradient needs of them, `[2, B, 6H]`."""
    units = hidden.shape[-1]
    sigmoids, candidate = tf.split(gates + tf.matmul(hidden, recurrent), [3 * units, units], -1)
    sigmoids, candidate = tf.sigmoid(sigmoids), tf.tanh(candidate)
    i, f, o = tf.split(sigmoids, 3, -1)
    new = i * candidate + f * cell
    squashed = tf.tanh(new)
    return o * squashed, new, tf.concat([sigmoids, candidate, cell, squashed], -1)


def _factors(saved):
    """Return each step's factors of the gradient: from hidden state to cell, to the gates, to the cell before."""
    i, f, o, candidate, cell, squashed = tf.split(saved, 6, -1)
    gates = [candidate * i * (1 - i), cell * f * (1 - f), squashed * o * (1 - o), i * (1 - candidate * candidate)]
    return o * (1 - squashed * squashed), tf.concat(gates, -1), f


def _step_back(by_hidden, by_cell, back, to_cell, to_gates, to_before):
    """Return the gradients of a step's gates, and of the hidden state and the cell before it."""
    by_cell += by_hidden * to_cell
    by_gates = tf.concat([by_cell, by_cell, by_hidden, by_cell], -1) * to_gates
    return by_gates, tf.matmul(by_gates, back), by_cell * to_before


def _transposed(matrices):
    """Return `[2, x, y]` as `[2, y, x]`: a product with a transposed matrix costs half as much again."""
    return tf.transpose(matrices, [0, 2, 1])


def _forward_loop(gates, recurrent, rows, save):
    """Return the hidden states `[2, steps * B, H]` and, if `save`, the gradient's `[blocks, 2, BLOCK * B, 6H]`."""
    units = recurrent.shape[1]
    width = BLOCK * rows

    def step(block, hidden, cell):
        made = []
        for of_step in tf.split(gates[:, block * width : (block + 1) * width], BLOCK, axis=1):
            hidden, cell, kept = _step(of_step, hidden, cell, recurrent)
            made.append((hidden, kept))
        return hidden, cell, zip(*made, strict=True)

    widths = (units, 6 * units) if save else (units,)
    hidden, *saved = _loop_in_blocks(step, tf.shape(gates)[1] // width, rows, units, widths)
    return _joined(hidden), saved[0] if save else None


def _backward_loop(saved, recurrent, upstream, rows):
    """Return the gradients of the gates, `[2, steps * B, 4H]`, from those of the hidden states, `[2, steps * B, H]`."""
    units = recurrent.shape[1]
    width = BLOCK * rows
    back = _transposed(recurrent)

    def step(block, by_hidden, by_cell):
        factors = [tf.split(x, BLOCK, axis=1) for x in _factors(saved[block])]
        arriving = tf.split(upstream[:, block * width : (block + 1) * width], BLOCK, axis=1)
        made = [None] * BLOCK
        for t in reversed(range(BLOCK)):
            made[t], by_hidden, by_cell = _step_back(by_hidden + arriving[t], by_cell, back, *(x[t] for x in factors))
        return by_hidden, by_cell, [made]

    (by_gates,) = _loop_in_blocks(step, tf.shape(saved)[0], rows, units, (4 * units,), reverse=True)
    return _joined(by_gates)


def _loop_in_blocks(step, blocks, rows, units, widths, reverse=False):
    """Run `step(block, hidden, cell) -> hidden, cell, made`; return the made, `[blocks, 2, BLOCK * B, width]` each."""
    zeros = tf.zeros([2, rows, units])
    arrays = [tf.TensorArray(tf.float32, size=blocks, element_shape=[2, None, width]) for width in widths]

    def body(block, hidden, cell, *arrays):
        hidden, cell, made = step(block, hidden, cell)
        written = [array.write(block, tf.concat(steps, 1)) for array, steps in zip(arrays, made, strict=False)]
        return block + (-1 if reverse else 1), hidden, cell, *written

    shape = tf.TensorShape([2, None, units])
    _, _, _, *arrays = tf.while_loop(
        lambda block, *_: (block >= 0) if reverse else (block < blocks),
        body,
        (blocks - 1 if reverse else 0, zeros, zeros, *arrays),
        shape_invariants=(tf.TensorShape([]), shape, shape, *[tf.TensorShape(None) for _ in arrays]),
    )
    return [array.stack() for array in arrays]


def _joined(blocks):
    return tf.reshape(tf.transpose(blocks, [1, 0, 2, 3]), [2, -1, blocks.shape[-1]])
