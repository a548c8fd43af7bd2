"""`EpochProgress`: the progress output of `mner train`."""

from __future__ import annotations

import sys

import keras

from mner_keras.cli.terminal import make_bar


class EpochProgress(keras.callbacks.Callback):
    """Show a progress bar with the loss on a terminal, and print loss and dev F1 after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = None
        self._task = None
        self._best = -1.0

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        self._bar = make_bar(sys.stdout)
        if self._bar is not None:
            self._task = self._bar.add_task(f"epoch {epoch + 1}", total=self.params.get("steps"))
            self._bar.start()

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        if self._bar is not None:
            loss = (logs or {}).get("loss")
            text = "" if loss is None else f"  loss {float(loss):.3f}"
            self._bar.update(
                self._task, completed=batch + 1, description=f"{self._bar.tasks[0].description[:9]:9}{text}"
            )

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        self.close()
        logs = logs or {}
        f1 = 100 * float(logs.get("val_f1", 0))
        better = " *" if f1 > self._best else ""
        self._best = max(self._best, f1)
        epochs = self.params.get("epochs")
        print(f"epoch {epoch + 1}/{epochs}  loss {float(logs['loss']):.4f}  dev F1 {f1:.2f}{better}", flush=True)

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
