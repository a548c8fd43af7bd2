"""Record the results of tensorflow-addons' CRF, for the tests that compare ours with it.

Needs an environment of its own: `pip install -r requirements-parity.txt`. Writes tests/layers/recorded/addons_crf.npz:
potentials, tags, lengths and transitions of some batches, and the log-likelihoods, their gradients, and the decoded
tags and scores.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

OUT = Path(__file__).with_name("addons_crf.npz")
# rows, tokens, tags, size of the potentials, size of the transitions
CASES = [(6, 7, 4, 1.0, 0.5), (5, 12, 9, 3.0, 1.0), (4, 1, 3, 1.0, 1.0), (3, 5, 2, 50.0, 5.0)]

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
    results = {"log_likelihood": likelihood, "decoded": decoded, "score": score}
    results |= {"potentials_gradient": gradients[0], "transitions_gradient": gradients[1]}
    case |= {name: tensor.numpy() for name, tensor in results.items()}
    arrays |= {f"{number}_{name}": array for name, array in case.items()}
np.savez_compressed(OUT, **arrays)
print(f"{OUT}: {len(CASES)} batches")
