"""`TilesExtractor`: shapes, order, boxes, and what differs from the ground."""

import numpy as np
import pytest
from PIL import Image

from mner_keras.vision.tiles import F_O, F_R, TilesExtractor

RED, GREEN, BLUE, GROUND = (210, 30, 30), (20, 150, 40), (30, 60, 220), (240, 235, 220)


def picture(*squares, size=(96, 96), ground=GROUND):
    """A plain picture with filled boxes, each (top, left, bottom, right, colour)."""
    array = np.full((size[1], size[0], 3), ground, dtype="uint8")
    for top, left, bottom, right, colour in squares:
        array[top:bottom, left:right] = colour
    return Image.fromarray(array)


def regions(drawn):
    return TilesExtractor("regions").extract([drawn])[0]["vectors"]


def objects(drawn, most=5):
    found = TilesExtractor("objects", most).extract([drawn])[0]
    return tuple(found[key] for key in ("vectors", "names", "boxes", "scores"))


@pytest.mark.parametrize("cell", range(9))
def test_regions_go_row_by_row_from_the_top_left(cell):
    row, column = divmod(cell, 3)
    found = regions(picture((row * 32 + 8, column * 32 + 8, row * 32 + 24, column * 32 + 24, BLUE)))
    assert (found.shape, found.dtype) == ((9, F_R), np.float32)
    assert np.abs(found).max() < 4  # and no NaN
    assert np.flatnonzero(np.abs(found - found[(cell + 4) % 9]).max(1) > 0.1).tolist() == [cell]


def test_objects_come_by_score_at_their_boxes_and_no_more_than_asked_for():
    drawn = picture((5, 5, 15, 15, RED), (40, 40, 90, 90, BLUE), (5, 60, 30, 85, GREEN))
    features, names, boxes, scores = objects(drawn)
    assert (features.shape, features.dtype) == ((3, F_O), np.float32)
    assert names == ["blue", "green", "red"]
    assert boxes.tolist() == [[40, 40, 90, 90], [5, 60, 30, 85], [5, 5, 15, 15]]
    assert (np.diff(scores) < 0).all()
    assert 0 < scores.min() <= scores.max() <= 1
    for fewer, all_ in zip(objects(drawn, 2), (features, names, boxes, scores), strict=True):
        np.testing.assert_array_equal(fewer, all_[:2])
    with pytest.raises(ValueError, match=r"`max_objects` must be at least 1\. Received: max_objects=0"):
        objects(drawn, 0)


def test_box_is_in_pixels_of_the_picture_given_not_of_the_one_looked_at():
    _, _, boxes, _ = objects(picture((100, 200, 300, 360, GREEN), size=(640, 480)))
    np.testing.assert_allclose(boxes, [[100, 200, 300, 360]], atol=6)


def test_a_ground_that_passes_from_light_to_less_light_is_no_object():
    shade = np.linspace(200, 240, 96)[:, None, None] + np.zeros((96, 96, 3))
    shade[40:60, 20:70] = RED
    _, names, boxes, _ = objects(Image.fromarray(shade.astype("uint8")))
    assert names == ["red"]
    assert boxes.tolist() == [[40, 20, 60, 70]]


def test_a_hole_belongs_to_the_object():
    features, names, _, _ = objects(picture((20, 20, 70, 70, BLUE), (30, 30, 60, 60, GROUND)))
    assert len(names) == 1
    assert features[0, -3] == 1.0  # the whole box is filled


@pytest.mark.parametrize("size", [(96, 96), (1, 1), (2, 3), (1, 50), (200, 3)])
@pytest.mark.parametrize("colour", ["white", "black", (120, 80, 200)])
def test_blank_picture_has_no_object_and_nine_equal_regions(colour, size):
    blank = Image.new("RGB", size, colour)
    features, names, boxes, scores = objects(blank)
    assert (features.shape, names, boxes.shape, scores.shape) == ((0, F_O), [], (0, 4), (0,))
    found = regions(blank)
    np.testing.assert_array_equal(found, np.tile(found[:1], (9, 1)))
    assert found.any()
