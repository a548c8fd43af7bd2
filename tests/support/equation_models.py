"""Small models of both papers: four posts of unequal lengths, their weights by name, one post in NumPy."""

import functools

import keras
import numpy as np
import paper
from equation_harness import set_weights

from agban_keras import AGBAN
from hsn_keras import HSN
from mner_keras.data import PostPreprocessor
from mner_keras.vision.visual_input import VisualInput

K = 3  # tags
HEADS = 2
# A whole post, one whose lengths are unequal, one of a single token and region, one whose regions are all masked.
TOKENS = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], bool)
VISUAL = np.array([[1, 1, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]], bool)
SHAPES = {
    "unequal lengths": (TOKENS, VISUAL),
    "n=1": (TOKENS[:, :1], VISUAL),
    "k=1": (TOKENS, VISUAL[:, :1]),
    "k=0": (TOKENS, VISUAL[:, :0]),
    "every region masked": (TOKENS, VISUAL & False),
    "all tokens but one padded": (TOKENS[2:3], VISUAL[:1]),
}


def make_batch(shape, frozen=0):
    """Inputs by key and tags; what stands in masked places is noise."""
    tokens, visual = SHAPES[shape]
    rng = np.random.default_rng(2)
    characters = rng.integers(1, 6, (*tokens.shape, 5))
    characters[np.arange(5) >= rng.integers(1, 6, tokens.shape)[..., None]] = 0
    inputs = {
        "word_ids": rng.integers(1, 7 + frozen, tokens.shape),
        "char_ids": characters,
        "pos_ids": rng.integers(1, 5, tokens.shape),
        "token_mask": tokens,
        "visual_features": rng.normal(size=(*visual.shape, 4)).astype("float32"),
        "visual_mask": visual,
    }
    inputs = {name: a.astype("int32") if name.endswith("ids") else a for name, a in inputs.items()}
    return inputs, rng.integers(0, K, tokens.shape).astype("int32")


def post(inputs, row, *names):
    """What stands in the valid places of one post."""
    masks = {"visual_features": "visual_mask"}
    return [inputs[name][row][inputs[masks.get(name, "token_mask")][row]] for name in names]


def make_preprocessor(kind):
    """Three tags, seven rows of words and two frozen ones, six rows of characters."""
    return PostPreprocessor(
        list("abcde"),
        list("abcd"),
        ["X"],
        frozen_words=["f", "g"],
        use_pos=kind == "regions",
        max_characters=5,
        visual=VisualInput(kind, count=3, dim=4),
    )


@functools.cache
def make_hsn(**arguments):
    """One model for all tests that ask for the same arguments; they leave its weights as they are."""
    model = HSN(
        make_preprocessor("regions"),
        word_dim=3,
        char_dim=3,
        pos_dim=2,
        hidden_dim=8,
        num_heads=HEADS,
        dropout=0.0,
        **arguments,
    )
    for number, layer in enumerate(model.layers):
        set_weights(layer, seed=number, scale=1.5)
    return model


def output_of(model, layer):
    """What a layer gives; of one that gives its attention or its gate as well, the first."""
    output = model.get_layer(layer).output
    return output[0] if isinstance(output, list | tuple) else output


def hsn_weights(model) -> dict[str, keras.Variable]:
    def at(name):
        return model.get_layer(name)

    return {
        "words": at("word_embedding").table,
        "characters": at("char_cnn").embedding.embeddings,
        "convolution": at("char_cnn").convolution.kernel,
        "convolution_bias": at("char_cnn").convolution.bias,
        "pos": at("pos_embedding").embeddings,
        "highway": at("highway").transform.kernel,
        "highway_bias": at("highway").transform.bias,
        "highway_gate": at("highway").gate.kernel,
        "highway_gate_bias": at("highway").gate.bias,
        **lstm_weights("lstm", at("bilstm")),
        "W_v": at("region_projection").kernel,
        "b_v": at("region_projection").bias,
        "image_V": at("text_to_image").value_kernel,
        "image_H": at("text_to_image").query_kernel,
        "text_H": at("image_to_text").value_kernel,
        "text_G": at("image_to_text").query_kernel,
        "W": at("integration").text_gate.kernel,
        "U": at("integration").fusion_gate.kernel,
        "b": at("integration").text_gate.bias,
        "linear": at("potentials").kernel,
        "linear_bias": at("potentials").bias,
        "transitions": at("crf").transitions,
        "start": at("crf").start,
        "end": at("crf").end,
    }


def hsn_post(w, frozen, words, characters, pos, regions, head_softmax=True):
    """H, V, F, O and the potentials of one post: algorithm 1."""
    table = np.concatenate([w["words"], frozen])
    spelt = [paper.convolution(w["characters"][c[c > 0]], w["convolution"], w["convolution_bias"]) for c in characters]
    x = np.concatenate([table[words], np.array(spelt), w["pos"][pos]], axis=1)
    x = paper.highway_tanh(x, w["highway"], w["highway_bias"], w["highway_gate"], w["highway_gate_bias"])
    H = paper.bilstm(x, *lstm_arrays("lstm", w))
    V = paper.region_features(regions, w["W_v"], w["b_v"])
    kernels = (w["image_V"], w["image_H"]), (w["text_H"], w["text_G"])
    F = paper.cross_modal_interaction(V, H, *kernels, HEADS, head_softmax)
    O = paper.integration(H, F, w["W"], w["U"], w["b"])  # noqa: E741
    return {"H": H, "V": V, "F": F, "O": O, "potentials": O @ w["linear"] + w["linear_bias"]}


@functools.cache
def make_agban(**arguments):
    model = AGBAN(
        make_preprocessor("objects"),
        word_dim=3,
        char_dim=3,
        char_hidden_dim=4,
        hidden_dim=6,
        rank=4,
        gate_units=3,
        dropout=0.0,
        **arguments,
    )
    for number, layer in enumerate(model.layers):
        set_weights(layer, seed=number, scale=1.5)
    return model


def agban_weights(model) -> dict[str, dict[str, keras.Variable]]:
    """By the paper's groups: theta_T, theta_V, theta_GBAN, theta_CRF and, with an adversary, theta_D."""

    def at(name):
        return model.get_layer(name)

    attention = at("attention")
    groups = {
        "T": {
            "words": at("word_embedding").table,
            "characters": at("char_bilstm").embedding.embeddings,
            **lstm_weights("spelling", at("char_bilstm").lstm),
            **lstm_weights("lstm", at("bilstm")),
        },
        "V": network_weights("f_V", at("visual_projector").network),
        "GBAN": {
            "p": attention.pooling,
            "W_t": attention.text_kernel,
            "W_v": attention.object_kernel,
            "W_a": attention.attended_kernel,
        },
        "CRF": {"W_s": at("potentials").kernel, "Q": at("crf").transitions},
    }
    if attention.gate:
        groups["GBAN"] |= {
            "W_gv": attention.gate_object_kernel,
            "W_gt": attention.gate_text_kernel,
            "W_g": attention.gate_kernel,
        }
    if model.adversarial:
        groups["D"] = network_weights("D", at("modality_classifier").network)
    return groups


def agban_text(w, frozen, words, characters):
    """G_T of one post, rows are tokens: eq. 1-6."""
    x_w = np.concatenate([w["words"], frozen])[words]  # eq. 1
    ways = lstm_arrays("spelling", w)
    x_c = np.array([paper.last_states(w["characters"][c[c > 0]], *ways) for c in characters])  # eq. 2
    return paper.bilstm(np.concatenate([x_w, x_c], axis=1), *lstm_arrays("lstm", w))  # eq. 3-6


def agban_posts(w, frozen, inputs, softmax="pairs"):
    """G_T, G_V, A, G_M, the scores S and L_adv of each post of a batch, as in training."""
    rows = range(len(inputs["word_ids"]))
    G_T = [agban_text(w, frozen, *post(inputs, row, "word_ids", "char_ids")) for row in rows]
    objects = [post(inputs, row, "visual_features")[0].astype("float64") for row in rows]
    counts = np.cumsum([len(some) for some in objects])[:-1]
    # Normalisation sees the valid objects of the whole batch, and D the valid tokens and objects.
    G_V = np.split(paper.normalised_network(np.concatenate(objects), *network_arrays("f_V", w)), counts)
    made = []
    for text, picture in zip(G_T, G_V, strict=True):
        A = paper.bilinear_attention(text.T, picture.T, w["p"], w["W_t"], w["W_v"], softmax)
        attended = paper.attended_objects(picture.T, A, w["W_a"].T)
        G_M = paper.gated_fusion(text.T, attended, w["W_gv"].T, w["W_gt"].T, w["W_g"].T).T
        made.append({"G_T": text, "G_V": picture, "A": A, "G_M": G_M, "S": G_M @ w["W_s"]})  # eq. 16
    if "D/0" in w:
        both = [np.concatenate([text, picture]) for text, picture in zip(G_T, G_V, strict=True)]
        logits = paper.normalised_network(np.concatenate(both), *network_arrays("D", w))
        logits = np.split(logits, np.cumsum([len(some) for some in both])[:-1])
        for one, o in zip(made, logits, strict=True):
            one["L_adv"] = paper.adversarial_loss(o, np.arange(len(o)) < len(one["G_T"]))
    return made


def lstm_weights(name, layer):
    weights = [*layer.forward_lstm.weights, *layer.backward_lstm.weights]
    return {f"{name}/{number}": weight for number, weight in enumerate(weights)}


def lstm_arrays(name, w):
    arrays = [w[f"{name}/{number}"] for number in range(6)]
    return arrays[:3], arrays[3:]


def network_weights(name, network):
    dense = [*network.inner, network.outer]
    weights = [*(d.kernel for d in dense), *(d.bias for d in dense)]
    weights += [*(norm.gamma for norm in network.norms), *(norm.beta for norm in network.norms)]
    return {f"{name}/{number}": weight for number, weight in enumerate(weights)}


def network_arrays(name, w):
    """Kernels, biases, gammas, betas of a network of three layers."""
    arrays = [w[f"{name}/{number}"] for number in range(10)]
    return arrays[:3], arrays[3:6], arrays[6:8], arrays[8:]
