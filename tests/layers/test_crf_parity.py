"""The CRF beside two others: the recorded output of tensorflow-addons, and pytorch-crf."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, to_numpy, weight_gradient

from mner_keras.layers import CRF

RECORDED = Path(__file__).parent / "recorded" / "addons_crf.npz"


def recorded(number):
    with np.load(RECORDED) as arrays:
        prefix = f"{number}_"
        return {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}


@pytest.mark.parametrize("number", range(4))
def test_equals_what_tensorflow_addons_computed(number):
    case = recorded(number)
    tags = case["transitions"].shape[0]
    crf = CRF(tags, boundary=False)
    crf.build((None, None, tags))
    crf.transitions.assign(case["transitions"])
    mask = np.arange(case["tags"].shape[1]) < case["lengths"][:, None]

    found = to_numpy(crf.log_likelihood(case["potentials"], case["tags"], mask))
    np.testing.assert_allclose(found, case["log_likelihood"], rtol=1e-5, atol=1e-4)
    found = gradient(lambda x: ops.sum(crf.log_likelihood(x, case["tags"], mask)), case["potentials"])
    np.testing.assert_allclose(found, case["potentials_gradient"], rtol=1e-4, atol=1e-4)
    found = weight_gradient(
        lambda: ops.sum(crf.log_likelihood(case["potentials"], case["tags"], mask)), crf.transitions
    )
    np.testing.assert_allclose(found, case["transitions_gradient"], rtol=1e-4, atol=1e-4)
    decoded, score = crf.decode(case["potentials"], mask)
    np.testing.assert_array_equal(to_numpy(decoded)[mask], case["decoded"][mask])
    np.testing.assert_allclose(to_numpy(score), case["score"], rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="pytorch-crf takes torch's tensors")
@pytest.mark.parametrize("seed", range(3))
def test_equals_pytorch_crf(seed):
    torch = pytest.importorskip("torch")
    torchcrf = pytest.importorskip("torchcrf")
    rng = np.random.default_rng(seed)
    rows, tokens, tags = 5, 8, 4
    potentials = rng.normal(0, 2, (rows, tokens, tags)).astype("float32")
    gold = rng.integers(0, tags, (rows, tokens))
    mask = np.arange(tokens) < rng.integers(1, tokens + 1, rows)[:, None]
    theirs = torchcrf.CRF(tags, batch_first=True)
    ours = CRF(tags)
    ours.build((None, None, tags))
    for weight, value in (
        (ours.transitions, theirs.transitions),
        (ours.start, theirs.start_transitions),
        (ours.end, theirs.end_transitions),
    ):
        weight.assign(value.detach().numpy())
    x = torch.tensor(potentials, requires_grad=True)
    expected = theirs(x, torch.tensor(gold), torch.tensor(mask), reduction="none")
    expected.sum().backward()
    np.testing.assert_allclose(
        to_numpy(ours.log_likelihood(potentials, gold, mask)), expected.detach().numpy(), rtol=1e-5, atol=1e-5
    )
    found = gradient(lambda x: ops.sum(ours.log_likelihood(x, gold, mask)), potentials)
    np.testing.assert_allclose(found, x.grad.numpy(), rtol=1e-4, atol=1e-5)
    decoded = to_numpy(ours.decode(potentials, mask)[0])
    for row, path in enumerate(theirs.decode(x, torch.tensor(mask))):
        assert decoded[row][mask[row]].tolist() == path
