"""The recursions of a linear-chain CRF over its tokens: forward, backward, and the best paths.

Shapes: B rows, n tokens, K tags. Loops run over the first axis, so their tensors have the tokens first, `[n, B, ...]`.
Nothing here is differentiated: `CRF.log_likelihood` computes its gradient from the posterior.
"""

from __future__ import annotations

import keras
from keras import ops

UNROLL_UP_TO = 64
"""TensorFlow unrolls a loop of known length up to this one, which is faster."""

NARROW = 60.0
"""If all transition, start and end scores are within this span, probabilities are rescaled instead of logarithms."""

FORBIDDEN = -1e30
"""The score of a forbidden transition: finite, so that differences are defined, and beyond any sum of scores."""


def loop(step, initial, xs, reverse=False):
    """Return the carries after each step, `[n, ...]`, in the order of the tokens.

    Args:
        step: `step(carry, *x) -> carry`.
        initial: the first carry, float32 `[B, ...]`.
        xs: tensors `[n, B, ...]`, float32 or bool.
        reverse: whether to start at the last token.
    """
    length = xs[0].shape[0]
    if keras.backend.backend() == "tensorflow" and length is not None and length <= UNROLL_UP_TO:
        columns = [ops.unstack(x, length, axis=0) for x in xs]
        carry, carries = initial, []
        for t in reversed(range(length)) if reverse else range(length):
            carry = step(carry, *[column[t] for column in columns])
            carries.append(carry)
        return ops.stack(carries[::-1] if reverse else carries)

    # One tensor: a scan over several fails where their length is unknown.
    shapes = [tuple(x.shape[2:]) for x in xs]
    widths = [_size(shape) for shape in shapes]
    flat = [
        ops.reshape(ops.cast(x, "float32"), (-1, ops.shape(x)[1], width)) for x, width in zip(xs, widths, strict=True)
    ]

    def scanned(carry, x):
        parts, start = [], 0
        for tensor, shape, width in zip(xs, shapes, widths, strict=True):
            part = ops.reshape(x[:, start : start + width], (-1, *shape))
            is_bool = keras.backend.standardize_dtype(tensor.dtype) == "bool"
            parts.append(part > 0 if is_bool else part)
            start += width
        carry = step(carry, *parts)
        return carry, carry

    return ops.scan(scanned, initial, ops.concatenate(flat, axis=-1), length=length, reverse=reverse)[1]


def log_sum_exp(scores, axis):
    highest = ops.max(scores, axis=axis, keepdims=True)
    return ops.log(ops.sum(ops.exp(scores - highest), axis=axis)) + ops.squeeze(highest, axis)


def expectations(potentials, mask, scores, wide=False):
    """Return the expected counts over all paths through a row.

    A path starts in a state K before its first token, whose transitions are the start scores.

    Args:
        potentials: `[B, n, K]`.
        mask: bool `[B, n]`.
        scores: of starts `[K]`, ends `[K]` and transitions `[K, K]`.
        wide: whether the scores are known to differ by more than `NARROW`; otherwise this is computed.

    Returns:
        the log-sum of the scores of all paths `[B]`, the probability of each tag at each token `[n, B, K]`, and the
            count of each transition `[B, K + 1, K]`, the last row from the start; zeros for masked positions.
    """
    start, end, transitions = scores
    moves = ops.concatenate([transitions, start[None]], axis=0)  # [K + 1, K]
    arguments = (potentials, mask, moves, end)
    if wide:
        return _in_logarithms(*arguments)
    span = ops.max(moves) - ops.min(moves) + ops.max(end) - ops.min(end)
    return ops.cond(span < NARROW, lambda: _rescaled(*arguments), lambda: _in_logarithms(*arguments))


def _rescaled(potentials, mask, moves, end):
    """Compute `expectations` with probabilities that sum to one at each token.

    A tag whose share of the paths up to a token is below 1e-38 is lost. It could not have recovered: wherever it moves,
    the likeliest tag moves at a cost of at most `NARROW`, a factor of 1e-26.
    """
    highest_move, highest_end = ops.max(moves), ops.max(end)
    highest = ops.max(potentials, axis=-1)  # [B, n]
    # No transition leads back to the start: [K + 1, K + 1].
    factors = ops.pad(ops.exp(moves - highest_move), ((0, 0), (0, 1)))
    ending = ops.pad(ops.exp(end - highest_end), (0, 1), constant_values=1.0)
    likely = ops.pad(ops.exp(potentials - highest[..., None]), ((0, 0), (0, 0), (0, 1)))
    likely, there = _tokens_first(likely), _tokens_first(_as_wide(mask, likely))

    def forward(share, likely, there):
        new = _product(share, factors) * likely
        return ops.where(there, new / ops.sum(new, axis=-1, keepdims=True), share)

    at_start = ops.zeros_like(likely[0]) + ops.one_hot(moves.shape[1], moves.shape[0], dtype="float32")
    after = loop(forward, at_start, [likely, there])
    before = ops.concatenate([at_start[None], after[:-1]], axis=0)
    arriving = _product(before, factors)  # [n, B, K + 1]
    total = ops.transpose(ops.log(ops.sum(arriving * likely, axis=-1))) + highest + highest_move
    last = after[-1] * ending
    log_z = ops.sum(ops.where(mask, total, 0.0), axis=1) + ops.log(ops.sum(last, axis=-1)) + highest_end

    backwards = ops.transpose(factors)
    arriving = ops.maximum(arriving, ops.exp(-NARROW))

    def backward(tags, before, arriving, there):
        return ops.where(there, before * _product(tags / arriving, backwards), tags)

    last = last / ops.sum(last, axis=-1, keepdims=True)
    earlier = loop(backward, last, [before, arriving, there], reverse=True)
    tags = ops.where(there, ops.concatenate([earlier[1:], last[None]], axis=0), 0.0)
    pairs = _product(ops.transpose(before, (1, 2, 0)), ops.transpose(tags / arriving, (1, 0, 2)))
    return log_z, tags[..., :-1], (pairs * factors)[..., :-1]


def _in_logarithms(potentials, mask, moves, end):
    """Compute `expectations` for scores of any size."""
    potentials = _tokens_first(potentials)
    there = _tokens_first(_as_wide(mask, potentials))
    nothing = ops.zeros_like(potentials[0])  # [B, K]
    # One more number per row: 0 before the first token, then `FORBIDDEN`.
    gone = nothing[:, :1] + FORBIDDEN

    def forward(alpha, potential, there):
        alpha = alpha - ops.max(alpha, axis=-1, keepdims=True)
        new = log_sum_exp(alpha[:, :, None] + moves, axis=1) + potential
        return ops.where(there[:, :1], ops.concatenate([new, gone], axis=-1), alpha)

    at_start = ops.concatenate([nothing + FORBIDDEN, nothing[:, :1]], axis=-1)
    after = loop(forward, at_start, [potentials, there])
    highest = ops.max(after, axis=-1, keepdims=True)
    after = after - highest
    final = after[-1, :, :-1] + end
    log_z = ops.sum(highest, axis=(0, 2)) + log_sum_exp(final, axis=-1)
    before = ops.concatenate([at_start[None], after[:-1]], axis=0)
    # The distribution over the previous tag, given the tag: [n, B, K + 1, K].
    ways = before[..., None] + moves
    ways = ops.exp(ways - ops.max(ways, axis=2, keepdims=True))
    ways = ways / ops.sum(ways, axis=2, keepdims=True)

    def backward(tags, ways, there):
        return ops.where(there, ops.sum(ways[:, :-1] * tags[:, None], axis=-1), tags)

    last = ops.exp(final - ops.max(final, axis=-1, keepdims=True))
    last = last / ops.sum(last, axis=-1, keepdims=True)
    earlier = loop(backward, last, [ways, there], reverse=True)
    tags = ops.where(there, ops.concatenate([earlier[1:], last[None]], axis=0), 0.0)
    return log_z, tags, ops.sum(ways * tags[:, :, None], axis=0)


def best_path(potentials, mask, scores):
    """Return the best path (Viterbi), int32 `[B, n]`, and its score `[B]`; masked positions are undefined."""
    start, end, transitions = scores
    num_tags = transitions.shape[0]
    # As in `expectations`, a path starts in a state of its own that no transition leads to.
    moves = ops.concatenate([transitions, start[None]], axis=0)
    moves = ops.pad(moves, ((0, 0), (0, 1)), constant_values=FORBIDDEN)
    wide = ops.pad(potentials, ((0, 0), (0, 0), (0, 1)))

    def forward(best, potential, there):
        return ops.where(there, ops.max(best[:, :, None] + moves, axis=1) + potential, best)

    at_start = ops.zeros_like(wide[:, 0]) + FORBIDDEN * ops.cast(ops.arange(num_tags + 1) < num_tags, "float32")
    best = loop(forward, at_start, [_tokens_first(wide), _tokens_first(_as_wide(mask, wide))])[..., :num_tags]
    final = best[-1] + end
    into = ops.transpose(transitions)

    def backward(tag, best, moved):
        # No pointers are kept: the previous tag is maximised again, now that the next tag is known.
        return ops.where(moved, _argmax(best + ops.take(into, tag, axis=0)), tag)

    tags = loop(backward, _argmax(final), [best, _tokens_first(mask & followed(mask))], reverse=True)
    return ops.transpose(tags), ops.max(final, axis=-1)


def best_paths(potentials, mask, scores, k):
    """Return the `k` best paths, best first, int32 `[B, k, n]`, and their scores `[B, k]`, at most `FORBIDDEN / 2` if
    there are fewer."""
    start, end, transitions = scores
    num_tags = potentials.shape[-1]
    ranks = ops.where(ops.arange(k) == 0, 0.0, FORBIDDEN)  # a path of one tag has no second best
    stay = ops.cast(ops.arange(num_tags * k), "float32")

    def step(carry, potential, mask, preceded):
        best = ops.reshape(carry[:, 0], (-1, 1, num_tags * k))  # of [tag, rank]
        ways = best + ops.repeat(ops.transpose(transitions), k, axis=1)  # [B, to, (from, rank)]
        score, came_from = ops.top_k(ways, k)  # [B, to, k]
        score = ops.where(preceded[:, :, None], score, start[:, None] + ranks) + potential[:, :, None]
        new = ops.stack([ops.reshape(score, (-1, num_tags * k)), ops.reshape(came_from, (-1, num_tags * k))], axis=1)
        return ops.where(mask[:, :1, None], new, ops.stack([carry[:, 0], ops.zeros_like(carry[:, 1]) + stay], axis=1))

    def back(place, came_from, moved):
        chosen = ops.take_along_axis(came_from, ops.cast(place, "int32"), axis=1)
        return ops.where(moved, chosen, place)

    there, before = _as_wide(mask, potentials), _as_wide(preceded(mask), potentials)
    nothing = ops.zeros_like(ops.repeat(potentials[:, :1], k, axis=2))  # [B, 1, K k]
    nothing = ops.concatenate([nothing, nothing], axis=1)
    carries = loop(step, nothing, [_tokens_first(x) for x in (potentials, there, before)])
    final = carries[-1, :, 0] + ops.repeat(end, k)
    score, place = ops.top_k(final, k)
    place = ops.cast(place, "float32")  # [B, k], the place (tag, rank) of the last token
    moved = _tokens_first(mask & preceded(mask))[..., None]
    before_each = loop(back, place, [carries[:, :, 1], moved], reverse=True)
    places = ops.concatenate([before_each[1:], place[None]], axis=0)  # [n, B, k]
    return ops.cast(ops.transpose(places, (1, 2, 0)) // k, "int32"), score


def preceded(mask):
    """Return whether a valid position precedes each position, bool `[B, n]`."""
    valid = ops.cast(mask, "int32")
    return ops.cumsum(valid, axis=1) - valid > 0


def followed(mask):
    """Return whether a valid position follows each position, bool `[B, n]`."""
    return ops.flip(preceded(ops.flip(mask, axis=1)), axis=1)


def _as_wide(mask, tensor):
    """Broadcast the mask `[B, n]` to a tensor's shape: a select of equal shapes is faster."""
    return ops.broadcast_to(mask[..., None], (*ops.shape(mask), tensor.shape[-1]))


def _argmax(scores):
    # One operation on TensorFlow; Keras' argmax needs six more for negative zeros.
    return ops.cast(ops.top_k(scores, 1)[1][..., 0], "int32")


def _product(x, y):
    """Multiply matrices in full float32, which is not the default on GPUs."""
    backend = keras.backend.backend()
    if backend == "torch" or (backend == "tensorflow" and not keras.distribution.list_devices("gpu")):
        return ops.matmul(x, y)
    return ops.sum(x[..., None] * y[..., None, :, :], axis=-2)


def _tokens_first(x):
    return ops.transpose(x, (1, 0, *range(2, len(x.shape))))


def _size(shape):
    size = 1
    for length in shape:
        size *= length
    return size
