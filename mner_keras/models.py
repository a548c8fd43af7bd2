"""Open any model file of the package."""

import importlib
import json
import os
import zipfile
import zlib
from importlib import resources
from typing import TYPE_CHECKING

from mner_keras.errors import InputError
from mner_keras.registry import KERAS_FILE, MODELS

if TYPE_CHECKING:
    from mner_keras.tagged_post import System
    from mner_keras.tagger import Tagger
    from mner_keras.vision.visual_input import VisualInput


def load(path: str | os.PathLike) -> "Tagger | System":
    """Open a model of this package.

    Args:
        path: a run's folder; a file: `.keras` for a Keras model, another registered extension (`.crf` for a feature
            CRF) otherwise; or `"pretrained"` for the tagger inside the package.

    Raises:
        InputError: no such file or folder, not a model, a truncated file, or a model of another version or package.

    Example:

    >>> load("pretrained").tag(["Barack Obama visited Paris"])
    """
    path = find_model_file(path)
    for entry in MODELS.values():
        if not entry.is_keras and os.path.splitext(path)[1] == os.path.splitext(entry.file)[1]:
            return entry.load_class().load(path)
    config = read_model_config(path)
    name = config.get("registered_name") or config.get("class_name")
    package = str(name).partition(">")[0]
    modules = {entry.module for entry in MODELS.values() if entry.module.partition(".")[0] == package}
    if not modules:
        raise InputError(f"expected a model of this package, found {name!r}", path)
    from mner_keras.tagger import FORMAT

    saved = config.get("config", {}).get("format", FORMAT)
    if saved != FORMAT:
        raise InputError(
            f"expected a model of file format {FORMAT}, found {saved}: made by mner-keras 0.1. `mner train "
            "RUN/config.toml` trains it again",
            path,
        )
    # Importing them registers their classes.
    for module in ("mner_keras.crf_model", *modules):
        importlib.import_module(module)
    import keras

    try:
        return keras.saving.load_model(path)
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"expected an unquantized model of this version, found one that does not load ({reason})", path
        ) from error


def read_model_config(path: str | os.PathLike) -> dict:
    """Return the configuration inside a `.keras` file, without loading the model; `InputError` for any other file."""
    config, found = None, "an archive without a model in it"
    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                found = f"a damaged one ({damaged} does not match its checksum)"
            else:
                config = json.loads(archive.read("config.json"))
    except OSError as error:
        raise InputError(f"expected a .keras model; {error.strerror or error}", path) from None
    except (zipfile.BadZipFile, zlib.error):
        found = "another kind of file or a truncated one"
    except (KeyError, ValueError):
        pass  # no model in it
    if not isinstance(config, dict):
        raise InputError(f"expected a .keras model, found {found}", path)
    return config


def reads_subwords(path: str | os.PathLike) -> bool:
    """Return whether a model contains a text backbone; false for what cannot be read."""
    try:
        return read_model_config(find_model_file(path))["config"]["preprocessor"]["backbone"] is not None
    except (InputError, KeyError, TypeError):
        return False


def find_model_file(model: str | os.PathLike) -> str:
    """Return the file of a model that is given as `load` takes it; a file or folder named `pretrained` comes first."""
    path = os.fspath(model)
    if path == "pretrained" and not os.path.exists(path):
        return str(resources.files("mner_keras") / "pretrained" / "tagger.keras")
    if not os.path.isdir(path):
        return path
    names = dict.fromkeys((KERAS_FILE, *(entry.file for entry in MODELS.values())))
    for name in names:
        if os.path.exists(os.path.join(path, name)):
            return os.path.join(path, name)
    raise InputError(f"expected a run with a {' or a '.join(names)}, found none", path)


def load_tagger(path: str | os.PathLike) -> "Tagger | System":
    """Open a model as `load` does; raise `InputError` for one that cannot tag posts (a `CRFModel`)."""
    model = load(path)
    if not hasattr(model, "tag"):
        raise InputError(f"expected a model that tags posts, found a {type(model).__name__}", path)
    return model


def reads_store(model: "System") -> bool:
    """Return whether a model reads a feature store: its pictures, or their captions."""
    return getattr(getattr(model, "preprocessor", None), "reads_store", False)


def visual_input(model: "System") -> "VisualInput | None":
    """Return the picture input of a model that `load_tagger` opened; `None` for none."""
    visual = getattr(getattr(model, "preprocessor", None), "visual", None)
    return visual if visual is not None and visual.pictures else None
