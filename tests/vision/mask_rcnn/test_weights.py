"""Files of weights: what is taken, what is refused, what is downloaded."""

import hashlib

import h5py
import pytest
from legacy_file import expected_weights, small_network, write_legacy_file

from mner_keras.errors import InputError
from mner_keras.vision.mask_rcnn import extractor
from mner_keras.vision.mask_rcnn.extractor import MD5, coco_weights, load_weights


def write(path, **options):
    return write_legacy_file(path, values=False, **options)


def test_the_table_is_that_of_resnet_101_with_a_pyramid():
    table = expected_weights()
    layers = {layer for layer, _ in table}
    assert sum(layer.startswith(("res", "conv1")) for layer in layers) == 104  # conv1, 33 x 3, 4 shortcuts
    assert table["conv1", "kernel"] == (7, 7, 3, 64)
    assert table["res4w_branch2b", "kernel"] == (3, 3, 256, 256)
    assert table["res5a_branch1", "kernel"] == (1, 1, 1024, 2048)
    assert table["bn5c_branch2c", "moving_variance"] == (2048,)
    assert table["fpn_c5p5", "kernel"] == (1, 1, 2048, 256)
    assert table["rpn_class_raw", "kernel"] == (1, 1, 512, 6)
    assert table["mrcnn_class_conv1", "kernel"] == (7, 7, 256, 1024)
    assert table["mrcnn_bbox_fc", "bias"] == (324,)


@pytest.mark.parametrize(("root", "mask_branch"), [("", True), ("model_weights", False)])
def test_the_legacy_layout_is_read_with_and_without_the_mask_branch(tmp_path, root, mask_branch):
    path = write(tmp_path / "w.h5", root=root, mask_branch=mask_branch)
    if root:
        # Names that Keras numbered.
        with h5py.File(path, "r+") as file:
            file.move(f"{root}/rpn_model/rpn_conv_shared", f"{root}/rpn_model/rpn_conv_shared_3")
            file.move(f"{root}/conv1/conv1", f"{root}/conv1/conv1_1")
    load_weights(small_network(), path)


def test_each_difference_is_named(tmp_path):
    changes = {
        ("res4w_branch2b", "kernel"): None,
        ("rpn_class_raw", "bias"): None,
        ("mrcnn_class_logits", "kernel"): (1024, 2),
        ("mrcnn_class_logits", "bias"): (2,),
        ("res4x_branch2a", "kernel"): (1, 1, 1024, 256),
    }
    path = write(tmp_path / "w.h5", changes=changes)
    with pytest.raises(InputError) as raised:
        load_weights(small_network(), path)  # refused before anything is loaded
    assert str(raised.value) == (
        f"{path}: expected the weights of Matterport's Mask R-CNN for COCO; res4w_branch2b/kernel is missing; "
        "rpn_class_raw/bias is missing; mrcnn_class_logits/bias is (2,), not (81,); "
        "mrcnn_class_logits/kernel is (1024, 2), not (1024, 81); "
        "res4x_branch2a/kernel (1, 1, 1024, 256) is none of its weights"
    )


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="none.h5: expected an HDF5 file of Mask R-CNN weights, found no such file"):
        load_weights(small_network(), tmp_path / "none.h5")
    other = tmp_path / "other.h5"
    other.write_bytes(b"no weights")
    with pytest.raises(InputError, match="other.h5: expected an HDF5 file of Mask R-CNN weights, found another kind"):
        load_weights(small_network(), other)
    whole = write(tmp_path / "whole.h5").read_bytes()
    other.write_bytes(whole[: len(whole) // 2])  # a download that was broken off
    with pytest.raises(InputError, match="of Mask R-CNN weights, found a (truncated|damaged)"):
        load_weights(small_network(), other)
    with h5py.File(other, "w") as file:
        file["113"] = [[1.0]]
    with pytest.raises(InputError, match="expected the layers of Matterport's Mask R-CNN .* found none of them"):
        load_weights(small_network(), other)


# === The download ===


def test_the_weights_are_downloaded_once_or_it_says_how_to_go_on(tmp_path, monkeypatch):
    def fetch(md5=MD5, name="served.h5", progress=lambda *_: None):
        monkeypatch.setattr(extractor, "ADDRESS", (tmp_path / name).as_uri())
        monkeypatch.setattr(extractor, "MD5", md5)
        return coco_weights(progress)

    monkeypatch.setattr("time.sleep", lambda seconds: None)

    content, steps = write(tmp_path / "served.h5").read_bytes(), []
    md5 = hashlib.md5(content).hexdigest()
    cache = tmp_path / "cache" / "new"
    monkeypatch.setenv("MNER_CACHE", str(cache))
    # Its names and shapes are right, its numbers another's.
    with pytest.raises(InputError, match=f"cannot be downloaded .*file of the hash {MD5[:12]}.*--weights takes a file"):
        fetch()
    with pytest.raises(InputError, match="cannot be downloaded .*3 attempts .*--weights takes a file"):
        fetch(name="none.h5")
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []
    path = fetch(md5, progress=lambda *step: steps.append(step))
    assert path == cache / "mask_rcnn_coco.h5"
    assert path.read_bytes() == content
    assert steps[-1] == (len(content), len(content))
    (tmp_path / "served.h5").unlink()
    assert fetch(md5) == path
    assert list(cache.iterdir()) == [path]
    monkeypatch.setenv("MNER_CACHE", str(path))
    with pytest.raises(InputError, match="cannot be downloaded .*--weights takes a file"):
        fetch()
