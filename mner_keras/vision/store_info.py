"""What is inside a feature store."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from mner_keras.vision.feature_store import BLANK, FeatureStore
from mner_keras.vision.feature_writer import UNFINISHED


def describe_store(path: str | os.PathLike) -> dict[str, Any]:
    """Count a store's pictures and vectors, and say what made it.

    Returns:
        `path`, `bytes`, `pictures`, `blank` (whether there is one), `vectors` (pictures by number of vectors), `width`,
        `dtype`, `finished`, `attributes`.

    Raises:
        InputError: no feature store.
    """
    store = FeatureStore(path)
    vectors: Counter[int] = Counter()
    dtypes: set[str] = set()
    for name in store.file:
        dataset = store.file[name]
        dtypes.add(str(dataset.dtype))
        if name != BLANK:
            vectors[dataset.shape[-1] * dataset.shape[-2] if dataset.ndim == 4 else dataset.shape[0]] += 1
    attributes = store.attributes
    return {
        "path": os.fspath(path),
        "bytes": os.path.getsize(path),
        "pictures": len(store),
        "blank": BLANK in store.file,
        "vectors": dict(sorted(vectors.items())),
        "width": store.dim,
        "dtype": " and ".join(sorted(dtypes)),
        "finished": not attributes.pop(UNFINISHED, False) and not Path(f"{os.fspath(path)}.parts").is_dir(),
        "attributes": attributes,
    }
