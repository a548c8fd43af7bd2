"""Make the sample corpus: invented posts whose names only the drawn picture can tell apart, the same for one seed.

Works from a checkout, whether or not the package is installed.
"""

import json
import random
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

TYPES = ("PER", "LOC", "ORG", "OTHER")
SPLITS = ("train", "dev", "test")
DEFAULT_SEED = 20
DEFAULT_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")  # its path on Debian and Ubuntu
FONT_SIZE = 109  # the one size that the font's bitmaps have
SIDE = 96  # pixels of a picture's side
COLOURS = 40  # of a picture's palette

WORDS = tomllib.loads(Path(__file__).with_name("sample_corpus.toml").read_text(encoding="utf-8"))
KINDS = tuple(WORDS["kinds"])
AMBIGUOUS, AMBIGUOUS_BLIND, MATCHING, MISMATCHED, CLEAR_BLIND, NAMELESS, NAMELESS_BLIND = KINDS
THINGS = {type_: glyphs.split() for type_, glyphs in WORDS["things"].items()}
TEMPLATES = {name: block.splitlines() for name, block in WORDS["templates"].items()}
LETTERS = dict(zip("PLOX", TYPES, strict=True))
NAME_TYPES = {
    name: tuple(LETTERS[letter] for letter in letters)
    for letters, names in WORDS["names"].items()
    for name in names.split(", ")
}
OPENINGS, ENDINGS = ([text for text, n in WORDS[name] for _ in range(n)] for name in ("openings", "endings"))


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
        pairs = zip(self.tokens, self.pos, strict=True)
        return " ".join(t for t, p in pairs if p != "SYM" and not t.startswith(("@", "#", "http"))).lower()


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
        first, second = map(rng.choice, WORDS["handles"])
        return [f"@{first}_{second}{rng.randrange(100)}/NNP"]
    if slot == "url":
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        return ["http://t.co/" + "".join(rng.choice(letters) for _ in range(10)) + "/NN"]
    if slot == "num":
        return [f"{rng.randrange(2, 60)}/CD"]
    return rng.choice(WORDS["fillers"][slot]).split()


def expand(template: str, rng: random.Random) -> list[str]:
    """Return a template with an opening and an ending, with all slots except names filled."""
    words: list[str] = []
    for word in f"{rng.choice(OPENINGS)} {template} {rng.choice(ENDINGS)}".split():
        filling = [word]
        if word.startswith("{") and word[1:-1] not in (*LETTERS, "A", "B"):
            filling = fill(word[1:-1], rng)
            if words and words[-1] == "a/DT" and filling[0][0] in "aeiou":
                words[-1] = "an/DT"
        words += filling
    return words


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

    words: list[tuple[str, str, str]] = []  # token, tag, part of speech
    for slot in expand(template, rng):
        if not slot.startswith("{"):
            token, _, part = slot.rpartition("/")
            words.append((token, "O", part))
            continue
        if slot in ("{A}", "{B}"):
            name, type_ = queue.pop(0)
        else:
            type_ = LETTERS[slot[1:-1]]
            name = rng.choice([n for n, types in sorted(NAME_TYPES.items()) if type_ in types and n not in taken])
            taken.add(name)
        words += [(part, f"{'I' if place else 'B'}-{type_}", "NNP") for place, part in enumerate(casing(name).split())]
    tokens, tags, pos = map(list, zip(*words, strict=True))
    return Draft(tokens, tags, pos, kind, choose_things(kind, shown, tags, rng))


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


def make_drafts(size: int, rng: random.Random, seen: set[str]) -> list[Draft]:
    """Invent `size` posts with texts not in `seen`, the kinds in their shares, and add the texts to `seen`."""
    kinds = [kind for kind, share in WORDS["kinds"].items() for _ in range(round(size * share / 100))][:size]
    kinds += [AMBIGUOUS] * (size - len(kinds))
    rng.shuffle(kinds)
    drafts = []
    for kind in kinds:
        tries = (draft(kind, rng) for _ in range(1000))
        post = next((post for post in tries if post.text not in seen), None)
        if post is None:
            sys.exit(f"make_sample_corpus.py: no new post after 1000 draws ({kind}); ask for fewer with --sizes")
        seen.add(post.text)
        drafts.append(post)
    return drafts


def write_posts(drafts: list[Draft], path: Path, first: int, pictures: bool) -> None:
    """Write one JSON object per line; posts are numbered from `first`."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, post in enumerate(drafts, first):
            name = f"sample-{number:05d}"
            image = name if pictures and post.things else None
            record = {"id": name, "tokens": post.tokens, "tags": post.tags, "pos": post.pos, "image": image}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


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
    colour = np.array(list(bytes.fromhex(rng.choice(WORDS["grounds"])[1:])), dtype=float)
    steepness = rng.choice((0.0, rng.uniform(8, 24)))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    across = rng.uniform(-1, 1)
    slope = np.rint(steepness * (y * (1 - abs(across)) + x * across) / 4) * 4  # few steps: they cost palette entries
    return Image.fromarray(np.clip(colour + slope[..., None], 0, 255).astype("uint8"))


def write_pictures(drafts: list[Draft], out: Path, font: Path, seed: int) -> None:
    """Draw the posts' pictures and extract their features: images/, regions.h5 and objects.h5."""
    from mner_keras.vision import extract_features  # needed for pictures only
    from mner_keras.vision.tiles import TilesExtractor

    folder = out / "images"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("sample-*.png"):
        old.unlink()
    pictures = {}
    for number, post in enumerate(drafts):
        if post.things:
            name = f"sample-{number:05d}"
            pictures[name] = folder / f"{name}.png"
            draw(post.things, font, random.Random(f"{seed} {name}")).save(pictures[name], optimize=True)
    for kind in ("regions", "objects"):
        extractor = TilesExtractor(kind)
        extractor.attributes |= {"weights": "", "weights_hash": ""}
        extract_features(pictures, extractor, out / f"{kind}.h5", "float16", overwrite=True)


def readme(splits: dict[str, list[Draft]], command: str, pictures: bool) -> str:
    """Return the folder's README.md."""
    columns = []
    for drafts in splits.values():
        count = Counter(tag[2:] for post in drafts for tag in post.tags if tag.startswith("B-"))
        count.update(post.kind for post in drafts)
        count["posts"] = len(drafts)
        count["with a picture"] = sum(bool(post.things) for post in drafts) if pictures else 0
        columns.append(count)
    table = [f"| | {' | '.join(splits)} |", "|---|" + "---:|" * len(splits)]
    for row in ("posts", "with a picture", *TYPES, *KINDS):
        table.append(f"| {row} | {' | '.join(str(count[row]) for count in columns)} |")
    none = "\nThe posts were made without pictures: the kinds say what they would have shown.\n"
    about = {"table": "\n".join(table), "pictures": WORDS["readme"]["pictures"] if pictures else none}
    return WORDS["readme"]["text"].format(command=command, names=len(NAME_TYPES), **about)


def main(
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder to write; earlier files are replaced.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same corpus.")] = DEFAULT_SEED,
    sizes: Annotated[tuple[int, int, int], typer.Option(help="Posts in train, dev and test.")] = (600, 200, 200),
    pictures: Annotated[bool, typer.Option(help="Draw the pictures; posts alone need no font.")] = True,
    font: Annotated[Path, typer.Option(help="Noto Color Emoji, as a font file with bitmaps.")] = DEFAULT_FONT,
) -> None:
    """Make the sample corpus: invented posts, drawn pictures, and the features of the extractor tiles."""
    if min(sizes) < 0 or not any(sizes):
        sys.exit(f"--sizes must be three counts, none negative, not all 0. Received: {sizes}")
    if pictures and not font.is_file():
        sys.exit(
            "--font must be the file NotoColorEmoji.ttf (Debian: apt-get install fonts-noto-color-emoji). "
            f"Received: {font}, which does not exist; --no-pictures needs no font"
        )
    rng, seen, first = random.Random(seed), set(), 0
    splits = {name: make_drafts(size, rng, seen) for name, size in zip(SPLITS, sizes, strict=True) if size}
    out.mkdir(parents=True, exist_ok=True)
    for name, drafts in splits.items():
        write_posts(drafts, out / f"{name}.jsonl", first, pictures)
        first += len(drafts)
    if pictures:
        write_pictures([post for drafts in splits.values() for post in drafts], out, font, seed)
    command = f"python scripts/make_sample_corpus.py OUT_DIR --seed {seed} --sizes {' '.join(map(str, sizes))}"
    text = readme(splits, command + " --no-pictures" * (not pictures), pictures)
    (out / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    typer.run(main)
