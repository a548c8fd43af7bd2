"""The recursions of a linear-chain CRF over B rows of n tokens with K tags: forward and backward, and the best paths.

Rows are packed: a row's valid tokens come first, `length` of them, and start and end scores are part of the potentials.
Loops run over the tokens, which come first, `[n, ...]`. Nothing here is differentiated: `counts` gives the gradient.
"""

import keras
from keras import ops

from mner_keras.layers.kernels import gather

UNROLL_UP_TO = 64  # TensorFlow unrolls a loop of known length up to this one, which is faster
NARROW = 20.0  # if all transition scores are within this span, probabilities are rescaled instead of logarithms
FORBIDDEN = -1e30  # the score of a forbidden transition: beyond any sum of scores, and finite for differences
# Rescale before every step, or where steps are unrolled before every second one.
RESCALE_EVERY = 2 if keras.backend.backend() == "tensorflow" else 1


def loop(step, initial, xs, reverse=False, rescale=lambda carry: carry):
    """Return the carries before the first step and after each one, `[n + 1, ...]`, in the order of the tokens.

    `step(carry, *x) -> carry` runs over `xs` `[n, ...]`, float32 or bool; reversed, a step over zeros must keep the
    carry. `rescale` changes the carry before the steps 0, `RESCALE_EVERY`, ...; the result contains it unchanged.
    """
    length = xs[0].shape[0]
    if length == 0:
        return initial[None]
    if keras.backend.backend() == "tensorflow":
        if length is None or length > UNROLL_UP_TO:
            from mner_keras.layers.kernels_tensorflow import loop_in_blocks

            return loop_in_blocks(step, initial, xs, reverse, rescale, RESCALE_EVERY)
        columns = [ops.unstack(x, length, axis=0) for x in xs]
        carries = [initial]
        for t in reversed(range(length)) if reverse else range(length):
            carry = rescale(carries[-1]) if t % RESCALE_EVERY == 0 else carries[-1]
            carries.append(step(carry, *[column[t] for column in columns]))
        return ops.stack(carries[::-1] if reverse else carries)

    def scanned(carry, x):
        carry = step(rescale(carry), *x)
        return carry, carry

    carries = ops.scan(scanned, initial, tuple(xs), length=length, reverse=reverse)[1]
    return ops.concatenate([carries, initial[None]] if reverse else [initial[None], carries], axis=0)


def take_rows(x, index):
    """Return the vectors `x[b, index[b, t]]` of `x` `[B, n, ...]` for an index int32 `[B, m]`."""
    rows, n = ops.shape(x)[:2]
    first = n * ops.arange(rows, dtype="int32")[:, None]
    return gather(ops.reshape(x, (rows * n, *x.shape[2:])), first + index)


class Rows:
    """Rows whose masks, bool `[B, n]`, may have holes, packed: their valid positions first."""

    def __init__(self, mask) -> None:
        place = ops.arange(ops.shape(mask)[1], dtype="int32")
        rank = ops.cumsum(ops.cast(mask, "int32"), axis=1)  # 1 for the first valid position
        self.length = rank[:, -1]
        last = self.length[:, None] - 1
        self.there, self.is_first, self.is_last = (
            ops.cast(flags, "float32") for flags in (place <= last, (place == 0) & (last >= 0), place == last)
        )
        self._rank = ops.maximum(rank - 1, 0)
        self._order = ops.cond(
            ops.any(mask[:, 1:] & ~mask[:, :-1]),
            lambda: ops.cast(ops.argsort(ops.where(mask, place, place + ops.shape(mask)[1]), axis=1), "int32"),
            lambda: ops.zeros_like(rank) + place,
        )

    def pack(self, values):
        return take_rows(values, self._order)

    def unpack(self, values):
        """Return packed values at the positions that they came from; masked positions are undefined."""
        return take_rows(values, self._rank)

    def with_ends(self, potentials, start, end):
        """Return packed potentials that include the start and end scores."""
        potentials = self.pack(potentials)
        for scores, at in ((start, self.is_first), (end, self.is_last)):
            if scores is not None:
                potentials = potentials + at[..., None] * scores
        return potentials


def log_sum_exp(scores, axis):
    highest = ops.max(scores, axis=axis, keepdims=True)
    return ops.log(ops.sum(ops.exp(scores - highest), axis=axis)) + ops.squeeze(highest, axis)


def both_ways(potentials, length, transitions, wide=False):
    """Return the log-sum of the scores of all paths, `[B]`, and what `counts` reads.

    Potentials are `[B, n, K]`, length int32 `[B]`, transitions `[K, K]`, `wide` if known to span more than `NARROW`.
    """
    highest = ops.max(potentials, axis=-1, keepdims=True)
    arguments = (potentials - highest, length, transitions)
    if wide:
        is_narrow, (log_z, before, after) = None, _in_logarithms(*arguments)
    else:
        is_narrow = ops.max(transitions) - ops.min(transitions) < NARROW
        log_z, before, after = ops.cond(is_narrow, lambda: _rescaled(*arguments), lambda: _in_logarithms(*arguments))
    there = ops.cast(ops.arange(ops.shape(potentials)[1], dtype="int32") < length[:, None], "float32")
    return log_z + ops.sum(highest[..., 0] * there, axis=1), (before, after, length, transitions, is_narrow)


def counts(before, after, length, transitions, is_narrow, weights):
    """Return the expected counts over all paths through a row, times its weight, `[B]`.

    These are the probability of each tag at each token `[B, n, K]`, zeros beyond the row's end, and the count of each
    transition `[K, K]` over all rows. `before` and `after` are the states that `_one_way` returns.
    """
    place = ops.arange(ops.shape(before)[1], dtype="int32")
    weights = ops.cast(place < length[:, None], "float32")[..., None] * weights[:, None, None]  # [B, n, 1]
    moves = ops.cast(place < length[:, None] - 1, "float32")[..., None]  # [B, n, 1]

    def of_probabilities():
        # Scaled to a sum of one, so that no product vanishes.
        left, right = (state * (1 / ops.sum(state, axis=-1, keepdims=True)) for state in (before, after))
        factors = ops.exp(transitions - ops.max(transitions))
        tags = left * (_product(right, ops.transpose(factors)) * moves + (1 - moves))
        scale = weights / ops.sum(tags, axis=-1, keepdims=True)
        left, right = (ops.reshape(x, (-1, x.shape[-1])) for x in (left * (scale * moves), right))
        return tags * scale, factors * _product(ops.transpose(left), right)  # over all rows and tokens

    def of_logarithms():
        left, right = (state - ops.max(state, axis=-1, keepdims=True) for state in (before, after))
        pairs = left[..., None] + transitions + right[:, :, None]  # [B, n, K, K]
        tags = ops.where(moves > 0, ops.max(pairs, axis=-1), left)
        highest = ops.max(tags, axis=-1, keepdims=True)
        pairs = ops.exp(pairs - highest[..., None])
        tags = ops.where(moves > 0, ops.sum(pairs, axis=-1), ops.exp(left - highest))
        scale = weights / ops.sum(tags, axis=-1, keepdims=True)
        return tags * scale, ops.sum(pairs * (scale * moves)[..., None], axis=(0, 1))

    if is_narrow is None:
        return of_logarithms()
    return ops.cond(is_narrow, of_probabilities, of_logarithms)


def _two_way(values, length):
    """Return rows `[B, n, K]` as both recursions read them, forwards and with the tokens reversed: `[n, B, 2, K]`."""
    rows, n = ops.shape(values)[0], ops.shape(values)[1]
    place = ops.arange(n, dtype="int32")[:, None]
    row = n * ops.arange(rows, dtype="int32")
    index = ops.stack([place + row, ops.maximum(length - 1 - place, 0) + row], axis=-1)
    return gather(ops.reshape(values, (rows * n, values.shape[-1])), index)


def _one_way(states, length):
    """Return the forward states at each token and the backward ones at the next, `[B, n, K]`, from `[n, B, 2, K]`."""
    n, rows = ops.shape(states)[0], ops.shape(states)[1]
    place = ops.arange(n, dtype="int32")
    row = 2 * ops.arange(rows, dtype="int32")[:, None]
    states = ops.reshape(states, (n * rows * 2, states.shape[-1]))
    # The next token of t is the token length - 2 - t of the reversed row.
    reverse = ops.maximum(length[:, None] - 2 - place, 0)
    return gather(states, place * (2 * rows) + row), gather(states, reverse * (2 * rows) + row + 1)


def _sum_over_states(before, length, of_tags, of_move=0.0):
    """Return the sum of the states' scales, which count where a state was rescaled or is the row's last one."""
    place = ops.arange(ops.shape(before)[1], dtype="int32")
    last = length[:, None] - 1
    moved = place < last
    counted = (moved & (place % RESCALE_EVERY == 0)) | (place == last)
    return ops.sum(of_tags * ops.cast(counted, "float32") + of_move * ops.cast(moved, "float32"), axis=1)


def _rescaled(potentials, length, transitions):
    """Run both recursions with probabilities, in one loop.

    States are `[B, 2K]`. A tag below 1e-38 is lost, where the sum over the tags is at least exp(-2 * NARROW). Wherever
    it moves, the likeliest tag moves at a cost of at most `NARROW`: its share stays below exp(3 * NARROW - 87), 1e-12.
    """
    num_tags = transitions.shape[0]
    likely = _two_way(ops.exp(potentials), length)
    likely = ops.reshape(likely, (*ops.shape(likely)[:2], 2 * num_tags))
    highest_move = ops.max(transitions)
    factors = ops.exp(transitions - highest_move)
    upper = ops.pad(factors, ((0, 0), (0, num_tags)))
    lower = ops.pad(ops.transpose(factors), ((0, 0), (num_tags, 0)))
    moves = ops.concatenate([upper, lower], axis=0)  # [2K, 2K]
    is_forward = ops.arange(2 * num_tags) < num_tags
    sums = ops.cast(is_forward[:, None] == is_forward, "float32")
    states = loop(
        lambda state, likely: _product(state, moves) * likely,
        likely[0],
        [likely[1:]],
        rescale=lambda state: state / _product(state, sums),
    )
    before, after = _one_way(ops.reshape(states, (*ops.shape(states)[:2], 2, num_tags)), length)
    scales = ops.log(ops.sum(before, axis=-1))
    return _sum_over_states(before, length, scales, highest_move), before, after


def _in_logarithms(potentials, length, transitions):
    """Run both recursions with logarithms, for scores of any size."""
    both = _two_way(potentials, length)  # [n, B, 2, K]
    moves = ops.stack([transitions, ops.transpose(transitions)])  # [2, K, K]
    states = loop(
        lambda state, potential: log_sum_exp(state[..., None] + moves, axis=2) + potential,
        both[0],
        [both[1:]],
        rescale=lambda state: state - ops.max(state, axis=-1, keepdims=True),
    )
    before, after = _one_way(states, length)
    at_last = ops.arange(ops.shape(before)[1], dtype="int32") == length[:, None] - 1
    scales = ops.where(at_last, log_sum_exp(before, axis=-1), ops.max(before, axis=-1))
    return _sum_over_states(before, length, scales), before, after


def best_path(potentials, length, transitions):
    """Return the best path (Viterbi), int32 `[B, n]`, and its score `[B]`; tags beyond a row's end are undefined."""
    scores = ops.transpose(potentials, (1, 2, 0))  # [n, K, B]
    moves = transitions[..., None]
    best = loop(lambda best, scores: ops.max(best[:, None] + moves, axis=0) + scores, scores[0], [scores[1:]])
    best = ops.transpose(best, (0, 2, 1))  # [n, B, K]
    last = ops.maximum(length - 1, 0)
    rows = ops.shape(potentials)[0]
    final = gather(ops.reshape(best, (-1, best.shape[-1])), last * rows + ops.arange(rows, dtype="int32"))
    into = ops.transpose(transitions)

    def backward(tag, best, moved):
        # No pointers are kept: the previous tag is maximised again, now that the next tag is known.
        return ops.where(moved, _argmax(best + gather(into, tag)), tag)

    moved = ops.arange(ops.shape(potentials)[1] - 1, dtype="int32")[:, None] < last
    return ops.transpose(loop(backward, _argmax(final), [best[:-1], moved], reverse=True)), ops.max(final, axis=-1)


def best_paths(potentials, length, transitions, k):
    """Return the best paths, best first, int32 `[B, k, n]`, and scores `[B, k]`, at most `FORBIDDEN / 2` for none."""
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
    score, place = ops.top_k(carries[-1, :, 0], k)
    place = ops.cast(place, "float32")  # [B, k], the place (tag, rank) of the last token
    places = loop(back, place, [carries[1:, :, 1], moved[..., None]], reverse=True)  # [n, B, k]
    return ops.cast(ops.transpose(places, (1, 2, 0)) // k, "int32"), score


def _argmax(scores):
    # One operation on TensorFlow; Keras' argmax needs six more for negative zeros.
    return ops.cast(ops.reshape(ops.top_k(scores, 1)[1], (-1,)), "int32")


def _product(x, y):
    """Multiply matrices in full float32, which is not the default on GPUs."""
    backend = keras.backend.backend()
    if backend == "torch" or (backend == "tensorflow" and not keras.distribution.list_devices("gpu")):
        return ops.matmul(x, y)
    return ops.sum(x[..., None] * y[..., None, :, :], axis=-2)
