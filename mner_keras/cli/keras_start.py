"""Start Keras for a command, quietly and reproducibly."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator

from mner_keras.cli.terminal import note


def start_keras(deterministic: bool = False, all_cores: bool = False) -> float:
    """Import Keras without the backend's start-up notes; return the seconds that it took.

    With `deterministic`, TensorFlow's operations give the same numbers in every run. With `all_cores`, one operation
    uses all cores, for networks on pictures and for pretrained readers. A tagger's operations are small: running
    several at once, one thread each, trains a fifth faster.
    """
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
    if has_gpu() and not uses_gpu():
        note("this machine has a GPU, and Keras computes on the CPU: `mner doctor` says why")
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    return time.perf_counter() - started


def has_gpu() -> bool:
    """Return whether the machine has a GPU of NVIDIA that its environment does not hide."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or os.environ.get("JAX_PLATFORMS") == "cpu"
    return not hidden and (os.path.exists("/dev/nvidia0") or shutil.which("nvidia-smi") is not None)


def uses_gpu() -> bool:
    """Return whether the backend computes on a GPU."""
    from mner_keras.replicas import device_names

    return not device_names()[0].startswith("cpu")


@contextlib.contextmanager
def _silent_start() -> Iterator[None]:
    """Silence the error stream of compiled libraries while they load; Python's own errors still appear."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
