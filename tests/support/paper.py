"""The equations of both papers as they are printed (misprints put right), in NumPy, for one post without padding.

Rows are tokens, regions or objects, unless a function says otherwise. Symbols are the papers'.
"""

import itertools

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    """Over an axis that may be empty."""
    if not x.shape[axis]:
        return x
    shares = np.exp(x - x.max(axis=axis, keepdims=True))
    return shares / shares.sum(axis=axis, keepdims=True)


# === What both papers take over ===


def lstm(inputs, kernel, recurrent, bias):
    """Every state of an LSTM, `[n, u]`; the gates' columns in the order input, forget, candidate, output."""
    hidden = cell = np.zeros(recurrent.shape[0])
    states = []
    for x in inputs:
        i, f, candidate, o = np.split(x @ kernel + hidden @ recurrent + bias, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(candidate)
        hidden = sigmoid(o) * np.tanh(cell)
        states.append(hidden)
    return np.array(states).reshape(len(inputs), recurrent.shape[0])


def bilstm(inputs, forward, backward):
    """`[h_forward; h_backward]` of each step, `[n, 2 u]`."""
    there, back = lstm(inputs, *forward), lstm(inputs[::-1], *backward)[::-1]
    return np.concatenate([there, back], axis=1)


def last_states(inputs, forward, backward):
    """`[h_forward(m); h_backward(1)]`, `[2 u]`; zeros for no step."""
    if not len(inputs):
        return np.zeros(forward[1].shape[0] + backward[1].shape[0])
    return np.concatenate([lstm(inputs, *forward)[-1], lstm(inputs[::-1], *backward)[-1]])


def convolution(inputs, kernel, bias):
    """The largest answer of each filter over a word's characters, zeros beside them; zeros for no character."""
    if not len(inputs):
        return np.zeros(len(bias))
    width, left = len(kernel), (len(kernel) - 1) // 2
    padded = np.pad(inputs, ((left, width - 1 - left), (0, 0)))
    answers = [np.einsum("wi,wif->f", padded[t : t + width], kernel) + bias for t in range(len(inputs))]
    return np.max(answers, axis=0)


def path_scores(potentials, transitions, start=None, end=None):
    """All paths `[P, n]` and their scores `[P]`: the sum in AGBAN's eq. 18, the log of the product in HSN's eq. 3."""
    n, tags = potentials.shape
    paths = np.array(list(itertools.product(range(tags), repeat=n)))
    scores = potentials[np.arange(n), paths].sum(axis=1) + transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    if start is not None:
        scores = scores + start[paths[:, 0]] + end[paths[:, -1]]
    return paths, scores


def log_probability(tags, potentials, transitions, start=None, end=None):
    """`log p(tags)`: HSN eq. 3, AGBAN eq. 19."""
    paths, scores = path_scores(potentials, transitions, start, end)
    of_tags = scores[(paths == tags).all(axis=1)][0]
    return of_tags - scores.max() - np.log(np.exp(scores - scores.max()).sum())


def best_path(potentials, transitions, start=None, end=None):
    """HSN eq. 4, AGBAN eq. 21."""
    paths, scores = path_scores(potentials, transitions, start, end)
    return paths[scores.argmax()]


# === HSN ===


def highway_tanh(x, kernel, bias, gate_kernel, gate_bias):
    """Eq. 5, with the highway layer of Srivastava et al."""
    gate = sigmoid(x @ gate_kernel + gate_bias)
    return np.tanh(gate * np.maximum(x @ kernel + bias, 0) + (1 - gate) * x)


def region_features(regions, kernel, bias):
    """V, eq. 7."""
    return np.maximum(regions @ kernel + bias, 0)


def hierarchical_attention(V, H):
    """s `[k]`, eq. 8-13; 12 and 13 as corrected."""
    M = V @ H.T  # eq. 8, [k, n]
    A = softmax(M, axis=0)  # eq. 9-10: column t is alpha(t), over the regions
    rows = softmax(M, axis=1)  # eq. 11: row t is beta(t), over the tokens
    beta = rows.sum(axis=0) / max(len(V), 1)  # eq. 12
    return A @ beta  # eq. 13


def multi_head(V, H, V_kernel, H_kernel, heads, head_softmax=True):
    """The weights `[k]` of V by H, eq. 14-15; the heads' matrices stand side by side in one."""
    total = np.zeros(len(V))
    for W_v, W_h in zip(np.split(V_kernel, heads, axis=1), np.split(H_kernel, heads, axis=1), strict=True):
        head = hierarchical_attention(V @ W_v, H @ W_h)  # eq. 15
        total = total + (softmax(head, axis=0) if head_softmax else head)
    return total / heads  # eq. 14


def cross_modal_interaction(V, H, image_kernels, text_kernels, heads, head_softmax=True):
    """F, eq. 1: `G = s_img * V` (eq. 16), then `F = s_sen * H`. Kernels: of what is weighed, of what weighs."""
    G = multi_head(V, H, *image_kernels, heads, head_softmax)[:, None] * V
    return multi_head(H, G, *text_kernels, heads, head_softmax)[:, None] * H


def integration(H, F, W, U, b):
    """O, eq. 2: eq. 17-18."""
    gamma = sigmoid(H @ W + F @ U + b)
    return gamma * H + (1 - gamma) * F


# === AGBAN ===


def normalised_network(x, kernels, biases, gammas, betas):
    """A feed-forward network with batch normalisation over the rows and relu between its layers (eq. 7 and D)."""
    for kernel, bias, gamma, beta in zip(kernels[:-1], biases[:-1], gammas, betas, strict=True):
        x = x @ kernel + bias
        if len(x):
            x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        x = np.maximum(gamma * x + beta, 0)
    return x @ kernels[-1] + biases[-1]


def adversarial_loss(logits, tau):
    """Eq. 8, of logits `[m, 2]` (picture, text) and the modality of each row (1 for text)."""
    D = softmax(logits, axis=1)[:, 1]
    return -np.mean(tau * np.log(D) + (1 - tau) * np.log(1 - D))


def bilinear_attention(G_T, G_V, p, W_t, W_v, softmax_over="pairs"):
    """A `[n, k]`, eq. 9; here, and in the next two functions, columns are tokens and objects, as printed."""
    ones = np.ones((G_T.shape[1], 1))
    logits = ((ones @ p[None]) * (G_T.T @ W_t)) @ (W_v.T @ G_V)
    if softmax_over == "objects":
        return softmax(logits, axis=1)
    return softmax(logits.reshape(-1), axis=0).reshape(logits.shape)


def attended_objects(G_V, A, W_a):
    """Eq. 10."""
    return (W_a @ G_V) @ A.T


def gated_fusion(G_T, attended, W_gv, W_gt, W_g):
    """G_M, eq. 11-14."""
    h_v = np.tanh(W_gv @ attended)
    h_t = np.tanh(W_gt @ G_T)
    g = sigmoid(W_g @ np.concatenate([h_v, h_t]))
    return g * attended + G_T
