"""`CRFModel` in a user's own model: F1 by `tags=`, and what it refuses."""

import keras
import numpy as np
import pytest
from small_corpus import make_world

import mner_keras
from mner_keras import CRFModel, InputError
from mner_keras.layers import CRF
from mner_keras.metrics import EntityF1

TAGS = ["O", "B-PER", "I-PER"]
IDS = np.array([[1, 2, 0], [3, 4, 5]], "int32")
GOLD = np.array([[1, 2, -100], [0, 1, 2]], "int32")


def make_model(tags=TAGS, mask_zero=False):
    keras.utils.set_random_seed(0)
    ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(12, 8, mask_zero=mask_zero)
    scores = keras.layers.Dense(3)(embedding(ids))
    mask = embedding.compute_mask(ids) if mask_zero else ids != 0
    potentials = CRF(3)(scores) if mask_zero else CRF(3)(scores, mask=mask)
    model = CRFModel(ids, {"potentials": potentials, "mask": mask}, tags=tags)
    model.compile(keras.optimizers.Adam(0.1))
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


def test_fit_reports_val_f1_and_evaluate_reports_f1(tmp_path):
    model = make_model()
    model.run_eagerly = True
    stop = keras.callbacks.EarlyStopping("val_f1", mode="max", patience=30)
    history = model.fit(IDS, GOLD, validation_data=(IDS, GOLD), epochs=25, callbacks=[stop], verbose=0).history
    assert set(history) == {"loss", "val_loss", "val_f1"}
    assert history["val_f1"][-1] == 1.0
    assert model.evaluate(IDS, GOLD, verbose=0, return_dict=True)["f1"] == 1.0
    assert model.test_on_batch(IDS, GOLD, return_dict=True)["f1"] == 1.0
    assert set(model.train_on_batch(IDS, GOLD, return_dict=True)) == {"loss"}
    wrong = np.where(IDS == 1, 0, GOLD)  # the first name is missed: one of two predicted names is right
    assert model.evaluate(IDS, wrong, verbose=0, return_dict=True)["f1"] == pytest.approx(2 / 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(IDS, GOLD, verbose=0, return_dict=True)["f1"] == 1.0


def test_without_tags_there_is_no_f1():
    model = make_model(tags=None)
    assert set(model.evaluate(IDS, GOLD, verbose=0, return_dict=True)) == {"loss"}


def test_an_embeddings_own_mask_serves():
    np.testing.assert_array_equal(make_model(mask_zero=True).predict(IDS, verbose=0)["mask"], IDS != 0)


def test_tags_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`tags` must name the 3 tags of the CRF. Received: 2 names"):
        make_model(tags=TAGS[:2])
    with pytest.raises(ValueError, match="`tags` must be names of the form O, B-X and I-X. Received: 'S-PER' in"):
        EntityF1(["O", "B-PER", "S-PER"])


@pytest.mark.parametrize("argument", ["metrics", "weighted_metrics"])
def test_metrics_are_refused_by_compile(model, argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be left out.*`tags=.*`f1` and `val_f1` over entities"):
        model.compile("sgd", **{argument: [EntityF1(TAGS)]})


def test_class_weights_are_refused(model):
    for call in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match=r"`class_weight` must be left out.*`sample_weight` of shape \[batch\]"):
            call(IDS, GOLD, class_weight={0: 1.0, 1: 2.0})


@pytest.mark.parametrize("tag", [-100, 3])
def test_a_tag_out_of_range_at_a_token_is_an_error_with_its_place(model, tag):
    wrong = GOLD.copy()
    wrong[1, 2] = tag
    message = rf" must contain tags from 0 to 2 wherever the mask is true\. Received: {tag} in row 1, column 2"
    with pytest.raises(ValueError, match="`y`" + message):
        model.fit(IDS, wrong, verbose=0)
    with pytest.raises(ValueError, match="`y`" + message):
        model.evaluate(IDS, wrong, verbose=0)
    with pytest.raises(ValueError, match=r"`validation_data\[1\]`" + message):
        model.fit(IDS, GOLD, validation_data=(IDS, wrong), verbose=0)


@pytest.mark.parametrize("kind", ["text", "agban-released"])
def test_a_tag_out_of_range_in_a_compiled_step_trains_nothing_silently(kind, corpus):
    if kind == "text":
        model, inputs, gold = make_model(), IDS, np.where(IDS == 5, 7, GOLD)
    else:
        world = make_world("agban-released", corpus)
        model = world.build()
        model.compile("sgd")
        inputs, gold = world.batch(range(3))
        gold[0, 0] = -100
    assert np.isnan(model.train_on_batch(inputs, gold, return_dict=True)["loss"])
    assert np.isnan(keras.ops.convert_to_numpy(model.crf.transitions.value)).all()


def test_quantize_is_refused_with_the_alternative(model):
    with pytest.raises(ValueError, match="a CRFModel cannot be quantized.*set_dtype_policy"):
        model.quantize("int8")


def test_a_file_with_quantized_layers_says_what_it_is(corpus, tmp_path):
    model = make_world("text", corpus).build()
    model.get_layer("potentials").quantize("int8")
    model.save(tmp_path / "model.keras")
    with pytest.raises(InputError, match="model.keras: expected an unquantized model of this version"):
        mner_keras.load(tmp_path / "model.keras")


def test_the_parts_of_a_summed_loss_are_weighted_as_the_loss(corpus):
    world = make_world("agban", corpus)
    model = world.build()
    model.compile("sgd")
    data = world.preprocessor.dataset(world.posts, world.store, batch_size=16)  # 16 and 4 posts
    found = model.evaluate(data, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(found["crf_loss"] + found["adversarial_loss"], rel=1e-5)
