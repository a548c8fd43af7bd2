"""Each part of Mask R-CNN against a NumPy form."""

import keras
import mask_rcnn_oracle as oracle
import numpy as np
import pytest
from keras import ops
from PIL import Image

from mner_keras.vision.mask_rcnn.boxes import (
    NEVER,
    Detections,
    Proposals,
    clip_boxes,
    make_anchors,
    non_max_suppression,
    overlap,
    shift_boxes,
    to_pixels,
    to_unit,
)
from mner_keras.vision.mask_rcnn.extractor import picture_boxes, square_picture
from mner_keras.vision.mask_rcnn.network import RoIAlign, levels_of

SIDE = 128


def random_boxes(*shape, seed=0, least=0.02):
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 0.9 - least, (*shape, 2))
    size = random.uniform(least, 1 - corner)
    return np.concatenate([corner, corner + size], -1).astype("float32")


def to_numpy(value):
    return ops.convert_to_numpy(value)


# === Boxes ===


def test_anchors_stand_where_the_network_s_outputs_are():
    expected = (oracle.anchors(SIDE) - [0, 0, 1, 1]) / (SIDE - 1)
    np.testing.assert_allclose(make_anchors(SIDE), expected, rtol=1e-5, atol=1e-6)
    full = make_anchors(1024)
    assert full.shape == (261_888, 4)
    # The first: 32 pixels, half as wide as high, around the corner.
    pixels = full[0] * 1023 + [0, 0, 1, 1]
    np.testing.assert_allclose(pixels, np.array([-1, -0.5, 1, 0.5]) * 32 / np.sqrt(2) * [1, 1, 1, 1], rtol=1e-4)


def test_a_picture_reaches_from_0_to_1_and_back():
    assert to_unit(np.array([0, 0, 480, 640]), (480, 640)).tolist() == [0, 0, 1, 1]
    boxes = np.array([[0, 0, 480, 640], [3, 5, 4, 6], [100, 17, 333, 639]])
    np.testing.assert_array_equal(to_pixels(to_unit(boxes, (480, 640)), (480, 640)), boxes)


def test_boxes_move_and_are_cut():
    boxes, deltas = random_boxes(2, 9), np.random.default_rng(1).normal(size=(2, 9, 4)).astype("float32")
    windows = np.array([[0, 0, 1, 1], [0.2, 0.1, 0.7, 0.9]], "float32")
    moved = to_numpy(shift_boxes(*map(ops.convert_to_tensor, (boxes, deltas))))
    cut = to_numpy(clip_boxes(moved, windows[:, None]))
    for b in range(2):
        for i in range(9):
            np.testing.assert_allclose(moved[b, i], oracle.shift(boxes[b, i], deltas[b, i]), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(cut[b, i], oracle.clip(moved[b, i], windows[b]))
    wild = shift_boxes(ops.convert_to_tensor(boxes), ops.full(deltas.shape, 1e6))
    wild = to_numpy(clip_boxes(wild, ops.convert_to_tensor(windows)[:, None]))
    assert np.isfinite(wild).all()


def test_overlap():
    a, b = random_boxes(7), random_boxes(7, seed=1)
    expected = [[oracle.iou(x, y) for y in b] for x in a]
    np.testing.assert_allclose(to_numpy(overlap(a[:, None], b[None])), expected, rtol=1e-4, atol=1e-6)
    point = np.array([0.5, 0.5, 0.5, 0.5], "float32")
    assert to_numpy(overlap(point, point)) == 0


# === Non-maximum suppression ===


@pytest.mark.parametrize("threshold", [0.3, 0.7])
@pytest.mark.parametrize("grouped", [False, True])
def test_of_boxes_that_overlap_the_best_stays(threshold, grouped):
    random = np.random.default_rng(3)
    boxes = random_boxes(3, 60, least=0.3)
    scores = random.uniform(size=(3, 60)).astype("float32")
    scores[1, 20:40] = 0.5  # of equal ones the first
    scores[2, 5:] = NEVER
    groups = random.integers(1, 4, (3, 60)).astype("int32") if grouped else None
    chosen, valid = map(to_numpy, non_max_suppression(boxes, scores, 12, threshold, groups))
    assert chosen.shape == valid.shape == (3, 12)
    for b in range(3):
        expected = oracle.nms(boxes[b], scores[b], 12, threshold, groups[b] if grouped else None)
        assert chosen[b][valid[b]].tolist() == expected
        assert valid[b].tolist() == [i < len(expected) for i in range(12)]
    assert 0 < valid[2].sum() <= 5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with TensorFlow's own")
def test_tensorflow_s_suppression_chooses_the_same():
    import tensorflow as tf

    boxes, scores = random_boxes(400, least=0.1), np.random.default_rng(5).uniform(size=400).astype("float32")
    chosen, valid = map(to_numpy, non_max_suppression(boxes[None], scores[None], 100, 0.5))
    expected = tf.image.non_max_suppression(boxes, scores, 100, 0.5).numpy()
    assert chosen[0][valid[0]].tolist() == expected.tolist()


# === The head's input ===


def test_the_level_goes_by_the_box_s_area():
    def square(pixels):
        return [0, 0, pixels / 1024, pixels / 1024]

    boxes = np.array([square(p) for p in (20, 56, 112, 158, 159, 224, 448, 1024)] + [[0.1, 0.1, 0.1, 0.9]], "float32")
    assert to_numpy(levels_of(boxes, 1024)).tolist() == [2, 2, 3, 3, 4, 4, 5, 5, 2]
    some = random_boxes(200, least=0.001)
    assert to_numpy(levels_of(some, 1024)).tolist() == [oracle.level(box, 1024) for box in some]


def pyramid(batch, side, channels=3):
    random = np.random.default_rng(2)
    return [random.normal(size=(batch, side >> i, side >> i, channels)).astype("float32") for i in (2, 3, 4, 5)]


def test_roi_align_reads_between_the_cells():
    side = 1024
    maps = pyramid(2, side)
    boxes = random_boxes(2, 20)
    boxes[0, :3] = [[0, 0, 1, 1], [0, 0, 0, 0], [0.999, 0.999, 1, 1]]
    found = to_numpy(RoIAlign(side)(boxes, maps))
    assert found.shape == (2, 20, 7, 7, 3)
    used = {oracle.level(box, side) for box in boxes.reshape(-1, 4)}
    assert used == {2, 3, 4, 5}
    for b in range(2):
        for i in range(20):
            expected = oracle.roi_align(boxes[b, i].astype("float64"), [level[b] for level in maps], side, 7)
            np.testing.assert_allclose(found[b, i], expected, rtol=1e-3, atol=1e-3)


def test_what_lies_beyond_the_map_reads_zero():
    maps = [np.ones((1, 32 >> i, 32 >> i, 1), "float32") for i in range(4)]
    found = to_numpy(RoIAlign(128, 3)(np.array([[[-0.5, 0.0, 0.5, 1.0]]], "float32"), maps))[0, 0, :, :, 0]
    np.testing.assert_allclose(found, [[0, 0, 0], [1, 1, 1], [1, 1, 1]])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with TensorFlow's own")
def test_tensorflow_s_crop_and_resize_reads_the_same():
    import tensorflow as tf

    maps, boxes = pyramid(1, 512), random_boxes(1, 30)
    found = to_numpy(RoIAlign(512)(boxes, maps))[0]
    for box, ours in zip(boxes[0], found, strict=True):
        level = maps[oracle.level(box, 512) - 2]
        expected = tf.image.crop_and_resize(level, box[None], [0], (7, 7)).numpy()[0]
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_half_precision_does_not_touch_the_boxes():
    maps, boxes = pyramid(1, 512), random_boxes(1, 30)
    exact = to_numpy(RoIAlign(512)(boxes, maps))
    half = RoIAlign(512, dtype="mixed_bfloat16")(boxes, [ops.cast(level, "bfloat16") for level in maps])
    assert keras.backend.standardize_dtype(half.dtype) == "bfloat16"
    # Boxes of bfloat16 would be off by up to two pixels of P2 and read other cells.
    np.testing.assert_allclose(to_numpy(ops.cast(half, "float32")), exact, atol=0.06)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert Proposals(SIDE).compute_dtype == Detections().compute_dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


# === From scores to objects ===


def test_proposals():
    random = np.random.default_rng(4)
    count = len(make_anchors(64))
    objectness = random.permutation(2 * count).reshape(2, count).astype("float32") / (2 * count)  # no two are equal
    deltas = random.normal(size=(2, count, 4)).astype("float32")
    boxes, valid = map(to_numpy, Proposals(64, 40)(objectness, deltas))
    for b in range(2):
        expected = oracle.proposals(64, objectness[b], deltas[b], 40)
        assert valid[b].sum() == len(expected)
        np.testing.assert_allclose(boxes[b][valid[b]], expected, rtol=1e-4, atol=1e-5)


def test_fewer_proposals_than_asked_for_are_filled_up_with_zeros():
    count = len(make_anchors(64))
    # All boxes grow to the whole picture: one stays.
    deltas = np.zeros((1, count, 4), "float32")
    deltas[..., 2:] = 40.0
    boxes, valid = map(to_numpy, Proposals(64, 20)(np.full((1, count), 0.5, "float32"), deltas))
    assert valid[0].tolist() == [True] + 19 * [False]
    np.testing.assert_allclose(boxes[0], [[0, 0, 1, 1]] + 19 * [[0, 0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("min_score", [0.0, 0.5, 0.7])
def test_detections(min_score):
    random = np.random.default_rng(6)
    boxes = random_boxes(2, 50, least=0.2)
    logits = 4 * random.normal(size=(2, 50, 5))
    logits[:, :5, 0] = 20  # the background is surest, and no object
    scores = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype("float32")
    deltas = random.normal(size=(2, 50, 5, 4)).astype("float32")
    features = random.normal(size=(2, 50, 6)).astype("float32")
    window = np.array([[0, 0, 1, 1], [0.1, 0.2, 0.9, 0.8]], "float32")
    valid = np.ones((2, 50), bool)
    valid[1, 40:] = False
    layer = Detections(min_score, count=10)
    found = {key: to_numpy(value) for key, value in layer(boxes, valid, scores, deltas, features, window).items()}
    for b in range(2):
        there = 50 if b == 0 else 40
        expected = oracle.detections(boxes[b, :there], scores[b, :there], deltas[b], window[b], min_score, 10)
        rows = [e[0] for e in expected]
        assert 3 < len(rows) <= 10
        assert found["valid"][b].tolist() == [i < len(rows) for i in range(10)]
        kept = found["valid"][b]
        np.testing.assert_allclose(found["boxes"][b][kept], [e[1] for e in expected], rtol=1e-4, atol=1e-5)
        assert found["classes"][b][kept].tolist() == [e[2] for e in expected]
        np.testing.assert_allclose(found["scores"][b][kept], [e[3] for e in expected], rtol=1e-6)
        assert (np.diff(found["scores"][b][kept]) <= 0).all()
        np.testing.assert_array_equal(found["features"][b][kept], features[b, rows])


# === Pictures ===


@pytest.mark.parametrize(
    ("size", "window"),
    [
        ((1024, 1024), (0, 0, 1024, 1024)),
        ((600, 375), (192, 0, 832, 1024)),  # grows to the longer side's 1024
        ((500, 450), (112, 67, 912, 956)),  # grows to the shorter side's 800
        ((4000, 1000), (384, 0, 640, 1024)),  # shrinks
        ((900, 1000), (12, 62, 1012, 962)),  # stays
        ((2000, 1), (511, 0, 513, 1024)),
    ],
)
def test_a_picture_in_the_square(size, window):
    picture = Image.new("RGB", size, (200, 100, 50))
    pixels, found = square_picture(picture, 1024)
    assert pixels.shape == (1024, 1024, 3)
    assert pixels.dtype == np.uint8
    assert tuple(found) == window
    top, left, bottom, right = window
    inner = pixels[top + 2 : bottom - 2, left + 2 : right - 2]  # the edge is darker where a picture grows
    assert (inner == (200, 100, 50)).all()
    pixels[top:bottom, left:right] = 0
    assert not pixels.any()
    # The whole window is the whole picture.
    box = to_unit(np.array([window]), (1024, 1024))
    assert picture_boxes(box, found, 1024, size).tolist() == [[0, 0, size[1], size[0]]]


@pytest.mark.parametrize("size", [(30, 20), (70, 90), (128, 128)])
def test_pixels_lie_between_the_four_nearest(size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype("uint8")
    pixels, (top, left, bottom, right) = square_picture(Image.fromarray(noise), 64)
    expected = oracle.bilinear(noise.astype("float64"), bottom - top, right - left)
    # Cut to whole numbers, not rounded.
    difference = expected - pixels[top:bottom, left:right]
    assert difference.min() > -0.1
    assert difference.max() < 1.1
