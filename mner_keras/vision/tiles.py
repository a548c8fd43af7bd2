"""`TilesExtractor`: regions and objects of small drawn pictures, described without a network and without weights."""

from typing import Any

import numpy as np
from matplotlib.colors import rgb_to_hsv
from PIL import Image
from scipy import ndimage

GRID = 3
CELL = 5  # a region's colours: CELL x CELL x RGB
CROP = 8  # an object's colours: CROP x CROP x RGB
COLOUR_BINS = 16  # 12 hues, then 4 greys from black to white
EDGE_BINS = 8  # directions of an edge, over half a turn
F_R = CELL * CELL * 3 + COLOUR_BINS + EDGE_BINS + 1
F_O = CROP * CROP * 3 + COLOUR_BINS + EDGE_BINS + 4

_REGION_SIDE = 96  # pixels: every picture is brought to this square before it is cut into cells
_OBJECT_SIDE = 128  # pixels: objects are sought at no more than this side
_STANDS_OUT = 0.12  # difference from the ground, in any colour channel, on a scale of 0 to 1
_SMALLEST = 0.002  # share of the picture that a component needs to count as an object
_HUES = ("red", "orange", "yellow", *["green"] * 2, *["turquoise"] * 2, *["blue"] * 2, "purple", *["pink"] * 2)
_COLOURS = (*_HUES, "black", "grey", "grey", "white")


class TilesExtractor:
    """Regions or objects of drawn pictures, without a network.

    Each is described by its colours (5x5 RGB for a region, 8x8 for an object; 0 where it does not differ from the
    ground, estimated from the picture's border), the shares of 16 colours and 8 edge directions, and shape or ground.

    Args:
        kind: `"regions"` (nine cells of a 3x3 grid, row by row from the top left, `[9, f]`) or `"objects"` (`[k, f]`):
            connected pixels that differ from the ground, the most striking first, named by their commonest colour. An
            object's score is the square root of its share of the picture times its mean contrast.
        max_objects: objects a picture gives at most.
    """

    blank_size = (96, 96)

    def __init__(self, kind: str = "regions", max_objects: int = 5) -> None:
        if max_objects < 1:
            raise ValueError(f"`max_objects` must be at least 1. Received: max_objects={max_objects}")
        self.kind = kind
        self.max_objects = max_objects
        width = F_R if kind == "regions" else F_O
        self.attributes: dict[str, Any] = {"extractor": "tiles", "kind": kind, "feature_dim": width}

    def prepare(self, picture: Image.Image) -> Image.Image:
        return picture

    def extract(self, prepared: list[Image.Image]) -> list[dict[str, Any]]:
        """Return the `vectors` of pictures, and of objects their `names`, `boxes` int64 `[k, 4]` and `scores`."""
        if self.kind == "regions":
            return [{"vectors": _regions(picture)} for picture in prepared]
        return [_objects(picture, self.max_objects) for picture in prepared]


def _regions(picture: Image.Image) -> np.ndarray:
    square = picture.resize((_REGION_SIDE, _REGION_SIDE), Image.Resampling.BILINEAR)
    rgb = np.asarray(square, dtype="float64") / 255.0
    mask = _difference(rgb) > _STANDS_OUT
    side = _REGION_SIDE // GRID
    regions = []
    for row in range(0, _REGION_SIDE, side):
        for column in range(0, _REGION_SIDE, side):
            cell = np.s_[row : row + side, column : column + side]
            regions.append(np.concatenate([_describe(rgb[cell], mask[cell], CELL), [1.0 - mask[cell].mean()]]))
    return np.asarray(regions, dtype="float32")


def _objects(picture: Image.Image, max_objects: int) -> dict[str, Any]:
    width, height = picture.size
    scale = min(1.0, _OBJECT_SIDE / max(width, height))
    if scale < 1.0:
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = picture.resize(small, Image.Resampling.BILINEAR)
    rgb = np.asarray(picture, dtype="float64") / 255.0
    difference = _difference(rgb)
    things = _components(difference > _STANDS_OUT)
    scores = [min(1.0, float(np.sqrt(thing.mean() * difference[thing].mean()))) for thing in things]
    # Stable: of equal scores, the upper left one comes first.
    best = sorted(range(len(things)), key=lambda i: -scores[i])[:max_objects]
    features, names, boxes = [], [], []
    to_pixels = np.array([height, width, height, width]) / np.array([*rgb.shape[:2]] * 2)
    for mask in (things[i] for i in best):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])
        cut = np.s_[box[0] : box[2], box[1] : box[3]]
        features.append(np.concatenate([_describe(*_squared(rgb[cut], mask[cut]), CROP), _shape(mask, box)]))
        names.append(_COLOURS[np.bincount(_colour_bins(rgb)[mask]).argmax()])
        boxes.append(np.rint(box * to_pixels))
    return {
        "vectors": np.asarray(features, dtype="float32").reshape(-1, F_O),
        "names": names,
        "boxes": np.asarray(boxes, dtype="int64").reshape(-1, 4),
        "scores": np.asarray([scores[i] for i in best], dtype="float32"),
    }


def _difference(rgb: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from the ground, the largest of its three channels: [h, w] in [0, 1].

    The ground is a plane in each channel, fitted to a frame of two pixels, again and again without what lies far away.
    """
    height, width = rgb.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    design = np.stack([np.ones(height * width), y.ravel() / height - 0.5, x.ravel() / width - 0.5], axis=1)
    colours = rgb.reshape(-1, 3)
    frame = ((y < 2) | (x < 2) | (y >= height - 2) | (x >= width - 2)).ravel()
    where, border = design[frame], colours[frame]
    away = np.abs(border - np.median(border, axis=0)).max(1)
    for _ in range(4):
        kept = away <= max(0.05, 1.5 * np.median(away))
        plane, *_ = np.linalg.lstsq(where[kept], border[kept], rcond=None)
        away = np.abs(border - where @ plane).max(1)
    return np.abs(colours - np.clip(design @ plane, 0.0, 1.0)).max(1).reshape(height, width)


def _components(mask: np.ndarray) -> list[np.ndarray]:
    """Return the connected things in `mask`, holes filled, specks left out, in reading order: a list of bool [h, w]."""
    near = ndimage.binary_dilation(mask)  # parts with a gap of up to two pixels are one thing
    labels, count = ndimage.label(near, structure=np.ones((3, 3)))
    things = (ndimage.binary_fill_holes(mask & (labels == label)) for label in range(1, count + 1))
    return [thing for thing in things if thing.sum() >= max(4, _SMALLEST * mask.size)]


def _squared(rgb: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `rgb` and `mask` with a margin of ground that makes them square, the thing in the middle."""
    lacking = [max(mask.shape) - side for side in mask.shape]
    margin = [(lack // 2, lack - lack // 2) for lack in lacking]
    return np.pad(rgb, (*margin, (0, 0))), np.pad(mask, margin)


def _describe(rgb: np.ndarray, mask: np.ndarray, side: int) -> np.ndarray:
    """Return colours [side * side * 3], colour shares [16] and edge shares [8] of the pixels in `mask`."""
    shown = np.where(mask[..., None], (rgb - 0.5) / 0.3, 0.0).astype("float32")
    channels = [Image.fromarray(np.ascontiguousarray(shown[..., c])) for c in range(3)]
    colours = np.stack([np.asarray(c.resize((side, side), Image.Resampling.BOX)) for c in channels], axis=-1)
    bins = _colour_bins(rgb)[mask]
    colour_shares = np.bincount(bins, minlength=COLOUR_BINS) / max(1, bins.size)
    return np.concatenate([colours.ravel(), 2.0 * np.sqrt(colour_shares), _edges(shown.mean(-1))])


def _colour_bins(rgb: np.ndarray) -> np.ndarray:
    """Return the colour bin of each pixel of [h, w, 3]: 0 to 11 a hue, 12 to 15 a grey from black to white."""
    hue, saturation, value = np.moveaxis(rgb_to_hsv(rgb), -1, 0)
    grey = 12 + np.minimum(3, (value * 4.0).astype(int))
    # Bin 0 is centred on red.
    return np.where((saturation > 0.2) & (value > 0.2), np.rint(hue * 12.0).astype(int) % 12, grey)


def _edges(light: np.ndarray) -> np.ndarray:
    """Return the mean steepness of `light` [h, w] in each of 8 directions, square root taken: [8]."""
    down, across = np.gradient(light) if min(light.shape) > 1 else np.zeros((2, *light.shape))
    steepness = np.hypot(down, across)
    direction = np.rint(np.arctan2(down, across) / np.pi * EDGE_BINS).astype(int) % EDGE_BINS
    sums = np.bincount(direction.ravel(), weights=steepness.ravel(), minlength=EDGE_BINS)
    return 4.0 * np.sqrt(sums / light.size)


def _shape(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return log height over width, share of the box that is filled, height and width as shares of the picture: [4]."""
    height, width = box[2:] - box[:2]
    filled = mask.sum() / (height * width)
    return np.array([np.log(height / width), filled, height / mask.shape[0], width / mask.shape[1]])
