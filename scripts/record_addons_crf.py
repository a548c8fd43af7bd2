"""Record the results of tensorflow-addons' CRF, for the tests that compare ours with it.

Usage: python scripts/record_addons_crf.py [OUT]

Needs an environment of its own: `pip install -r requirements-parity.txt`. Writes tests/layers/recorded/addons_crf.npz:
potentials, tags, lengths and transitions of some batches, and the log-likelihoods, their gradients, and the decoded
tags and scores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

# rows, tokens, tags, size of the potentials, size of the transitions
CASES = [(6, 7, 4, 1.0, 0.5), (5, 12, 9, 3.0, 1.0), (4, 1, 3, 1.0, 1.0), (3, 5, 2, 50.0, 5.0)]


def main() -> None:
    default = Path(__file__).parents[1] / "tests" / "layers" / "recorded" / "addons_crf.npz"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    arrays = {"versions": np.array([f"tensorflow {tf.__version__}", f"tensorflow-addons {tfa.__version__}"])}
    for number, (rows, tokens, tags, size, transition_size) in enumerate(CASES):
        rng = np.random.default_rng(number)
        case = {
            "potentials": rng.normal(0, size, (rows, tokens, tags)).astype("float32"),
            "tags": rng.integers(0, tags, (rows, tokens)).astype("int32"),
            "lengths": rng.integers(1, tokens + 1, rows).astype("int32"),
            "transitions": rng.normal(0, transition_size, (tags, tags)).astype("float32"),
        }
        potentials, transitions = tf.constant(case["potentials"]), tf.constant(case["transitions"])
        with tf.GradientTape() as tape:
            tape.watch([potentials, transitions])
            likelihood, _ = tfa.text.crf_log_likelihood(potentials, case["tags"], case["lengths"], transitions)
            total = tf.reduce_sum(likelihood)
        gradients = tape.gradient(total, [potentials, transitions], unconnected_gradients="zero")
        decoded, score = tfa.text.crf_decode(potentials, transitions, case["lengths"])
        case["log_likelihood"] = likelihood.numpy()
        case["potentials_gradient"], case["transitions_gradient"] = (gradient.numpy() for gradient in gradients)
        case["decoded"], case["score"] = decoded.numpy(), score.numpy()
        arrays.update({f"{number}_{name}": array for name, array in case.items()})
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **arrays)
    print(f"{out}: {len(CASES)} batches")


if __name__ == "__main__":
    main()
