"""What the packages import, what they ship, and that every module says what it is."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mner_keras", "hsn_keras", "agban_keras")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FLOORS = (
    ("mner_keras.errors", "mner_keras.files", "mner_keras.registry", "mner_keras.layers", "mner_keras.replicas"),
    (
        "mner_keras.metrics",
        "mner_keras.text",
        "mner_keras.vision",
        "mner_keras.adam_tensorflow",
    ),
    ("mner_keras.crf_model", "mner_keras.data"),
    ("mner_keras.tagged_post", "mner_keras.inputs", "mner_keras.training", "mner_keras.predictor"),
    ("mner_keras.tagger", "mner_keras.runtime"),
    ("mner_keras.models", "mner_keras.export", "hsn_keras", "agban_keras"),
    ("mner_keras.baselines", "mner_keras.run"),
    ("mner_keras.papers",),
    ("mner_keras.views",),
    ("mner_keras.scale",),
    ("mner_keras.cli", "mner_keras.__main__"),
)
"""What stands on what, the lowest first; a module imports from its own floor and from those below."""


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Names of modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def top(name):
    return name.partition(".")[0]


def backend_of(path):
    """The backend that a file names, `lstm_torch.py` for instance."""
    return path.stem.rpartition("_")[2]


MODULES = {module_name(path) for path in FILES}


def floor_of(name):
    found = [
        number for number, parts in enumerate(FLOORS) for part in parts if name == part or name.startswith(part + ".")
    ]
    assert len(found) == 1, f"{name} is on no floor"
    return found[0]


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import json, sys, mner_keras\n"
        "heavy = ('keras', 'tensorflow', 'jax', 'torch', 'numpy', 'h5py', 'nltk')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_every_name_of_the_package_is_there():
    import mner_keras

    assert set(dir(mner_keras)) == set(mner_keras.__all__)
    for name in mner_keras.__all__:
        assert getattr(mner_keras, name) is not None
    with pytest.raises(AttributeError, match="module 'mner_keras' has no attribute 'nothing'"):
        mner_keras.nothing  # noqa: B018


def test_imports_point_down():
    upward = set()
    for path in FILES:
        if path == ROOT / "mner_keras" / "__init__.py":
            continue  # it imports on first use
        here = floor_of(module_name(path))
        for name in imports(path):
            # `mner_keras.X` of an import from `mner_keras` is a module, or a name of the package's face.
            if top(name) in PACKAGES and name in MODULES and name != "mner_keras" and floor_of(name) > here:
                upward.add((module_name(path), name))
    # A tagged post shows itself in a notebook.
    assert {name for name, _ in upward} <= {"mner_keras.tagged_post"}, upward


def test_no_module_imports_itself_through_others():
    names = {module_name(path) for path in FILES}
    # The `__init__` of a folder only hands names on.
    edges = {
        module_name(path): {name for name in imports(path) if name in names} if path.name != "__init__.py" else set()
        for path in FILES
    }
    edges["mner_keras.tagged_post"].discard("mner_keras.views.post_view")

    def visit(name, way):
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in edges[name]:
                visit(other, (*way, name))
            done.add(name)

    done = set()
    for name in names:
        visit(name, ())


@pytest.mark.parametrize("path", sorted((ROOT / "mner_keras" / "layers").glob("*.py")), ids=module_name)
def test_the_layers_import_keras_numpy_and_themselves(path):
    for name in imports(path):
        known = top(name) in ("keras", "numpy", backend_of(path)) or top(name) in sys.stdlib_module_names
        assert known or name.startswith("mner_keras.layers"), name


@pytest.mark.parametrize(("package", "other"), [("hsn_keras", "agban_keras"), ("agban_keras", "hsn_keras")])
def test_a_papers_package_does_not_import_the_others(package, other):
    for path in (ROOT / package).rglob("*.py"):
        assert other not in {top(name) for name in imports(path)}, path


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_module_says_what_it_is_and_keeps_to_the_public_api_of_keras(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no docstring"
    assert not any(name.startswith("keras.src") for name in imports(path))
    assert not any(
        isinstance(node, ast.Attribute) and node.attr == "src" and getattr(node.value, "id", "") == "keras"
        for node in ast.walk(tree)
    )
    assert not {"pickle", "cPickle", "dill", "joblib"} & {top(name) for name in imports(path)}


def test_a_backend_is_called_in_files_of_its_name_alone():
    for path in FILES:
        name = module_name(path)
        if name.startswith(("mner_keras.data.", "mner_keras.cli.")) or name == "mner_keras.replicas":
            continue
        assert {"tensorflow", "jax", "torch"} & {top(n) for n in imports(path)} <= {backend_of(path)}, name


def test_the_models_of_the_registry_are_there():
    from mner_keras.registry import MODELS
    from mner_keras.tagged_post import System
    from mner_keras.tagger import Tagger

    endings = {}
    for name, entry in MODELS.items():
        found = entry.load_class()
        assert issubclass(found, Tagger) == entry.is_keras == entry.file.endswith(".keras"), name
        for method in ("fit", "tag", "save", *(() if entry.is_keras else ("load",))):
            assert callable(getattr(found, method)), (name, method)
        if not entry.is_keras:
            # The ending tells which class opens a file.
            assert endings.setdefault(entry.file.rpartition(".")[2], found) is found
        assert entry.summary
    assert {m for m in vars(System) if not m.startswith("_")} == {"fit", "tag", "save", "load"}
