"""How commands start Keras, quietly, and what they print: notes, JSON, tables, and progress bars."""

import contextlib
import json
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from mner_keras.files import Progress

if TYPE_CHECKING:
    import keras
    import rich.progress


def note(line: str) -> None:
    """Print a line on the error stream."""
    print(line, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_scores(title: str, scores: dict[str, Any]) -> None:
    """Print precision, recall, F1 and support of all entities and by type."""
    rows = [
        [name, *(f"{row[key]:.2f}" for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
        for name, row in {"all": scores["micro"], **scores["types"]}.items()
    ]
    print_table(title, ["", "precision", "recall", "F1", "entities"], rows)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a table with `left` columns of text, then numbers, aligned right; a header without text is hidden."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", show_header=any(header))
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < left else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def _make_bar(stream: TextIO) -> "rich.progress.Progress":
    """Return a bar that disappears when it ends, and appears on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(file=stream), transient=True, disable=not stream.isatty())


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar on the error stream from the first call of the yielded function on."""
    bar = _make_bar(sys.stderr)
    task = bar.add_task(what)

    def show(done: int, total: int) -> None:
        bar.start()  # no effect if started
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.live.stop()


@contextlib.contextmanager
def epoch_progress() -> Iterator["keras.callbacks.Callback"]:
    """Yield a callback that shows a bar with the loss on a terminal, and prints loss and dev F1 after each epoch."""
    import keras

    bar, name, best = _make_bar(sys.stdout), "", -1.0
    task = bar.add_task(name)

    def begin(epoch: int, logs: dict[str, Any] | None) -> None:
        nonlocal name
        name = f"epoch {epoch + 1}"
        bar.reset(task, total=callback.params["steps"], description=name)
        bar.start()

    def show(batch: int, logs: dict[str, Any]) -> None:
        if not bar.disable:  # reading the loss waits for the step
            bar.update(task, completed=batch + 1, description=f"{name}  loss {float(logs['loss']):.3f}")

    def end(epoch: int, logs: dict[str, Any]) -> None:
        nonlocal best
        bar.live.stop()
        f1, loss = 100 * float(logs.get("val_f1", 0)), float(logs["loss"])
        better = " *" if f1 > best else ""
        best = max(best, f1)
        print(f"{name}/{callback.params['epochs']}  loss {loss:.4f}  dev F1 {f1:.2f}{better}", flush=True)

    callback = keras.callbacks.LambdaCallback(begin, end, on_train_batch_end=show)
    try:
        yield callback
    finally:
        bar.live.stop()


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
    # Compiled libraries write to the error stream while they load; Python's own errors still appear.
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        import keras

        # The first operation detects the devices.
        keras.ops.zeros((1,))
    finally:
        os.dup2(kept, 2)
        os.close(kept)
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
