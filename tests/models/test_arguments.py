"""What a model cannot take is refused by name, and the papers' ablations differ where they say."""

import functools

import pytest
from small_corpus import make_world


@pytest.fixture(scope="module")
def world_of(corpus):
    return functools.cache(lambda name: make_world(name, corpus))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("hsn", {"attention": "luong"}, "`attention` must be 'multi_head', 'single_head' or 'general'. Received: "),
        ("hsn", {"integration": None}, "`integration` must be 'gate' or 'concatenate'. Received: integration=None"),
        ("hsn", {"gate": "feat"}, "`gate` must be 'token' or 'feature'. Received: gate='feat'"),
        ("hsn", {"num_heads": 0}, "`num_heads` must be at least 1. Received: num_heads=0"),
        ("agban", {"fusion": "sum"}, "`fusion` must be 'attention' or 'concatenate'. Received: fusion='sum'"),
        ("agban", {"gate": "token"}, "`gate` must be True or False. Received: gate='token'"),
        ("agban", {"adversarial": 1}, "`adversarial` must be True or False. Received: adversarial=1"),
        ("agban", {"classifier_every": 0}, "`classifier_every` must be at least 1. Received: classifier_every=0"),
        ("agban-released", {"num_training_posts": 0}, "`num_training_posts` must be at least 1. Received: "),
        ("agban-released", {"classifier_rests_every": -1}, "`classifier_rests_every` must be at least 0. Received: "),
        ("text", {"hidden_dim": 5}, "`units` must be even. Received: units=5"),
        ("vam", {"hidden_dim": 5}, "`hidden_dim` must be even. Received: hidden_dim=5"),
        ("adaptive-co-attention", {"score": "sum"}, "`score` must be 'concatenate' or 'joint'. Received: score='sum'"),
        ("vam", {"score": "concatenate"}, "`score` must be 'sum' or 'joint'. Received: score='concatenate'"),
        ("disan", {"scale": 0.0}, "`scale` must be above 0. Received: scale=0.0"),
        ("mner-ma", {"modality_dim": 0}, "`modality_dim` must be at least 1. Received: modality_dim=0"),
        ("vam", {"dropout": -1}, "`dropout` must be a number of at least 0 and below 1. Received: dropout=-1"),
        ("cnn-bilstm-crf", {"hidden_dim": 1}, "`hidden_dim` must be at least 2. Received: hidden_dim=1"),
        ("bilstm-crf", {"unknown_rate": 1.5}, "`unknown_rate` must be a number of at least 0 and below 1. Received: "),
    ],
)
def test_a_model_names_the_argument_that_it_cannot_take(world_of, name, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        world_of(name).build(**arguments)


def test_agban_reads_as_many_objects_as_it_was_told(corpus):
    assert make_world("agban", corpus, num_objects=1).batch()[0]["visual_features"].shape[1] == 1
    with pytest.raises(ValueError, match="^`num_objects` must be a whole number. Received: num_objects=2.5"):
        make_world("agban", corpus, num_objects=2.5)


def test_the_rows_of_table_5_and_of_table_iii_differ_where_they_say(world_of):
    def parts(name):
        model = world_of(name).build()
        return {layer.name: type(layer).__name__ for layer in model.layers}, model

    whole, hsn = parts("hsn")
    assert whole["text_to_image"] == whole["image_to_text"] == "MultiHeadHierarchicalAttention"
    for name, unit in (("hsn-without-ha", "MultiHeadGeneralAttention"), ("hsn-without-mp", "HierarchicalAttention")):
        assert parts(name)[0] == {**whole, "text_to_image": unit, "image_to_text": unit}
    layers, model = parts("hsn-without-mi")
    assert layers == {**whole, "integration": "Concatenate"}
    assert model.get_layer("potentials").kernel.shape[0] == 2 * hsn.hidden_dim
    layers, model = parts("hsn-without-vf")
    assert layers == whole and not model.preprocessor.visual.pictures

    adversary = {"both_modalities", "both_masks", "gradient_reversal", "modality_classifier"}
    whole, agban = parts("agban")
    assert adversary <= set(whole)
    assert len(agban.get_layer("attention").weights) == 7
    without = {layer: kind for layer, kind in whole.items() if layer not in adversary}
    for name, weights in (("agban-gban", 7), ("agban-ban", 4)):
        layers, model = parts(name)
        assert layers == without
        assert len(model.get_layer("attention").weights) == weights
    layers, model = parts("agban-concat")
    assert layers == {k: v for k, v in without.items() if k != "attention"} | {"concatenation": "ObjectConcatenation"}
    assert model.get_layer("concatenation").num_objects == model.preprocessor.visual.count


def test_the_singletons_are_those_of_the_preprocessor(world_of):
    preprocessor = world_of("bilstm-crf").preprocessor
    layer = world_of("bilstm-crf").build(unknown_rate=0.5).get_layer("singleton_dropout")
    found = layer.vocabulary_size, layer.num_singletons, layer.rate
    assert found == (preprocessor.vocabulary_size, preprocessor.num_singletons, 0.5)
