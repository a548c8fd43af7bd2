"""What a run writes of its epochs: the file `history.csv`."""

from __future__ import annotations

import csv
import inspect
import math
import os
from pathlib import Path

from mner_keras.errors import InputError
from mner_keras.registry import find_model
from mner_keras.run.config import RunConfig

FILE = "history.csv"


def read_history(folder: str | os.PathLike) -> list[dict[str, float]]:
    """The losses and scores of each epoch.

    Args:
        folder: the run's folder.

    Raises:
        InputError: no history, or one that is no table of numbers.
    """
    path = Path(folder) / FILE
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except NotADirectoryError:
        raise InputError("expected a run's folder, whose history is read; found a file", folder) from None
    except OSError as error:
        raise InputError(f"expected a run's history; {error.strerror}", path) from None
    except (TypeError, ValueError, csv.Error) as error:
        raise InputError(f"expected a table of numbers, found {error}", path) from None
    if not rows:
        raise InputError("expected a row for each epoch, found none", path)
    return rows


def posts_per_batch(config: RunConfig, train: int, dev: int) -> tuple[float, float]:
    """What the losses of a history must be divided by to be those of a post, on train and on dev.

    A model whose loss is a sum over a batch has a mean of such sums in its history, weighted by the batches' rows. Only
    dev has a batch with fewer rows: the last one.

    Args:
        config: the run's configuration.
        train: the number of its training posts.
        dev: the number of its dev posts.

    Returns:
        the posts of a batch of train and of dev, so weighted; 1 and 1 where the losses are means over posts.
    """
    entry = find_model(config.model)
    parameter = inspect.signature(entry.load_class()).parameters.get("loss_reduction")
    reduction = None if parameter is None else parameter.default
    if {**entry.arguments, **config.arguments}.get("loss_reduction", reduction) != "sum":
        return 1.0, 1.0
    bucket = entry.load_class().preprocessing.get("bucket", True)
    size = max(config.batch_size, 32) if bucket else config.batch_size
    rest = dev % size
    return train / math.ceil(train / config.batch_size), ((dev - rest) * size + rest**2) / dev
