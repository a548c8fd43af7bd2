"""A small BERT with random weights, in a folder like Hugging Face's."""

import json

import numpy as np

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#@"
WIDTH, INNER, LAYERS, HEADS = 16, 32, 2, 2


def write_tiny_bert(folder, lowercase=False, positions=24, words=(), layers=LAYERS):
    """Write the folder: word pieces for every letter, and for some words, so that every word has pieces.

    Args:
        folder: is made.
        lowercase: whether it is an uncased BERT.
        positions: the longest post, in pieces.
        words: words that are one piece.
        layers: layers of the BERT.
    """
    from safetensors.numpy import save_file

    folder.mkdir()
    vocabulary = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lowercase}))
    sizes = {
        "vocab_size": len(vocabulary),
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "max_position_embeddings": positions,
        "type_vocab_size": 2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **sizes}))
    rng = np.random.default_rng(5)

    def dense(name, width, inner):
        return {f"{name}.weight": rng.normal(0, 0.3, (inner, width)), f"{name}.bias": rng.normal(0, 0.1, inner)}

    def norm(name):
        return {f"{name}.weight": rng.normal(1, 0.1, WIDTH), f"{name}.bias": rng.normal(0, 0.1, WIDTH)}

    weights = {
        "embeddings.word_embeddings.weight": rng.normal(0, 0.5, (len(vocabulary), WIDTH)),
        "embeddings.position_embeddings.weight": rng.normal(0, 0.2, (positions, WIDTH)),
        "embeddings.token_type_embeddings.weight": rng.normal(0, 0.2, (2, WIDTH)),
        **norm("embeddings.LayerNorm"),
        **dense("pooler.dense", WIDTH, WIDTH),
    }
    for layer in range(layers):
        block = f"encoder.layer.{layer}"
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            weights |= dense(f"{block}.{name}", WIDTH, WIDTH)
        weights |= dense(f"{block}.intermediate.dense", WIDTH, INNER) | dense(f"{block}.output.dense", INNER, WIDTH)
        weights |= norm(f"{block}.attention.output.LayerNorm") | norm(f"{block}.output.LayerNorm")
    save_file(
        {name: np.ascontiguousarray(value, "float32") for name, value in weights.items()}, folder / "model.safetensors"
    )
    return folder, weights
