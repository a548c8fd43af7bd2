"""Train models on one device and on two replicas: `replica_script.py FOLDER` writes `FOLDER/answers.json`."""

import contextlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from small_corpus import make_world, write_corpus

from mner_keras import CRFModel
from mner_keras.layers import CRF

TAGS = ["O", "B-PER", "I-PER"]
MODELS = {
    "text": {"loss_reduction": "sum"},
    "agban": {"loss_reduction": "sum"},
    "agban-released": {"num_training_tokens": 9},
}


def crf_model():
    """A model with a regulariser, whose mask is an input of its own."""
    keras.utils.set_random_seed(0)
    ids, mask = keras.Input((5,), dtype="int32", name="ids"), keras.Input((5,), dtype="bool", name="mask")
    features = keras.layers.Embedding(12, 8)(ids)
    scores = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))(features)
    inputs = {"ids": ids, "mask": mask}
    return CRFModel(inputs, {"potentials": CRF(3)(scores, mask=mask), "mask": mask}, tags=TAGS)


def arrays():
    """Eleven rows, some of them empty: of the batches of four, the last is uneven."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 12, size=(11, 5)).astype("int32")
    lengths = np.array([5, 3, 0, 0, 2, 0, 4, 5, 1, 5, 2])
    return {"ids": ids, "mask": np.arange(5) < lengths[:, None]}, (ids % 3).astype("int32")


def answers(model, data, epochs, **options):
    model.compile(keras.optimizers.SGD(0.05))
    before = model.evaluate(*data, verbose=0, return_dict=True, **options)
    if not epochs:
        return {"evaluate": before}
    validation = data if len(data) > 1 else data[0]
    history = model.fit(*data, validation_data=validation, epochs=epochs, shuffle=False, verbose=0, **options).history
    return {"evaluate": before, "history": history, "weights": [w.ravel().tolist() for w in model.get_weights()]}


def main(folder):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    found, corpus = {}, write_corpus(folder / "corpus")
    for name in ("one", "two"):
        tf.config.run_functions_eagerly(name == "one")  # the numbers are those of a graph, sooner
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if name == "two" else None
        scope = strategy.scope if strategy else contextlib.nullcontext
        with scope():
            model = crf_model()
        found[f"crf {name}"] = answers(model, arrays(), 2, batch_size=4)
        for kind, arguments in MODELS.items():
            world = make_world(kind, corpus)
            with scope():
                model = world.build(**arguments)
            data = world.preprocessor.dataset(world.posts, world.store, batch_size=8)
            trained = kind == "text" or (kind == "agban" and strategy)
            found[f"{kind} {name}"] = answers(model, (data,), int(bool(trained)))
    (folder / "answers.json").write_text(json.dumps(found, default=float), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
