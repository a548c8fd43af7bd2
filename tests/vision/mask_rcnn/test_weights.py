"""Files of weights: what is taken, what is refused, what is downloaded."""

import hashlib
import http.server
import threading

import h5py
import pytest
from legacy_file import write_legacy_file

from mner_keras.errors import InputError
from mner_keras.vision.mask_rcnn.weights import MD5, check_weights, coco_weights, expected_weights, load_weights


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


@pytest.mark.parametrize("root", ["", "model_weights"])
@pytest.mark.parametrize("mask_branch", [False, True])
def test_the_legacy_layout_is_read_with_and_without_the_mask_branch(tmp_path, root, mask_branch):
    check_weights(write(tmp_path / "w.h5", root=root, mask_branch=mask_branch))


def test_names_that_keras_numbered_are_read(tmp_path):
    path = write(tmp_path / "w.h5")
    with h5py.File(path, "r+") as file:
        file.move("rpn_model/rpn_conv_shared", "rpn_model/rpn_conv_shared_3")
        file.move("mrcnn_class_conv1/mrcnn_class_conv1", "mrcnn_class_conv1/mrcnn_class_conv1_1")
    check_weights(path)


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
        load_weights(None, path)  # refused before anything is loaded
    assert str(raised.value) == (
        f"{path}: expected the weights of Matterport's Mask R-CNN for COCO; res4w_branch2b/kernel is missing; "
        "rpn_class_raw/bias is missing; mrcnn_class_logits/bias is (2,), not (81,); "
        "mrcnn_class_logits/kernel is (1024, 2), not (1024, 81); "
        "res4x_branch2a/kernel (1, 1, 1024, 256) is none of its weights"
    )


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="none.h5: expected a file of Mask R-CNN weights, found no such file"):
        load_weights(None, tmp_path / "none.h5")
    other = tmp_path / "other.h5"
    other.write_bytes(b"no weights")
    with pytest.raises(InputError, match="other.h5: expected an HDF5 file of Mask R-CNN weights, found another kind"):
        load_weights(None, other)
    whole = write(tmp_path / "whole.h5").read_bytes()
    other.write_bytes(whole[: len(whole) // 2])  # a download that was broken off
    with pytest.raises(InputError, match="of Mask R-CNN weights, found a (truncated|damaged)"):
        load_weights(None, other)
    with h5py.File(other, "w") as file:
        file["113"] = [[1.0]]
    with pytest.raises(InputError, match="expected the layers of Matterport's Mask R-CNN .* found none of them"):
        load_weights(None, other)


# === The download ===


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        if server.content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        server.breaks, whole = server.breaks - 1, server.breaks <= 0
        self.wfile.write(server.content if whole else server.content[: len(server.content) // 2])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.breaks = [], 0
    server.content = write(tmp_path / "served.h5").read_bytes()
    server.address = f"http://127.0.0.1:{server.server_port}/v2.0/mask_rcnn_coco.h5"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache" / "new"))
    yield server
    server.shutdown()
    server.server_close()


def fetch(server, md5=None, progress=lambda done, total: None):
    return coco_weights(server.address, md5 or hashlib.md5(server.content).hexdigest(), 0.0, progress)


def test_the_weights_are_downloaded_once_with_progress(server, tmp_path):
    steps = []
    server.breaks = 1
    path = fetch(server, progress=lambda done, total: steps.append((done, total)))
    assert path == tmp_path / "cache" / "new" / "mask_rcnn_coco.h5"
    assert path.read_bytes() == server.content
    assert steps[-1] == (len(server.content), len(server.content))
    assert server.asked == 2 * ["/v2.0/mask_rcnn_coco.h5"]
    assert fetch(server) == path
    assert len(server.asked) == 2
    assert [left.name for left in path.parent.iterdir()] == ["mask_rcnn_coco.h5"]


def test_a_download_that_is_something_else_is_not_kept(server, tmp_path):
    # Its names and shapes are right, its numbers another's.
    with pytest.raises(
        InputError,
        match=rf"cannot be downloaded \({server.address}: expected a file of the MD5 {MD5}, .*--weights takes a file",
    ):
        fetch(server, MD5)
    assert list((tmp_path / "cache" / "new").iterdir()) == []


def test_a_download_that_fails_says_how_to_go_on(server, tmp_path, monkeypatch):
    breaking, server.breaks = server.content, 3
    with pytest.raises(InputError, match=f"3 attempts .*{len(breaking) - len(breaking) // 2} more expected.*--weights"):
        fetch(server)
    server.content = None
    with pytest.raises(InputError, match="cannot be downloaded .*the server answers 404.*--weights takes a file"):
        fetch(server, MD5)
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be downloaded .*--weights takes a file"):
        fetch(server, MD5)
