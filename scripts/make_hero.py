"""Draw the README's picture: one sentence under several pictures, read by a model that this script trains.

Trains AGBAN on the sample corpus with and without pictures, three seeds each (`runs/hero`; finished runs are kept), and
writes docs/hero.svg. Works from a checkout, whether or not the package is installed.
"""

from __future__ import annotations

import base64
import itertools
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "hero"
SENTENCE = "Beautiful {} in the morning"
NAMES = ("Lincoln", "Jordan", "Victoria", "Jackson", "Madison", "Hamilton", "Lancaster", "Ford", "Chelsea", "Austin")
# Pictures of the test split, by what they show.
PICTURES = {
    "PER": ("sample-00845", "sample-00887", "sample-00873"),
    "LOC": ("sample-00927", "sample-00999", "sample-00849"),
    "ORG": ("sample-00880", "sample-00914", "sample-00811"),
    "OTHER": ("sample-00970", "sample-00901", "sample-00818"),
}
KINDS = {"PER": "person", "LOC": "place", "ORG": "organisation", "OTHER": "thing"}
COLOURS = {"PER": "#b45309", "LOC": "#047857", "ORG": "#1d4ed8", "OTHER": "#a21caf"}
SIDE, GAP, TEXT = 280, 16, 116  # of a card: its width, the space around it, the height of its words


def main() -> None:
    """Train, choose the sentence that the model reads best, and draw it."""
    from mner_keras import load_dataset
    from mner_keras.files import write_whole
    from mner_keras.models import load

    scores = {pictures: [f1(seed, pictures) for seed in (1, 2, 3)] for pictures in (True, False)}
    model, folder = load(run_folder(1, True)), load_dataset("sample").pictures()
    cards = max((read(model, name, folder) for name in NAMES), key=lambda found: min(card[2] for card in found))
    if min(score for *_, score in cards) == 0:
        raise SystemExit("make_hero.py: the model reads no sentence right under all its pictures")
    means = {pictures: f"{statistics.fmean(values):.1f}" for pictures, values in scores.items()}
    print(means, scores, [card[0] for card in cards], sep="\n")
    text = draw(cards, folder, means[True], means[False])
    write_whole(ROOT / "docs" / "hero.svg", lambda path: path.write_text(text, encoding="utf-8"))


def run_folder(seed: int, pictures: bool) -> Path:
    return RUNS / f"agban-{'' if pictures else 'none-'}{seed}"


def f1(seed: int, pictures: bool) -> float:
    """Return the test F1 of the README's first run, with another seed; train it if it is not there."""
    from mner_keras.run.config import RunConfig
    from mner_keras.run.run import PROVENANCE, Run
    from mner_keras.run.train import train

    folder = run_folder(seed, pictures)
    if not (folder / PROVENANCE).is_file():
        settings = {"optimizer": "adam", "learning_rate": 0.001, "epochs": 12, "seed": seed}
        train(RunConfig.for_model("agban", **settings, no_pictures=not pictures), folder, overwrite=True, report=print)
    return Run(folder).metrics["test"]["micro"]["f1"]


def read(model: Any, name: str, folder: Path) -> list[tuple[str, str, float]]:
    """Return name, picture and score under the picture of each type that the model reads best; 0 if it is wrong."""
    sentence, cards = SENTENCE.format(name), []
    for kind, pictures in PICTURES.items():
        tagged = model.tag([sentence] * len(pictures), pictures=[folder / f"{picture}.png" for picture in pictures])
        best = ("", 0.0)
        for picture, post in zip(pictures, tagged, strict=True):
            if [(entity.text, entity.type) for entity in post.entities] == [(name, kind)]:
                best = max(best, (picture, post.entities[0].score), key=lambda found: found[1])
        cards.append((name, *best))
    return cards


def draw(cards: list[tuple[str, str, float]], folder: Path, seeing: str, blind: str) -> str:
    """Return the picture as SVG: cards in rows of two, and the scores below."""
    width, row = 2 * SIDE + 3 * GAP, 160 + TEXT
    height = 2 * row + 3 * GAP + 102
    before, after = SENTENCE.split(" {} ")
    title = f"{SENTENCE.format(cards[0][0])}: AGBAN reads the name as {', '.join(KINDS.values())} under four pictures"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        f'<rect width="{width}" height="{height}" rx="16" fill="#f6f8fa"/>',
    ]
    places = itertools.product((GAP, row + 2 * GAP), (GAP, SIDE + 2 * GAP))
    for (y, x), (kind, meaning), (name, picture, score) in zip(places, KINDS.items(), cards, strict=True):
        image = base64.b64encode((folder / f"{picture}.png").read_bytes()).decode()
        middle, colour = x + SIDE / 2, COLOURS[kind]
        parts.append(
            f'<rect x="{x}" y="{y}" width="{SIDE}" height="{row}" rx="12" fill="#fff" stroke="#d0d7de"/>'
            f'<image x="{middle - 80}" y="{y + 16}" width="160" height="160" href="data:image/png;base64,{image}"/>'
            f'<text x="{middle}" y="{y + 204}" font-size="24" text-anchor="middle" fill="#1f2328">{before} '
            f'<tspan font-weight="700" fill="{colour}">{name}</tspan></text>'
            f'<text x="{middle}" y="{y + 233}" font-size="24" text-anchor="middle" fill="#1f2328">{after}</text>'
            f'<text x="{middle}" y="{y + 263}" font-size="20" text-anchor="middle" fill="{colour}">{kind}, {meaning}'
            f'<tspan fill="#57606a">  {score:.2f}</tspan></text>'
        )
    below = (
        (f"Test F1 with pictures {seeing}, without {blind}", 25, "#1f2328"),
        ("AGBAN on the sample corpus, which is generated:", 19, "#57606a"),
        ("mean of three seeds; a sentence that it reads right", 19, "#57606a"),
    )
    for line, (text, size, fill) in enumerate(below):
        y = height - 82 + 31 * line
        parts.append(
            f'<text x="{width / 2}" y="{y}" font-size="{size}" text-anchor="middle" fill="{fill}">{text}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
