"""`mner_keras.vision.tiles`: shapes, order, boxes, the modes of pictures, and what it refuses."""

import numpy as np
import pytest
from PIL import Image

from mner_keras.vision.tiles import F_O, F_R, tiles_objects, tiles_regions

RED, GREEN, BLUE, GROUND = (210, 30, 30), (20, 150, 40), (30, 60, 220), (240, 235, 220)


def picture(*squares, size=(96, 96), ground=GROUND):
    """A plain picture with filled boxes, each (top, left, bottom, right, colour)."""
    array = np.full((size[1], size[0], 3), ground, dtype="uint8")
    for top, left, bottom, right, colour in squares:
        array[top:bottom, left:right] = colour
    return Image.fromarray(array)


@pytest.mark.parametrize("cell", range(9))
def test_regions_go_row_by_row_from_the_top_left(cell):
    row, column = divmod(cell, 3)
    regions = tiles_regions(picture((row * 32 + 8, column * 32 + 8, row * 32 + 24, column * 32 + 24, BLUE)))
    assert regions.shape == (9, F_R)
    assert regions.dtype == np.float32
    assert np.abs(regions).max() < 4  # and no NaN
    differs = np.flatnonzero(np.abs(regions - regions[(cell + 4) % 9]).max(1) > 0.1)
    assert differs.tolist() == [cell]


def test_object_is_found_at_its_box():
    features, names, boxes, scores = tiles_objects(picture((20, 30, 50, 45, RED)))
    assert features.shape == (1, F_O)
    assert features.dtype == np.float32
    assert boxes.tolist() == [[20, 30, 50, 45]]
    assert names == ["red"]
    assert 0 < scores[0] <= 1


def test_box_is_in_pixels_of_the_picture_given_not_of_the_one_looked_at():
    _, _, boxes, _ = tiles_objects(picture((100, 200, 300, 360, GREEN), size=(640, 480)))
    np.testing.assert_allclose(boxes, [[100, 200, 300, 360]], atol=6)


def test_objects_come_by_score_and_no_more_than_asked_for():
    drawn = picture((5, 5, 15, 15, RED), (40, 40, 90, 90, BLUE), (5, 60, 30, 85, GREEN))
    features, names, boxes, scores = tiles_objects(drawn)
    assert names == ["blue", "green", "red"]
    assert (np.diff(scores) < 0).all()
    fewer = tiles_objects(drawn, max_objects=2)
    np.testing.assert_array_equal(fewer[0], features[:2])
    np.testing.assert_array_equal(fewer[2], boxes[:2])
    assert fewer[1] == names[:2]


def test_a_ground_that_passes_from_light_to_less_light_is_no_object():
    shade = np.linspace(200, 240, 96)[:, None, None] + np.zeros((96, 96, 3))
    shade[40:60, 20:70] = RED
    _, names, boxes, _ = tiles_objects(Image.fromarray(shade.astype("uint8")))
    assert names == ["red"]
    assert boxes.tolist() == [[40, 20, 60, 70]]


def test_a_hole_belongs_to_the_object():
    ring = picture((20, 20, 70, 70, BLUE), (30, 30, 60, 60, GROUND))
    features, names, _, _ = tiles_objects(ring)
    assert len(names) == 1
    assert features[0, -3] == 1.0  # the whole box is filled


@pytest.mark.parametrize("colour", ["white", "black", (120, 80, 200)])
def test_blank_picture_has_no_object_and_nine_equal_regions(colour):
    blank = Image.new("RGB", (96, 96), colour)
    features, names, boxes, scores = tiles_objects(blank)
    assert features.shape == (0, F_O)
    assert names == []
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    regions = tiles_regions(blank)
    np.testing.assert_array_equal(regions, np.tile(regions[:1], (9, 1)))
    assert regions.any()


def test_same_picture_same_description_from_image_and_from_file(tmp_path):
    drawn = picture((20, 30, 50, 45, RED), (60, 60, 80, 80, GREEN))
    path = tmp_path / "drawn.png"
    drawn.save(path)
    for source in (drawn, path, str(path)):
        np.testing.assert_array_equal(tiles_regions(source), tiles_regions(drawn))
        for found, expected in zip(tiles_objects(source), tiles_objects(drawn), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "CMYK"])
def test_pictures_of_every_usual_mode(mode):
    drawn = picture((20, 30, 50, 45, (10, 10, 10)), ground=(255, 255, 255)).convert(mode)
    assert tiles_regions(drawn).shape == (9, F_R)
    _, names, boxes, _ = tiles_objects(drawn)
    assert boxes.tolist() == [[20, 30, 50, 45]]
    assert names == ["black"]


def test_transparent_is_white():
    drawn = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert len(tiles_objects(drawn)[0]) == 0
    drawn.paste((255, 0, 0, 255), (10, 20, 30, 40))
    assert tiles_objects(drawn)[2].tolist() == [[20, 10, 40, 30]]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 50), (200, 3)])
def test_very_small_and_very_narrow_pictures(size):
    drawn = Image.new("RGB", size, "blue")
    assert tiles_regions(drawn).shape == (9, F_R)
    assert tiles_objects(drawn)[0].shape == (0, F_O)


def test_refuses_what_is_no_picture(tmp_path):
    with pytest.raises(TypeError, match=r"`picture` must be a PIL image or a path\. Received: ndarray"):
        tiles_regions(np.zeros((3, 3)))
    with pytest.raises(TypeError, match="Received: NoneType"):
        tiles_objects(None)
    with pytest.raises(FileNotFoundError):
        tiles_regions(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(OSError, match="cannot identify image file"):
        tiles_objects(tmp_path / "text.png")
    with pytest.raises(ValueError, match=r"`max_objects` must be at least 1\. Received: max_objects=0"):
        tiles_objects(picture(), max_objects=0)
