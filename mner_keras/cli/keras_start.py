"""Start Keras for a command: quiet, and the same numbers on every run."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator


def start_keras(deterministic: bool = False, all_cores: bool = False) -> None:
    """Import Keras without the backend's start-up notes.

    Args:
        deterministic: whether TensorFlow's operations must give the same numbers on every run.
        all_cores: whether one operation uses every core, as a network on pictures wants it.
    """
    # A tagger's operations are small: several at once, one thread each, train a fifth faster than each on all cores.
    if not all_cores:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    # TensorFlow warns of every program that it compiles for a new shape.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="keras")
    # What Pillow warns of is read all the same, or refused with the reason.
    warnings.filterwarnings("ignore", module="PIL")
    with _silent_start():
        import keras

        # The devices are looked for with the first operation.
        keras.ops.zeros((1,))
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def _silent_start() -> Iterator[None]:
    """Keep what compiled libraries write to the error stream while they load; Python's own errors still come out."""
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
