"""The recursions of a linear-chain CRF over its tokens: forward and backward, and the best paths.

Shapes: B rows, n tokens, K tags. Rows are packed: a row's valid tokens come first, `length` of them, and start and end
scores are part of the potentials. Loops run over the first axis, so their tensors have the tokens first, `[n, ...]`.
Nothing here is differentiated: `counts` gives the gradient.
"""

from __future__ import annotations

import keras
from keras import ops

UNROLL_UP_TO = 64
"""TensorFlow unrolls a loop of known length up to this one, which is faster."""

NARROW = 20.0
"""If all transition scores are within this span, probabilities are rescaled instead of logarithms."""

FORBIDDEN = -1e30
"""The score of a forbidden transition: finite, so that differences are defined, and beyond any sum of scores."""

# Rescale before every step, or where steps are unrolled before every second one.
RESCALE_EVERY = 2 if keras.backend.backend() == "tensorflow" else 1


def loop(step, initial, xs, reverse=False, rescale=lambda carry: carry):
    """Return the carries after each step, `[n, ...]`, in the order of the tokens.

    Args:
        step: `step(carry, *x) -> carry`.
        initial: the first carry.
        xs: tensors `[n, ...]`, float32 or bool. A step over zeros must keep the carry if the loop is reversed.
        reverse: whether to start at the last token.
        rescale: changes the carry before the steps 0, `RESCALE_EVERY`, ...; the result contains it unchanged.
    """
    length = xs[0].shape[0]
    if length == 0:
        return ops.zeros_like(initial)[None][:0]
    if keras.backend.backend() == "tensorflow":
        if length is None or length > UNROLL_UP_TO:
            from mner_keras.layers.loop_tensorflow import loop_in_blocks

            return loop_in_blocks(step, initial, xs, reverse, rescale, RESCALE_EVERY)
        columns = [ops.unstack(x, length, axis=0) for x in xs]
        carry, carries = initial, []
        for t in reversed(range(length)) if reverse else range(length):
            carry = step(rescale(carry) if t % RESCALE_EVERY == 0 else carry, *[column[t] for column in columns])
            carries.append(carry)
        return ops.stack(carries[::-1] if reverse else carries)

    def scanned(carry, x):
        carry = step(rescale(carry), *x)
        return carry, carry

    return ops.scan(scanned, initial, tuple(xs), length=length, reverse=reverse)[1]


def take_rows(x, index):
    """Return `x[b, index[b, t]]` of `x` `[B, n, ...]` for an index int32 `[B, m]`."""
    shape = ops.shape(x)
    flat = ops.reshape(x, (shape[0] * shape[1], *x.shape[2:]))
    return ops.take(flat, index + shape[1] * ops.arange(shape[0], dtype="int32")[:, None], axis=0)


def log_sum_exp(scores, axis):
    highest = ops.max(scores, axis=axis, keepdims=True)
    return ops.log(ops.sum(ops.exp(scores - highest), axis=axis)) + ops.squeeze(highest, axis)


def both_ways(potentials, length, transitions, wide=False):
    """Run the forward and the backward recursion over all paths through each row.

    Args:
        potentials: `[B, n, K]`.
        length: int32 `[B]`.
        transitions: `[K, K]`.
        wide: whether the transitions are known to span more than `NARROW`; otherwise this is computed.

    Returns:
        the log-sum of the scores of all paths `[B]`, and what `counts` reads.
    """
    is_narrow = ops.max(transitions) - ops.min(transitions) < NARROW
    highest = ops.max(potentials, axis=-1)
    there = ops.arange(ops.shape(potentials)[1], dtype="int32") < length[:, None]
    arguments = (potentials - highest[..., None], length, transitions)
    if wide:
        log_z, states = _in_logarithms(*arguments)
    else:
        log_z, states = ops.cond(is_narrow, lambda: _rescaled(*arguments), lambda: _in_logarithms(*arguments))
    return log_z + ops.sum(ops.where(there, highest, 0.0), axis=1), (*arguments, states, None if wide else is_narrow)


def counts(potentials, length, transitions, states, is_narrow, weights):
    """Return the expected counts over all paths through a row.

    Args:
        potentials, length, transitions, states, is_narrow: from `both_ways`.
        weights: a factor for each row, `[B]`.

    Returns:
        the probability of each tag at each token `[B, n, K]`, zeros beyond the row's end, and the count of each
            transition `[K, K]` over all rows; both times the weights.
    """
    there = ops.arange(ops.shape(potentials)[1], dtype="int32") < length[:, None]
    weights = ops.where(there, weights[:, None], 0.0)[..., None]  # [B, n, 1]

    def of_probabilities():
        # Scaled to a sum of one, so that no product vanishes.
        before, after = ops.split(states, 2, axis=-1)
        before = before / ops.sum(before, axis=-1, keepdims=True)
        after = after / ops.sum(after, axis=-1, keepdims=True)
        factors = ops.exp(transitions - ops.max(transitions))
        later = _product(after[:, 1:], ops.transpose(factors))
        later = ops.where(there[:, 1:, None], later, 1.0)
        tags = before * ops.concatenate([later, ops.ones_like(after[:, :1])], axis=1)
        scale = weights / ops.sum(tags, axis=-1, keepdims=True)
        left, right = before[:, :-1] * ops.where(there[:, 1:, None], scale[:, :-1], 0.0), after[:, 1:]
        return tags * scale, factors * product_of_columns(left, right)

    def of_logarithms():
        before, after = ops.split(states - ops.max(states, axis=-1, keepdims=True), 2, axis=-1)
        tags = before + after - potentials
        tags = ops.exp(tags - ops.max(tags, axis=-1, keepdims=True))
        tags = tags / ops.sum(tags, axis=-1, keepdims=True)
        later = ops.concatenate([after[:, 1:], after[:, -1:]], axis=1)
        pairs = before[..., None] + transitions + later[:, :, None]
        pairs = ops.exp(pairs - ops.max(pairs, axis=(2, 3), keepdims=True))
        pairs = pairs / ops.sum(pairs, axis=(2, 3), keepdims=True)
        moved = ops.where(ops.pad(there[:, 1:], ((0, 0), (0, 1)))[..., None], weights, 0.0)[..., None]
        return tags * weights, ops.sum(pairs * moved, axis=(0, 1))

    if is_narrow is None:
        return of_logarithms()
    return ops.cond(is_narrow, of_probabilities, of_logarithms)


def product_of_columns(x, y):
    """Return the sums `[K, K]` over all rows and tokens of the products of two tensors `[B, n, K]`."""
    x, y = (ops.reshape(values, (-1, values.shape[-1])) for values in (x, y))
    return _product(ops.transpose(x), y)


def _reversal(length, n):
    """Return the index that reverses the valid tokens of each row, int32 `[B, n]`."""
    place = ops.arange(n, dtype="int32")
    length = length[:, None]
    return ops.where(place < length, length - 1 - place, place)


def _rescaled(potentials, length, transitions):
    """Run both recursions with probabilities, in one loop: the backward one over the reversed row.

    States are `[2K, B]`. A tag below 1e-38 is lost, where the sum over the tags is at least exp(-2 * NARROW). It could
    not have recovered: wherever it moves, the likeliest tag moves at a cost of at most `NARROW`, which leaves the lost
    tag a share of exp(3 * NARROW - 87), 1e-12.
    """
    num_tags, n = transitions.shape[0], ops.shape(potentials)[1]
    likely = ops.exp(potentials)
    reversal = _reversal(length, n)
    likely = ops.concatenate([likely, take_rows(likely, reversal)], axis=-1)
    likely = ops.transpose(likely, (1, 2, 0))  # [n, 2K, B]
    highest_move = ops.max(transitions)
    factors = ops.exp(transitions - highest_move)
    upper = ops.pad(ops.transpose(factors), ((0, 0), (0, num_tags)))
    lower = ops.pad(factors, ((0, 0), (num_tags, 0)))
    moves = ops.concatenate([upper, lower], axis=0)  # [2K, 2K]
    sums = ops.cast(ops.arange(2 * num_tags) < num_tags, "float32")
    sums = ops.cast(sums[:, None] == sums, "float32")
    states = loop(
        lambda state, likely: _product(moves, state) * likely,
        likely[0],
        [likely[1:]],
        rescale=lambda state: state / _product(sums, state),
    )
    states = ops.transpose(ops.concatenate([likely[:1], states], axis=0), (2, 0, 1))  # [B, n, 2K]
    before, after = states[..., :num_tags], take_rows(states[..., num_tags:], reversal)
    # The scale of a state is the sum of its tags, which counts where the state was rescaled or is the row's last.
    scales = ops.log(ops.sum(before, axis=-1))
    place = ops.arange(n, dtype="int32")
    last = length[:, None] - 1
    counted = (place == last) | ((place < last) & (place % RESCALE_EVERY == 0))
    terms = ops.where(counted, scales, 0.0) + ops.where(place < last, highest_move, 0.0)
    return ops.sum(terms, axis=1), ops.concatenate([before, after], axis=-1)


def _in_logarithms(potentials, length, transitions):
    """Run both recursions with logarithms, for scores of any size; a row's scale is left out of the states."""
    n = ops.shape(potentials)[1]
    reversal = _reversal(length, n)
    both = ops.stack([potentials, take_rows(potentials, reversal)])  # [2, B, n, K]
    both = ops.transpose(both, (2, 0, 1, 3))  # [n, 2, B, K]
    moves = ops.stack([transitions, ops.transpose(transitions)])[:, None]  # [2, 1, K, K]
    states = loop(
        lambda state, potential: log_sum_exp(state[..., None] + moves, axis=2) + potential,
        both[0],
        [both[1:]],
        rescale=lambda state: state - ops.max(state, axis=-1, keepdims=True),
    )
    states = ops.transpose(ops.concatenate([both[:1], states], axis=0), (1, 2, 0, 3))  # [2, B, n, K]
    before, after = states[0], take_rows(states[1], reversal)
    scales = ops.max(before, axis=-1)
    place = ops.arange(n, dtype="int32")
    last = length[:, None] - 1
    rescaled = (place < last) & (place % RESCALE_EVERY == 0)
    at_end = ops.where(place == last, log_sum_exp(before, axis=-1), 0.0)
    return ops.sum(ops.where(rescaled, scales, 0.0) + at_end, axis=1), ops.concatenate([before, after], axis=-1)


def best_path(potentials, length, transitions):
    """Return the best path (Viterbi), int32 `[B, n]`, and its score `[B]`; tags beyond a row's end are undefined."""
    scores = ops.transpose(potentials, (1, 0, 2))  # [n, B, K]
    best = loop(lambda best, scores: ops.max(best[:, :, None] + transitions, axis=1) + scores, scores[0], [scores[1:]])
    best = ops.concatenate([scores[:1], best], axis=0)
    last = ops.maximum(length - 1, 0)
    final = take_rows(ops.transpose(best, (1, 0, 2)), last[:, None])[:, 0]
    into = ops.transpose(transitions)

    def backward(tag, best, moved):
        # No pointers are kept: the previous tag is maximised again, now that the next tag is known.
        return ops.where(moved, _argmax(best + ops.take(into, tag, axis=0)), tag)

    moved = ops.arange(ops.shape(potentials)[1], dtype="int32")[:, None] < last
    return ops.transpose(loop(backward, _argmax(final), [best, moved], reverse=True)), ops.max(final, axis=-1)


def best_paths(potentials, length, transitions, k):
    """Return the `k` best paths, best first, int32 `[B, k, n]`, and their scores `[B, k]`, at most `FORBIDDEN / 2` if
    there are fewer."""
    num_tags = potentials.shape[-1]
    ranks = ops.where(ops.arange(k) == 0, 0.0, FORBIDDEN)  # a path of one tag has no second best
    ways = ops.repeat(ops.transpose(transitions), k, axis=1)  # [to, (from, rank)]

    def step(carry, potential, moved):
        score, came_from = ops.top_k(carry[:, :1] + ways, k)  # [B, to, k]
        score = ops.reshape(score + potential[..., None], (-1, num_tags * k))
        new = ops.stack([score, ops.cast(ops.reshape(came_from, (-1, num_tags * k)), "float32")], axis=1)
        return ops.where(moved, new, carry)

    def back(place, came_from, moved):
        return ops.where(moved, ops.take_along_axis(came_from, ops.cast(place, "int32"), axis=1), place)

    scores = ops.transpose(potentials, (1, 0, 2))  # [n, B, K]
    moved = ops.arange(1, ops.shape(potentials)[1], dtype="int32")[:, None] < length
    first = ops.reshape(scores[0][..., None] + ranks, (-1, num_tags * k))
    first = ops.stack([first, ops.zeros_like(first)], axis=1)  # [B, 2, (tag, rank)]
    carries = loop(step, first, [scores[1:], moved[..., None, None]])
    final = ops.concatenate([first[None], carries], axis=0)[-1, :, 0]
    score, place = ops.top_k(final, k)
    place = ops.cast(place, "float32")  # [B, k], the place (tag, rank) of the last token
    places = loop(back, place, [carries[:, :, 1], moved[..., None]], reverse=True)
    places = ops.concatenate([places, place[None]], axis=0)  # [n, B, k]
    return ops.cast(ops.transpose(places, (1, 2, 0)) // k, "int32"), score


def _argmax(scores):
    # One operation on TensorFlow; Keras' argmax needs six more for negative zeros.
    return ops.cast(ops.top_k(scores, 1)[1][..., 0], "int32")


def _product(x, y):
    """Multiply matrices in full float32, which is not the default on GPUs."""
    backend = keras.backend.backend()
    if backend == "torch" or (backend == "tensorflow" and not keras.distribution.list_devices("gpu")):
        return ops.matmul(x, y)
    return ops.sum(x[..., None] * y[..., None, :, :], axis=-2)
