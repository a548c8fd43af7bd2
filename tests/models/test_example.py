"""The example of the README, from data to tags, on the sample corpus."""

import keras
import pytest

import mner_keras
from agban_keras import AGBAN
from mner_keras import load_dataset


@pytest.mark.slow
def test_the_dozen_lines_from_data_to_tags(tmp_path):
    data = load_dataset("sample")
    objects = data.features("objects")
    keras.utils.set_random_seed(1)
    preprocessor = AGBAN.fit_preprocessor(data["train"], features=objects)
    model = AGBAN(preprocessor)
    model.compile(keras.optimizers.Adam(0.001))
    history = model.fit(
        data["train"], validation_data=data["dev"], features=objects, epochs=12, seed=1, verbose=0
    ).history
    assert history["val_f1"][-1] > 0.5
    assert model.evaluate(data["test"], features=objects, verbose=0, return_dict=True)["f1"] > 0.4
    model.save(tmp_path / "agban.keras")
    loaded = mner_keras.load(tmp_path / "agban.keras")
    posts = ["Anyway the best Benz in Los Angeles"]
    assert loaded.tag(posts) == model.tag(posts)
