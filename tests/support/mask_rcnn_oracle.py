"""Mask R-CNN's parts in NumPy, in plain loops, written from the papers and TensorFlow's documentation."""

import math

import numpy as np


def anchors(side):
    """Level by level, row by row, cell by cell, ratio by ratio; in pixels."""
    found = []
    for size, stride in ((32, 4), (64, 8), (128, 16), (256, 32), (512, 64)):
        for y in range(0, side, stride):
            for x in range(0, side, stride):
                for ratio in (0.5, 1.0, 2.0):
                    height, width = size / math.sqrt(ratio), size * math.sqrt(ratio)
                    found.append((y - height / 2, x - width / 2, y + height / 2, x + width / 2))
    return np.array(found)


def shift(box, deltas):
    """One box moved by one row of deltas."""
    y1, x1, y2, x2 = box
    dy, dx, dh, dw = deltas * np.array([0.1, 0.1, 0.2, 0.2])
    height, width = y2 - y1, x2 - x1
    y, x = y1 + height / 2 + dy * height, x1 + width / 2 + dx * width
    height, width = height * math.exp(dh), width * math.exp(dw)
    return np.array([y - height / 2, x - width / 2, y + height / 2, x + width / 2])


def clip(box, window):
    return np.array([min(max(box[i], window[i % 2]), window[2 + i % 2]) for i in range(4)])


def iou(a, b):
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(height, 0) * max(width, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / union if union > 0 else 0.0


def nms(boxes, scores, count, threshold, groups=None):
    """Indices of the boxes that stay, the best first."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        rivals = [j for j in kept if groups is None or groups[i] == groups[j]]
        if scores[i] >= 0 and all(iou(boxes[i], boxes[j]) <= threshold for j in rivals):
            kept.append(i)
    return kept[:count]


def level(box, side):
    area = (box[2] - box[0]) * (box[3] - box[1]) * side * side
    return 2 if area <= 0 else min(5, max(2, 4 + round(math.log2(math.sqrt(area) / 224))))


def roi_align(box, maps, side, pool):
    """One box read off the map of its level: `[pool, pool, C]`."""
    cells = maps[level(box, side) - 2]
    rows, columns = cells.shape[:2]
    found = np.zeros((pool, pool, cells.shape[2]))
    for i in range(pool):
        for j in range(pool):
            y = (box[0] + (box[2] - box[0]) * i / (pool - 1)) * (rows - 1)
            x = (box[1] + (box[3] - box[1]) * j / (pool - 1)) * (columns - 1)
            if not (-1e-6 <= y <= rows - 1 + 1e-6 and -1e-6 <= x <= columns - 1 + 1e-6):
                continue
            y, x = min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)
            above, left = int(y), int(x)
            # At the last row or column the next cell is the same one, with a share of 0.
            for r, share_r in ((above, above + 1 - y), (min(above + 1, rows - 1), y - above)):
                for c, share_c in ((left, left + 1 - x), (min(left + 1, columns - 1), x - left)):
                    found[i, j] += share_r * share_c * cells[r, c]
    return found


def proposals(side, objectness, deltas, count):
    """One picture's proposals, as shares of its sides."""
    boxes = (anchors(side) - [0, 0, 1, 1]) / (side - 1)
    best = sorted(range(len(boxes)), key=lambda i: (-objectness[i], i))[:6000]
    boxes = np.array([clip(shift(boxes[i], deltas[i]), (0, 0, 1, 1)) for i in best])
    return boxes[nms(boxes, objectness[best], count, 0.7)]


def detections(boxes, scores, deltas, window, min_score, count):
    """One picture's detections: proposal, box, class and probability of each, the most probable first."""
    found = []
    for i, (box, probabilities) in enumerate(zip(boxes, scores, strict=True)):
        best = int(np.argmax(probabilities))
        if best != 0 and probabilities[best] >= min_score:
            found.append((i, clip(shift(box, deltas[i, best]), window), best, probabilities[best]))
    kept = nms([f[1] for f in found], [f[3] for f in found], count, 0.3, [f[2] for f in found])
    return [found[i] for i in kept]


def bilinear(picture, height, width):
    """A picture `[h, w, 3]` read at the centres of another grid's cells; beyond the edge all is black."""
    rows, columns = picture.shape[:2]
    found = np.zeros((height, width, 3))
    for i in range(height):
        for j in range(width):
            y, x = (i + 0.5) * rows / height - 0.5, (j + 0.5) * columns / width - 0.5
            above, left = math.floor(y), math.floor(x)
            for r, share_r in ((above, above + 1 - y), (above + 1, y - above)):
                for c, share_c in ((left, left + 1 - x), (left + 1, x - left)):
                    if 0 <= r < rows and 0 <= c < columns:
                        found[i, j] += share_r * share_c * picture[r, c]
    return found
