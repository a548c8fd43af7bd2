"""The palette: WCAG AA, a contrast of 4.5 for text and of 3 for lines, on white and on black."""

import pytest

from mner_keras.views.palette import COLOURS, FILL, OBJECT_COLOURS, TYPE_COLOURS


def channels(colour):
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def contrast(one, other):
    def light(colour):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def mix(colour, percent, page):
    return [v * percent / 100 + w * (1 - percent / 100) for v, w in zip(colour, page, strict=True)]


@pytest.mark.parametrize("dark", [0, 1], ids=["light", "dark"])
def test_texts_and_lines_are_readable(dark):
    of = {name: channels(pair[dark]) for name, pair in COLOURS.items()}
    page, ink = of["page"], of["ink"]
    texts = [(of[name], of[under]) for name in ("ink", "quiet", "link") for under in ("page", "panel")]
    texts += [(ink, of[under]) for under in ("heat", "good", "rule")] + [(page, of["link"]), (of["error"], of["alert"])]
    for pair in TYPE_COLOURS:
        colour = channels(pair[dark])
        texts += [(ink, mix(colour, FILL, page)), (page, colour)]
    for pair in OBJECT_COLOURS:
        colour = channels(pair[dark])
        texts += [(page, colour), (colour, page)]
    assert min(contrast(*pair) for pair in texts) >= 4.5
    assert contrast(of["cool"], page) >= 3
