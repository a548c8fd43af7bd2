"""Start Keras for a command, quietly and reproducibly."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator


def start_keras(deterministic: bool = False, all_cores: bool = False) -> float:
    """Import Keras without the backend's start-up notes; return the seconds that it took.

    Args:
        deterministic: whether TensorFlow's operations must give the same numbers in every run.
        all_cores: whether one operation uses all cores, for networks on pictures and for pretrained readers.
    """
    # A tagger's operations are small: running several at once, one thread each, trains a fifth faster.
    if not all_cores:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    # TensorFlow warns about every program that it compiles for a new shape.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="keras")
    # Pillow's warnings are redundant: the picture is read, or refused with a reason.
    warnings.filterwarnings("ignore", module="PIL")
    started = time.perf_counter()
    with _silent_start():
        import keras

        # The first operation detects the devices.
        keras.ops.zeros((1,))
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    return time.perf_counter() - started


@contextlib.contextmanager
def _silent_start() -> Iterator[None]:
    """Silence the error stream of compiled libraries while they load; Python's own errors still appear."""
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
