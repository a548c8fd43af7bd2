"""What a model file gives under the backend of this process: `backend_script.py FOLDER`.

FOLDER holds the small corpus in `corpus` and, for each name, `NAME.keras` and `NAME.npz` (inputs and `tags`); the
answers go to `NAME.BACKEND.npz`.
"""

import contextlib
import sys
from pathlib import Path

import keras
import numpy as np
from layer_harness import to_numpy
from small_corpus import make_world

import mner_keras
from mner_keras.registry import Training


def uncompiled():
    """JAX would compile each eager loop anew, for seconds."""
    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.disable_jit()


def potentials(model, inputs):
    with uncompiled():
        return to_numpy(model(inputs)["potentials"]) * inputs["token_mask"][..., None]


def answers(path, inputs, tags, copy):
    model = mner_keras.load(path)
    with uncompiled():
        outputs = model(inputs)
        best, score = model.crf.decode(outputs["potentials"], outputs["mask"])
        found = {
            "potentials": to_numpy(outputs["potentials"]) * inputs["token_mask"][..., None],
            "log_likelihood": to_numpy(model.crf.log_likelihood(outputs["potentials"], tags, outputs["mask"])),
            "tags": to_numpy(best),
            "score": to_numpy(score),
            "marginals": to_numpy(model.crf.marginals(outputs["potentials"], outputs["mask"])),
        }
    # One step of training, then to a file and back.
    losses = model.train_on_batch(inputs, tags, return_dict=True)
    found["loss"] = np.array(losses["loss"])
    trained = potentials(model, inputs)
    found["potentials_after_a_step"] = trained
    model.save(copy)
    again = mner_keras.load(copy)
    np.testing.assert_allclose(potentials(again, inputs), trained, rtol=1e-5, atol=1e-6)
    return found


def check_two_fits(corpus):
    """A second `fit` begins its schedule anew: as one epoch at a time, each with its rate."""
    world = make_world("text", corpus)
    # Posts of one length, since each length is compiled anew.
    posts = [post for post in world.posts if len(post) == 8]
    settings = {"batch_size": 5, "seed": 1, "verbose": 0}
    model, reference = world.build(), world.build()
    model.compile(training=Training("sgd", 0.05, learning_rate_decay=9.0))
    reference.compile(keras.optimizers.SGD(0.05))
    for epochs in (1, 2):
        model.fit(posts, epochs=epochs, **settings)
        for epoch in range(epochs):
            reference.optimizer.learning_rate = 0.05 / (1 + 9 * epoch)
            reference.fit(posts, initial_epoch=epoch, epochs=epoch + 1, **settings)
    for one, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def main(folder):
    for path in sorted(folder.glob("*.npz")):
        if "." in path.stem:
            continue
        with np.load(path) as file:
            inputs = {name: file[name] for name in file.files}
        tags = inputs.pop("tags")
        name = f"{path.stem}.{keras.backend.backend()}"
        found = answers(folder / f"{path.stem}.keras", inputs, tags, folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", **found)
    check_two_fits(folder / "corpus")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
