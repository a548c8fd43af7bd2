"""The CRF in NumPy against the layer."""

import numpy as np
import pytest
from layer_harness import randomize, to_numpy

from agban_keras.layers import ReleasedCRF
from mner_keras.layers import CRF, bio_constraints
from mner_keras.runtime import decode_crf

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
LAYERS = {
    "boundary": lambda: CRF(5),
    "no boundary": lambda: CRF(5, boundary=False),
    "constraints": lambda: CRF(5, constraints=bio_constraints(TAGS)),
    "labels": lambda: ReleasedCRF(8, labels=[3, 1, 2, 5, 4]),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_numpy_gives_the_tags_and_marginals_of_the_layer(name, temperature):
    crf = LAYERS[name]()
    rng = np.random.default_rng(3)
    lengths = np.array([7, 1, 4, 6])
    potentials = rng.normal(0, 3, (4, 7, crf.num_tags)).astype("float32")
    mask = np.arange(7) < lengths[:, None]
    crf(potentials, mask=mask)
    if name != "labels":
        randomize(crf)
    tags, probabilities = decode_crf(potentials, lengths, crf.arrays(), temperature)
    expected = to_numpy(crf.decode(potentials, mask)[0])
    marginals = to_numpy(crf.marginals(potentials, mask, temperature))
    np.testing.assert_array_equal(tags[mask], expected[mask])
    of_tags = np.take_along_axis(marginals, expected[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(probabilities[mask], of_tags[mask], atol=1e-5)
