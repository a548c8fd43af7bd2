"""The layers of the systems compared with, one number at a time, from their equations."""

import math

import numpy as np
from layer_harness import to_numpy


def dense(layer, x):
    """`x W + b` of a built dense layer, in float64, without its activation."""
    y = x @ to_numpy(layer.kernel.value).astype("float64")
    return y + to_numpy(layer.bias.value).astype("float64") if layer.use_bias else y


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(values):
    top = max(values)
    shares = [math.exp(value - top) for value in values]
    return [share / sum(shares) for share in shares]


def guided_attention(layer, query, value, value_mask):
    w = to_numpy(layer.vector.value).astype("float64")[:, 0]
    output = np.zeros((*query.shape[:2], value.shape[-1]))
    weights = np.zeros((*query.shape[:2], value.shape[1]))
    for row in range(len(query)):
        there = np.flatnonzero(value_mask[row])
        for t in range(query.shape[1]):
            of_query = dense(layer.query_projection, query[row, t])
            scores = []
            for i in there:
                of_value = dense(layer.value_projection, value[row, i])
                if layer.score == "concatenate":
                    hidden = np.concatenate([np.tanh(of_value), np.tanh(of_query)])
                elif layer.score == "sum":
                    hidden = np.tanh(of_value) + np.tanh(of_query)
                else:
                    hidden = np.tanh(of_value + of_query)
                scores.append(float(w @ hidden))
            if scores:
                weights[row, t, there] = softmax(scores)
            output[row, t] = sum((weights[row, t, i] * value[row, i] for i in there), np.zeros(value.shape[-1]))
    return output, weights


def gated_fusion(layer, visual, textual):
    output, gates = np.zeros((*visual.shape[:2], layer.units)), np.zeros((*visual.shape[:2], 1))
    w = to_numpy(layer.gate.kernel.value).astype("float64")[:, 0]
    for place in np.ndindex(visual.shape[:2]):
        p = np.tanh(dense(layer.visual_projection, visual[place]))
        q = np.tanh(dense(layer.textual_projection, textual[place]))
        g = sigmoid(w @ np.concatenate([p, q]))
        gates[place] = g
        output[place] = g * p + (1 - g) * q
    return output, gates


def filtration_gate(layer, text, fused):
    output, gates = (np.zeros((*text.shape[:2], layer.units)) for _ in range(2))
    for place in np.ndindex(text.shape[:2]):
        gates[place] = sigmoid(dense(layer.text_gate, text[place]) + dense(layer.fused_gate, fused[place]))
        output[place] = gates[place] * np.tanh(dense(layer.projection, fused[place]))
    return output, gates


def modality_attention(layer, words, characters, regions, region_mask):
    output, weights = np.zeros((*words.shape[:2], layer.units)), np.zeros((*words.shape[:2], 3))
    for row in range(len(words)):
        seen = regions[row][region_mask[row]]
        for t in range(words.shape[1]):
            vectors = [dense(layer.projections[0], words[row, t]), dense(layer.projections[1], characters[row, t])]
            picture = dense(layer.projections[2], seen.mean(axis=0)) if len(seen) else np.zeros(layer.units)
            scores = dense(layer.attention, np.concatenate([*vectors, picture]))
            if len(seen):
                vectors.append(picture)
            shares = softmax(list(scores[: len(vectors)]))
            weights[row, t, : len(shares)] = shares
            output[row, t] = sum(share * vector for share, vector in zip(shares, vectors, strict=True))
    return output, weights


def visual_modulation(layer, text, context):
    d = text.shape[-1]
    output, gates = np.zeros(text.shape), np.zeros(text.shape)
    for row, t in np.ndindex(text.shape[:2]):
        both = dense(layer.text_projection, text[row, t]) + dense(layer.context_projection, context[row, 0])
        beta_v, beta_w, m = sigmoid(both[:d]), sigmoid(both[d : 2 * d]), np.tanh(both[2 * d :])
        gates[row, t] = beta_v
        output[row, t] = beta_w * text[row, t] + beta_v * m
    return output, gates


def directional_self_attention(layer, text, picture, text_mask):
    output = np.zeros(text.shape)
    c = layer.scale
    for row, i in np.ndindex(text.shape[:2]):
        others = range(i) if layer.direction == "forward" else range(i + 1, text.shape[1])
        others = [j for j in others if text_mask[row, j]]
        own = dense(layer.token_alignment, text[row, i]) + dense(layer.picture_alignment, picture[row, i])
        aligned = [c * np.tanh((own + dense(layer.other_alignment, text[row, j])) / c) for j in others]
        attended = np.zeros(text.shape[-1])
        for feature in range(text.shape[-1]):
            if others:
                shares = softmax([f[feature] for f in aligned])
                attended[feature] = sum(s * text[row, j, feature] for s, j in zip(shares, others, strict=True))
        gate = sigmoid(dense(layer.attended_gate, attended) + dense(layer.token_gate, text[row, i]))
        output[row, i] = gate * text[row, i] + (1 - gate) * attended
    return output


def pooled_char_cnn(layer, char_ids):
    """Outside of training, with the moving statistics."""
    table = to_numpy(layer.embedding.embeddings.value).astype("float64")
    norm = {name: to_numpy(getattr(layer.norm, name).value) for name in ("gamma", "beta", "moving_mean")}
    deviation = np.sqrt(to_numpy(layer.norm.moving_variance.value) + layer.norm.epsilon)
    output = np.zeros((*char_ids.shape[:2], layer.units))
    for place in np.ndindex(char_ids.shape[:2]):
        x = [table[i] if i else np.zeros(table.shape[1]) for i in char_ids[place]]
        for convolution in layer.convolutions:
            kernel, bias = (to_numpy(w.value).astype("float64") for w in (convolution.kernel, convolution.bias))
            size = len(kernel)
            zero = [np.zeros(kernel.shape[1])]
            padded = zero * ((size - 1) // 2) + x + zero * (size // 2)
            x = [
                np.maximum(bias + sum(padded[start + k] @ kernel[k] for k in range(size)), 0) for start in range(len(x))
            ]
            x = [np.max(x[start : start + 2], axis=0) for start in range(0, len(x), 2)]
        y = (np.concatenate(x) - norm["moving_mean"]) / deviation * norm["gamma"] + norm["beta"]
        output[place] = dense(layer.outer, np.maximum(dense(layer.inner, y), 0))
    return output
