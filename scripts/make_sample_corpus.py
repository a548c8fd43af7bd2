"""Make the sample corpus: invented posts whose names only the drawn picture can tell apart, the same for one seed.

Works from a checkout, whether or not the package is installed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image, ImageDraw, ImageFont

TYPES = ("PER", "LOC", "ORG", "OTHER")
SPLITS = ("train", "dev", "test")
DEFAULT_SEED = 20
DEFAULT_SIZES = (600, 200, 200)
DEFAULT_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")  # its path on Debian and Ubuntu
FONT_SIZE = 109  # the one size that the font's bitmaps have
SIDE = 96  # pixels of a picture's side
COLOURS = 40  # of a picture's palette

# The kinds of posts, and their percentages.
AMBIGUOUS, AMBIGUOUS_BLIND, MATCHING, MISMATCHED, CLEAR_BLIND, NAMELESS, NAMELESS_BLIND = KINDS = (
    "ambiguous words, the picture decides",
    "ambiguous words, no picture",
    "clear words, a picture that fits",
    "clear words, a picture that does not fit",
    "clear words, no picture",
    "no name, a picture of anything",
    "no name, no picture",
)
SHARES = dict(zip(KINDS, (50, 5, 10, 15, 11, 6, 3), strict=True))

GROUNDS = (
    *("#f7f3e8", "#ffffff", "#dcebf7", "#e6f3dc", "#f7dfe3", "#e4dff2", "#fbefc4", "#d5efe9"),
    *("#c9ced6", "#9fc5e8", "#b6d7a8", "#27324a", "#3b2b45", "#20403a"),
)

with open(Path(__file__).with_name("sample_corpus.toml"), "rb") as file:
    WORDS = tomllib.load(file)
THINGS = {type_: glyphs.split() for type_, glyphs in WORDS["things"].items()}
TEMPLATES = {name: block.splitlines() for name, block in WORDS["templates"].items()}
LETTERS = dict(zip("PLOX", TYPES, strict=True))
NAME_TYPES = {
    name: tuple(LETTERS[letter] for letter in letters)
    for letters, names in WORDS["names"].items()
    for name in names.split(", ")
}
OPENINGS = ("",) * 13 + ("RT/NN {user} :/:",) * 3 + ("{user}", "{face}", "OMG/UH", "{tag}")
ENDINGS = (
    ("",) * 4
    + ("{url}",) * 4
    + ("{tag}", "{tag} {url}", "{face}", "{face} {url}", "{tag} {tag}", "!/.", "via/IN {user}")
)
HANDLES = (
    ("sunny", "daily", "just", "real", "its", "the", "happy"),
    ("fan", "news", "kid", "fox", "cat", "vibes", "beats"),
)


class Draft(NamedTuple):
    """A post before it gets its number: words, their tags and parts of speech, and the content of its picture."""

    tokens: list[str]
    tags: list[str]
    pos: list[str]
    kind: str
    things: list[str]  # types from left to right; empty for no picture

    @property
    def text(self) -> str:
        """Return the words that identify a post: without links, handles, hashtags and emoji."""
        kept = [
            t for t, p in zip(self.tokens, self.pos, strict=True) if p != "SYM" and not t.startswith(("@", "#", "http"))
        ]
        return " ".join(kept).lower()


def draw_pair(rng: random.Random) -> list[tuple[str, str]]:
    """Return two ambiguous names and their types, such that the picture's two things fit the names in only one way."""
    while True:
        names = rng.sample(sorted(NAME_TYPES), 2)
        types = [rng.choice(NAME_TYPES[name]) for name in names]
        swaps = types[1] in NAME_TYPES[names[0]] and types[0] in NAME_TYPES[names[1]]
        if types[0] == types[1] or not swaps:
            return list(zip(names, types, strict=True))


def fill(slot: str, rng: random.Random) -> list[str]:
    """Return the words, each with its Penn tag, for a slot that is not a name."""
    if slot == "user":
        return [f"@{rng.choice(HANDLES[0])}_{rng.choice(HANDLES[1])}{rng.randrange(100)}/NNP"]
    if slot == "url":
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        return ["http://t.co/" + "".join(rng.choice(letters) for _ in range(10)) + "/NN"]
    if slot == "num":
        return [f"{rng.randrange(2, 60)}/CD"]
    return rng.choice(WORDS["fillers"][slot]).split()


def draft(kind: str, rng: random.Random) -> Draft:
    """Invent a post of the given kind."""
    queue: list[tuple[str, str]] = []  # the ambiguous names still to be placed
    if kind in (AMBIGUOUS, AMBIGUOUS_BLIND):
        form = rng.random()
        if form < 0.2:
            template, queue = rng.choice(TEMPLATES["ambiguous_two"]), draw_pair(rng)
        else:
            template = rng.choice(TEMPLATES["ambiguous_mixed" if form > 0.92 else "ambiguous_one"])
            name = rng.choice(sorted(NAME_TYPES))
            queue = [(name, rng.choice(NAME_TYPES[name]))]
    else:
        template = rng.choice(TEMPLATES["nameless" if kind in (NAMELESS, NAMELESS_BLIND) else "clear"])
    shown = [type_ for _, type_ in queue]
    taken = {name for name, _ in queue}
    casing = rng.choices((str, str.lower, str.upper), (92, 5, 3))[0]

    tokens, tags, pos = [], [], []
    for slot in expand(template, rng):
        if slot in ("{A}", "{B}") or slot[1:-1] in LETTERS:
            if slot in ("{A}", "{B}"):
                name, type_ = queue.pop(0)
            else:
                type_ = LETTERS[slot[1:-1]]
                name = rng.choice([n for n, types in sorted(NAME_TYPES.items()) if type_ in types and n not in taken])
                taken.add(name)
            parts = casing(name).split()
            tokens += parts
            tags += [f"B-{type_}"] + [f"I-{type_}"] * (len(parts) - 1)
            pos += ["NNP"] * len(parts)
        else:
            token, _, part = slot.rpartition("/")
            tokens.append(token)
            tags.append("O")
            pos.append(part)
    return Draft(tokens, tags, pos, kind, choose_things(kind, shown, tags, rng))


def expand(template: str, rng: random.Random) -> list[str]:
    """Return a template with an opening and an ending, with all slots except names filled."""
    words = []
    for word in f"{rng.choice(OPENINGS)} {template} {rng.choice(ENDINGS)}".split():
        if word.startswith("{") and word[1:-1] not in (*LETTERS, "A", "B"):
            filling = fill(word[1:-1], rng)
            if words and words[-1] == "a/DT" and filling[0][0] in "aeiou":
                words[-1] = "an/DT"
            words += filling
        else:
            words.append(word)
    return words


def choose_things(kind: str, shown: list[str], tags: list[str], rng: random.Random) -> list[str]:
    """Return the picture's content, one to three types from left to right; nothing without a picture."""
    if kind in (AMBIGUOUS_BLIND, CLEAR_BLIND, NAMELESS_BLIND):
        return []
    named = [tag[2:] for tag in tags if tag.startswith("B-")]
    if kind == MATCHING:
        shown = named
    elif kind in (MISMATCHED, NAMELESS):
        shown = [rng.choice([type_ for type_ in TYPES if type_ not in named])]
    if len(shown) == 1:
        shown = shown * rng.choices((1, 2, 3), (65, 25, 10))[0]
    return shown


def write_posts(drafts: list[Draft], path: Path, first: int, pictures: bool) -> None:
    """Write one JSON object per line; posts are numbered from `first`."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, post in enumerate(drafts, first):
            name = f"sample-{number:05d}"
            image = name if pictures and post.things else None
            record = {"id": name, "tokens": post.tokens, "tags": post.tags, "pos": post.pos, "image": image}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def make_drafts(size: int, rng: random.Random, seen: set[str]) -> list[Draft]:
    """Invent `size` posts with texts not in `seen`, the kinds in their shares, and add the texts to `seen`."""
    kinds = [kind for kind in KINDS for _ in range(round(size * SHARES[kind] / 100))][:size]
    kinds += [AMBIGUOUS] * (size - len(kinds))
    rng.shuffle(kinds)
    drafts = []
    for kind in kinds:
        for _ in range(1000):
            post = draft(kind, rng)
            if post.text not in seen:
                break
        else:
            raise SystemExit(
                f"make_sample_corpus.py: no new post after 1000 draws ({kind}); ask for fewer with --sizes"
            )
        seen.add(post.text)
        drafts.append(post)
    return drafts


@cache
def glyph(character: str, font: Path) -> Image.Image:
    """Return the glyph of a colour emoji font in RGBA, cropped to its content."""
    canvas = Image.new("RGBA", (180, 180), (0, 0, 0, 0))
    drawn = ImageFont.truetype(str(font), FONT_SIZE)
    ImageDraw.Draw(canvas).text((20, 20), character, font=drawn, embedded_color=True)
    return canvas.crop(canvas.getbbox())


def draw(things: list[str], font: Path, rng: random.Random) -> Image.Image:
    """Return a picture of SIDE x SIDE pixels with a thing of each type, from left to right, without contact."""
    picture = ground(rng)
    width = (SIDE - 4) // len(things)  # one column per thing
    for number, type_ in enumerate(things):
        thing = glyph(rng.choice(THINGS[type_]), font)
        scale = rng.uniform(0.62, 0.95) * min(width - 4, 68) / max(thing.size)
        thing = thing.resize([max(1, round(length * scale)) for length in thing.size], Image.Resampling.LANCZOS)
        thing = thing.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC, expand=True)
        thing = thing.crop(thing.getbbox())
        left = 2 + number * width + rng.randint(2, max(2, width - 2 - thing.width))
        top = rng.randint(4, SIDE - 4 - thing.height)
        picture.paste(thing, (left, top), thing)
    return picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def ground(rng: random.Random) -> Image.Image:
    """Return a plain background, or one with a soft gradient."""
    code = rng.choice(GROUNDS)
    colour = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)
    steepness = rng.choice((0.0, rng.uniform(8, 24)))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    across = rng.uniform(-1, 1)
    slope = np.rint(steepness * (y * (1 - abs(across)) + x * across) / 4) * 4  # few steps: they cost palette entries
    return Image.fromarray(np.clip(colour + slope[..., None], 0, 255).astype("uint8"))


def write_pictures(drafts: list[Draft], out: Path, font: Path, seed: int) -> None:
    """Draw the posts' pictures and extract their features: images/, regions.h5 and objects.h5."""
    from mner_keras.vision import open_picture  # needed for pictures only
    from mner_keras.vision.tiles import TilesExtractor

    folder = out / "images"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("sample-*.png"):
        old.unlink()
    with h5py.File(out / "regions.h5", "w") as regions, h5py.File(out / "objects.h5", "w") as objects:
        cells, things = TilesExtractor("regions"), TilesExtractor("objects")
        for store, extractor in ((regions, cells), (objects, things)):
            store.attrs.update(extractor.attributes, weights="", weights_hash="")

        def extract(name: str, picture: Image.Image) -> None:
            regions.create_dataset(name, data=cells.extract([picture])[0]["vectors"].astype("float16"))
            found = things.extract([picture])[0]
            dataset = objects.create_dataset(name, data=found["vectors"].astype("float16"))
            dataset.attrs["names"] = np.array(found["names"], dtype=h5py.string_dtype())
            dataset.attrs["boxes"] = found["boxes"].astype("int16")
            dataset.attrs["scores"] = found["scores"]

        extract("_blank", Image.new("RGB", (SIDE, SIDE), "white"))
        for number, post in enumerate(drafts):
            if post.things:
                name = f"sample-{number:05d}"
                picture = draw(post.things, font, random.Random(f"{seed} {name}"))
                picture.save(folder / f"{name}.png", optimize=True)
                extract(name, open_picture(folder / f"{name}.png"))


def readme(splits: dict[str, list[Draft]], command: str, pictures: bool) -> str:
    """Return the folder's README.md."""
    rows = {
        "posts": len,
        "with a picture": lambda posts: sum(bool(post.things) for post in posts) if pictures else 0,
        **{type_: lambda posts, t=f"B-{type_}": sum(post.tags.count(t) for post in posts) for type_ in TYPES},
        **{kind: lambda posts, k=kind: sum(post.kind == k for post in posts) for kind in KINDS},
    }
    table = [f"| | {' | '.join(splits)} |", "|---|" + "---:|" * len(splits)]
    for row, count in rows.items():
        table.append(f"| {row} | {' | '.join(str(count(posts)) for posts in splits.values())} |")
    shown = "\nThe posts were made without pictures: the kinds say what they would have shown.\n"
    return WORDS["readme"]["text"].format(
        command=command,
        table="\n".join(table),
        pictures=WORDS["readme"]["pictures"] if pictures else shown,
        names=len(NAME_TYPES),
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Make the sample corpus: invented posts, drawn pictures, and the features of the extractor tiles.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "out", metavar="OUT_DIR", type=Path, help="folder to write; files of an earlier run are replaced"
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="the same seed gives the same corpus")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs=3,
        metavar=("TRAIN", "DEV", "TEST"),
        default=DEFAULT_SIZES,
        help="posts in each split; a split of 0 posts gets no file",
    )
    parser.add_argument("--no-pictures", action="store_true", help="posts only, every `image` null; needs no font")
    parser.add_argument("--font", type=Path, default=DEFAULT_FONT, help="Noto Color Emoji, as a font file with bitmaps")
    options = parser.parse_args(arguments)
    if min(options.sizes) < 0 or not any(options.sizes):
        parser.error(f"argument --sizes: expected three counts, none negative, not all 0. Received: {options.sizes}")
    if not options.no_pictures and not options.font.is_file():
        parser.error(
            f"argument --font: expected the file NotoColorEmoji.ttf (Debian: apt-get install fonts-noto-color-emoji). "
            f"Received: {options.font}, which does not exist; --no-pictures needs no font"
        )
    return options


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus; return the exit code."""
    options = parse(arguments)
    rng, seen = random.Random(options.seed), set()
    splits = {name: make_drafts(size, rng, seen) for name, size in zip(SPLITS, options.sizes, strict=True) if size}
    pictures = not options.no_pictures
    options.out.mkdir(parents=True, exist_ok=True)
    first = 0
    for name, drafts in splits.items():
        write_posts(drafts, options.out / f"{name}.jsonl", first, pictures)
        first += len(drafts)
    if pictures:
        write_pictures([post for drafts in splits.values() for post in drafts], options.out, options.font, options.seed)
    sizes = " ".join(map(str, options.sizes)) + " --no-pictures" * options.no_pictures
    command = f"python scripts/make_sample_corpus.py OUT_DIR --seed {options.seed} --sizes {sizes}"
    text = readme(splits, command, pictures)
    (options.out / "README.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
