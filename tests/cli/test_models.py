"""`mner models`."""

import inspect
import json
import re
import subprocess
import sys

import pytest

from mner_keras.registry import MODELS

# What a model's inputs are called in `mner models`.
READS = {
    "word_ids": {"words"},
    "char_ids": {"characters"},
    "pos_ids": {"parts of speech"},
    "token_mask": set(),
    "visual_features": set(),
    "visual_mask": set(),
}


def test_the_list_says_where_each_model_stands_and_what_it_reads(mner):
    text = mner("models").out
    assert re.findall(r"^\S+", text, re.MULTILINE) == list(MODELS)
    assert "AGBAN as printed, Object-AGBAN (Zheng et al. 2020)\n" in text
    assert "AGBAN table III, IV, V, VI; reads words, characters, objects\n" in text
    records = {record["name"]: record for record in json.loads(mner("models", "--json").out)}
    assert list(records) == list(MODELS)
    assert {"paper": "hsn", "table": "5", "row": "HSN w/o MI"} in records["hsn-without-mi"]["rows"] or [
        row for row in records["hsn-without-mi"]["rows"] if row["table"] == "5"
    ]
    assert records["text"]["rows"] == []
    assert records["stanford-ner-like"]["training"] == {"epochs": 200}
    assert records["bert-ner"]["extra"] == "backbones"


def test_the_list_needs_no_keras():
    script = "import sys; sys.argv = ['mner', 'models']; from mner_keras.cli import main\ntry: main()\nfinally: "
    script += "print('keras' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr == "False\n"


def test_one_model_shows_its_arguments_settings_and_parameters(mner):
    record = json.loads(mner("models", "agban-concat", "--json").out)
    assert record["class"] == "agban_keras.agban.AGBAN"
    assert record["arguments"]["fusion"] == "concatenate" and record["arguments"]["dropout"] == 0.5
    assert "vocabulary_size" not in record["arguments"]
    assert record["training"]["learning_rate"] == 0.005
    fewer = json.loads(mner("models", "agban-concat", "--set", "hidden_dim=20", "--json").out)
    assert 0 < fewer["parameters"] < record["parameters"]
    text = mner("models", "bert-ner").out
    assert "pip install 'mner-keras[backbones]'" in text and "--set backbone=FOLDER" in text
    assert json.loads(mner("models", "t-ner-like", "--json").out)["parameters"] is None


def test_what_cannot_be_is_refused(mner):
    mner("models", "hsm").refused("expected a model", "Did you mean 'hsn'?")
    mner("models", "--set", "a=1").refused("`--set` needs the name of a model")
    mner("models", "vam", "--set", "gate=1").refused("expected an argument of VAM")
    mner("models", "vam", "--set", "hidden_dim=1").refused("`hidden_dim` must be at least 2. Received: hidden_dim=1")


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.is_keras and not entry.extra])
def test_the_registry_says_what_a_model_reads(name):
    from small_corpus import make_posts

    from mner_keras.run.config import free_arguments, split_arguments

    entry = MODELS[name]
    model_class = entry.load_class()
    known = inspect.signature(model_class.__init__).parameters
    assert set(entry.arguments) <= set(free_arguments(model_class))
    small = {key: value for key, value in {"hidden_dim": 8, "word_dim": 4, "num_heads": 2}.items() if key in known}
    first, rest = split_arguments(model_class, {**entry.arguments, **small})
    model = model_class(model_class.fit_preprocessor(make_posts(count=3), **first), **rest)
    expected = set().union(*(READS[key] for key in model.input))
    if "visual_features" in model.input:
        expected.add(model_class.preprocessing["visual"].kind)
    assert set(entry.reads) == expected
