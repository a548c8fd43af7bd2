"""Draw the README's picture: one sentence under several pictures, read by a model that this script trains.

Trains AGBAN on the sample corpus with and without pictures, three seeds each (`runs/hero`; finished runs are kept), and
writes docs/hero.svg. Works from a checkout, whether or not the package is installed.
"""

from __future__ import annotations

import base64
import statistics
import sys
from pathlib import Path

from jinja2 import Template

ROOT = Path(__file__).resolve().parents[1]
BEFORE, AFTER = "Beautiful", "in the morning"
NAMES = ("Lincoln", "Jordan", "Victoria", "Jackson", "Madison", "Hamilton", "Lancaster", "Ford", "Chelsea", "Austin")
KINDS = {"PER": "person", "LOC": "place", "ORG": "organisation", "OTHER": "thing"}
# Pictures of the test split, by what they show.
PICTURES = {
    "PER": ("sample-00845", "sample-00887", "sample-00873"),
    "LOC": ("sample-00927", "sample-00999", "sample-00849"),
    "ORG": ("sample-00880", "sample-00914", "sample-00811"),
    "OTHER": ("sample-00970", "sample-00901", "sample-00818"),
}


def finished_run(seed: int, pictures: bool):
    """Return the README's first run, with another seed or without pictures; train it if it is not there."""
    from mner_keras.run.config import RunConfig
    from mner_keras.run.run import PROVENANCE, Run
    from mner_keras.run.train import train

    folder = ROOT / "runs" / "hero" / f"agban-{'' if pictures else 'none-'}{seed}"
    if not (folder / PROVENANCE).is_file():
        settings = {"optimizer": "adam", "learning_rate": 0.001, "epochs": 12, "seed": seed}
        train(RunConfig.for_model("agban", **settings, no_pictures=not pictures), folder, overwrite=True, report=print)
    return Run(folder)


def read(run, name: str) -> list[dict]:
    """Return a card for each type: the picture under which the model reads the name best; score 0 if it is wrong."""
    cards, folder = [], run.dataset.pictures()
    for kind, ids in PICTURES.items():
        pictures = [folder / f"{picture}.png" for picture in ids]
        best = {"name": name, "kind": kind, "meaning": KINDS[kind], "score": 0.0}
        tagged = run.model.tag([f"{BEFORE} {name} {AFTER}"] * len(pictures), pictures=pictures)
        for picture, post in zip(pictures, tagged, strict=True):
            found = [(entity.text, entity.type) for entity in post.entities]
            if found == [(name, kind)] and post.entities[0].score > best["score"]:
                image = base64.b64encode(picture.read_bytes()).decode()
                best |= {"score": post.entities[0].score, "image": image}
        cards.append(best)
    return cards


def main() -> None:
    """Train, choose the sentence that the model reads best, and draw it."""
    from mner_keras.files import write_whole
    from mner_keras.views.palette import COLOURS, TYPE_COLOURS, type_number

    runs = {pictures: [finished_run(seed, pictures) for seed in (1, 2, 3)] for pictures in (True, False)}
    seeing, blind = (statistics.fmean(run.metrics["test"]["micro"]["f1"] for run in found) for found in runs.values())
    cards = max((read(runs[True][0], name) for name in NAMES), key=lambda found: min(card["score"] for card in found))
    if min(card["score"] for card in cards) == 0:
        raise SystemExit("make_hero.py: the model reads no sentence right under all its pictures")
    template = Template(Path(__file__).with_name("hero.svg.j2").read_text(), trim_blocks=True)
    scores = {"seeing": seeing, "blind": blind}
    colours = {"colours": COLOURS, "types": TYPE_COLOURS, "type_number": type_number}
    text = template.render(before=BEFORE, after=AFTER, cards=cards, **scores, **colours)
    write_whole(ROOT / "docs" / "hero.svg", lambda path: path.write_text(text + "\n", encoding="utf-8"))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
