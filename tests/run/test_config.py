"""`RunConfig`: the paper's settings, TOML there and back, and what is refused."""

import dataclasses
import re
import tomllib

import pytest

from mner_keras.errors import InputError
from mner_keras.registry import FINE_TUNING, MODELS
from mner_keras.run.config import RunConfig


def refused(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        RunConfig.load(path)
    return str(caught.value).removeprefix(str(path) + ": ")


def test_another_optimiser_leaves_the_papers_rate_and_decay_behind():
    config = RunConfig.for_model("agban", optimizer="adam", epochs=3)
    assert (config.learning_rate, config.learning_rate_decay, config.weight_decay) == (0.001, 0.0, 0.0)
    assert (config.batch_size, config.epochs) == (10, 3)
    assert RunConfig.for_model("agban", optimizer="adam", learning_rate=0.5).learning_rate == 0.5
    assert RunConfig.for_model("agban", optimizer="sgd").learning_rate_decay == 0.05
    assert RunConfig.for_model("bert-ner", optimizer="adam").warmup == 0.0


def test_a_fine_tuned_backbone_has_settings_of_its_own():
    arguments = {"fine_tune": True, "backbone": "x"}
    config = RunConfig.for_model("hsn", arguments=arguments)
    assert config.training == FINE_TUNING
    assert (config.optimizer, config.learning_rate, config.warmup) == ("adamw", 2e-4, 0.1)
    assert RunConfig.for_model("hsn", arguments={"backbone": "x"}).training == RunConfig.for_model("hsn").training
    # BERT-NER's paper fine-tunes.
    assert RunConfig.for_model("bert-ner", arguments=arguments).training == RunConfig.for_model("bert-ner").training
    assert RunConfig.for_model("hsn", arguments=arguments, optimizer="adam").warmup == 0.0


@pytest.mark.parametrize("model", MODELS)
def test_a_configuration_comes_back_from_its_file(tmp_path, model):
    config = RunConfig.for_model(
        model,
        data="a folder/with \u00e9 and \\",
        no_pictures=True,
        seed=7,
        epochs=3,
        arguments={"hidden_dim": 16, "dropout": 0.1, "gate": "feature", "adversarial": False},
    )
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    settings = MODELS[model].settings
    used = fields if settings is None else {"model", "data", "arguments", *settings}
    config, in_vain = config.without_unused()
    assert in_vain == [name for name in ("no_pictures", "seed") if name not in used]
    path = tmp_path / "config.toml"
    config.save(path)
    assert RunConfig.load(path) == config
    # What has no meaning for a system is not written down as if it had.
    assert set(tomllib.loads(path.read_text(encoding="utf-8"))) == used | {"format"}


def test_a_configuration_that_is_missing_or_no_toml_is_an_error(tmp_path):
    path = tmp_path / "config.toml"
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: expected a run's configuration; "):
        RunConfig.load(path)
    assert refused(path, "model = ").startswith("expected a run's configuration, found a file that does not parse (")
    path.write_bytes(b"model = '\xff'")
    with pytest.raises(InputError, match="found a file that does not parse"):
        RunConfig.load(path)
    path.write_text("model = 'text'\nlearning_rate = 1\n", encoding="utf-8")
    assert RunConfig.load(path).learning_rate == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1", "expected the setting `model`, found none"),
        ("model = 'text'\nepoch = 3", "expected a setting of a run, found 'epoch'. Did you mean 'epochs'?"),
        ("model = 'text'\nepochs = 'three'", "expected `epochs` to be of type int, found 'three'"),
        ("model = 'text'\nepochs = true", "expected `epochs` to be of type int, found True"),
        ("model = 'text'\ntransductive = 1", "expected `transductive` to be of type bool, found 1"),
        ("model = 1", "expected `model` to be of type str, found 1"),
        ("model = 'text'\narguments = 3", "expected `arguments` to be of type dict, found 3"),
    ],
)
def test_a_setting_that_is_none_is_an_error(tmp_path, text, message):
    assert refused(tmp_path / "config.toml", text) == message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1. Received: epochs=0"),
        ({"seed": -1}, "`seed` must be at least 0. Received: seed=-1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0. Received: learning_rate=0.0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be above 0. Received: learning_rate=nan"),
        ({"warmup": 1.0}, "`warmup` must be at least 0 and below 1. Received: warmup=1.0"),
        ({"warmup": 0.1, "learning_rate_decay": 0.05}, "`warmup` and `learning_rate_decay` exclude each other"),
        ({"precision": "float16"}, "`precision` must be one of float32, mixed_float16, mixed_bfloat16. Received: "),
    ],
)
def test_a_number_out_of_range_is_an_error(settings, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        RunConfig.for_model("text", **settings)


def test_an_unknown_model_is_an_error_that_suggests_the_nearest():
    with pytest.raises(InputError, match=r"expected a model \(.*\), found 'agbam'\. Did you mean 'agban'\?"):
        RunConfig.for_model("agbam")
