"""What a model file gives under the backend of this process: `backend_script.py FOLDER`.

FOLDER holds, for each kind, `KIND.keras` and `KIND.npz` (inputs and `tags`); the answers go to `KIND.BACKEND.npz`.
"""

import sys
from pathlib import Path

import keras
import numpy as np

import mner_keras


def as_array(value):
    return np.asarray(keras.ops.convert_to_numpy(value))


def answers(path, inputs, tags, copy):
    model = mner_keras.load(path)
    outputs = model(inputs)
    best, score = model.crf.decode(outputs["potentials"], outputs["mask"])
    found = {
        "potentials": as_array(outputs["potentials"]) * inputs["token_mask"][..., None],
        "log_likelihood": as_array(model.crf.log_likelihood(outputs["potentials"], tags, outputs["mask"])),
        "tags": as_array(best),
        "score": as_array(score),
        "marginals": as_array(model.crf.marginals(outputs["potentials"], outputs["mask"])),
    }
    # One step of training, then to a file and back.
    losses = model.train_on_batch(inputs, tags, return_dict=True)
    found["loss"] = np.array(losses["loss"])
    trained = as_array(model(inputs)["potentials"]) * inputs["token_mask"][..., None]
    found["potentials_after_a_step"] = trained
    model.save(copy)
    again = mner_keras.load(copy)
    restored = as_array(again(inputs)["potentials"]) * inputs["token_mask"][..., None]
    np.testing.assert_allclose(restored, trained, rtol=1e-5, atol=1e-6)
    return found


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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
