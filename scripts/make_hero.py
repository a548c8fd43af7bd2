"""Draw the README's picture: one sentence under several pictures, read by a model that this script trains.

Trains AGBAN on the sample corpus with and without pictures, three seeds each (`runs/hero`; finished runs are kept), and
writes docs/hero.svg. Works from a checkout, whether or not the package is installed.
"""

import base64
import statistics
import sys
from pathlib import Path

from jinja2 import Template

ROOT = Path(__file__).resolve().parents[1]
BEFORE, NAME, AFTER = "Beautiful", "Austin", "in the morning"
# For each type: its meaning, and a picture of the test split that shows one.
PICTURES = {
    "PER": ("person", "sample-00845"),
    "LOC": ("place", "sample-00999"),
    "ORG": ("organisation", "sample-00914"),
    "OTHER": ("thing", "sample-00970"),
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


def main() -> None:
    """Train, tag the sentence under each picture, and draw it."""
    from mner_keras.files import write_whole
    from mner_keras.views.palette import COLOURS, TYPE_COLOURS, type_number

    runs = {pictures: [finished_run(seed, pictures) for seed in (1, 2, 3)] for pictures in (True, False)}
    seeing, blind = (statistics.fmean(run.metrics["test"]["micro"]["f1"] for run in found) for found in runs.values())
    run, cards = runs[True][0], []
    for kind, (meaning, picture) in PICTURES.items():
        path = run.dataset.pictures() / f"{picture}.png"
        (post,) = run.model.tag([f"{BEFORE} {NAME} {AFTER}"], pictures=[path])
        if [(entity.text, entity.type) for entity in post.entities] != [(NAME, kind)]:
            raise SystemExit(f"make_hero.py: the model reads no {meaning} under {picture}: choose others")
        image = base64.b64encode(path.read_bytes()).decode()
        cards.append({"kind": kind, "meaning": meaning, "score": post.entities[0].score, "image": image})
    template = Template(Path(__file__).with_name("hero.svg.j2").read_text(), trim_blocks=True)
    sentence = {"before": BEFORE, "name": NAME, "after": AFTER}
    colours = {"colours": COLOURS, "types": TYPE_COLOURS, "type_number": type_number}
    text = template.render(cards=cards, seeing=seeing, blind=blind, **sentence, **colours)
    write_whole(ROOT / "docs" / "hero.svg", lambda path: path.write_text(text + "\n", encoding="utf-8"))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
