"""Make the sample corpus: invented posts whose names only the drawn picture can tell apart, the same for one seed.

Works from a checkout, whether or not the package is installed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
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

# The possible pictures by entity type. One code point each, which any Pillow draws.
THINGS = {
    "PER": ["👨", "👩", "👦", "👧", "👴", "👵", "👱", "👷", "👸", "💂", "💃", "🕺", "🤵", "👰", "🧔", "🏃"],
    "LOC": ["🗻", "🌋", "🏔", "🏖", "🏝", "🏜", "🏞", "🏰", "🏯", "🌆", "🌇", "🌃", "🌉", "🗽", "🗼", "🌅"],
    "ORG": ["🏭", "🏢", "🏥", "🏦", "🏨", "🏪", "🏫", "🏬", "🏤", "🏣", "🏛", "🏟"],
    "OTHER": ["🚗", "🚙", "🏎", "📱", "🏆", "🐶", "🐕", "📕", "📚", "🎸", "💻", "🎧", "👟", "🎮", "📷", "🚲"],
}
GROUNDS = (
    *("#f7f3e8", "#ffffff", "#dcebf7", "#e6f3dc", "#f7dfe3", "#e4dff2", "#fbefc4", "#d5efe9"),
    *("#c9ced6", "#9fc5e8", "#b6d7a8", "#27324a", "#3b2b45", "#20403a"),
)

# Names by the types that each can take: P person, L location, O organisation, X other.
NAMES = {
    "PLOX": "Jordan, Lincoln, Austin, Chelsea, Florence, Sydney, Paris, Ford, Lancaster, Victoria, Jackson, Madison, "
    "Washington, Hamilton, Santa Cruz",
    "PLO": "Georgia, Carolina, Everton, Orlando, Charlotte, Santos, Bolton, Milan, Denver, Stanford, Cleveland, "
    "Berkeley, Houston, Duke",
    "PLX": "Brooklyn, Sierra, Dakota, Aurora, Alexandria, Geneva, Cheyenne, Montana, Verona",
    "POX": "Benz, Mercedes, Ferrari, Porsche, Chanel, Gucci, Prada, Versace, Fender, Gibson, Dell, Wilson, Cartier, "
    "Bugatti, Tesla, Bosch, Heinz, Steinway, Hugo Boss, Calvin Klein, Louis Vuitton, Ralph Lauren, Harley Davidson",
    "LOX": "Amazon, Patagonia, Oxford, Cambridge, Nokia, Monte Carlo, Bristol, Vichy, El Paso",
    "PL": "Virginia, Savannah, Devon, Preston, Wells, Clifton, Windsor, Hudson",
    "LO": "Barcelona, Liverpool, Manchester, Burnley, San Antonio, Toronto, Boston, Parma, San Marino",
    "OX": "Audi, Lexus, Samsung, Honda, Chrysler, Maserati, Hershey, Alfa Romeo, Land Rover, Aston Martin",
    "PO": "Johns Hopkins, Leo Burnett, Disney, Siemens, Bentley",
    "LX": "Tucson, Java, Santa Fe, Havana, Cheddar, Malibu, Fiji, Bordeaux",
    "PX": "Rocky, Marco Polo, Mulan, Beethoven",
}
LETTERS = dict(zip("PLOX", TYPES, strict=True))

# Every word with its Penn tag. {A} and {B} are ambiguous names, {P} {L} {O} {X} names whose type the words give away;
# the other braces are filled from FILLERS.
AMBIGUOUS_ONE = """
Beautiful/JJ {A} in/IN the/DT morning/NN
Can/MD not/RB stop/VB thinking/VBG about/IN {A}
{A} is/VBZ trending/VBG again/RB {time}
Who/WP else/RB loves/VBZ {A} ?/.
This/DT is/VBZ why/WRB I/PRP love/VBP {A}
{A} looking/VBG {adj} {time}
Nothing/NN beats/VBZ {A} on/IN a/DT Friday/NNP
First/JJ time/NN seeing/VBG {A} ,/, so/RB {adj}
My/PRP$ favourite/JJ picture/NN of/IN {A}
{A} never/RB gets/VBZ old/JJ
Good/JJ morning/NN {A} !/.
All/DT about/IN {A} {time}
Do/VBP you/PRP remember/VB {A} ?/.
Day/NN {num} with/IN {A}
So/RB proud/JJ of/IN {A} {time}
What/WP a/DT {adj} {A} !/.
Just/RB look/VB at/IN {A}
I/PRP miss/VBP {A} already/RB
{A} made/VBD my/PRP$ day/NN
Still/RB not/RB over/IN {A}
You/PRP had/VBD me/PRP at/IN {A}
Guess/VB who/WP found/VBD {A} {time}
Photo/NN of/IN the/DT day/NN :/: {A}
Saw/VBD {A} {time} and/CC it/PRP was/VBD {adj}
There/EX is/VBZ only/RB one/CD {A}
Why/WRB is/VBZ {A} so/RB {adj} ?/.
Another/DT {adj} shot/NN of/IN {A} by/IN {user}
Tell/VB me/PRP something/NN {adj} about/IN {A}
{A} ,/, always/RB and/CC forever/RB
It/PRP is/VBZ {A} time/NN !/.
Waiting/VBG for/IN {A} like/IN everyone/NN
Dreaming/VBG of/IN {A} {time}
{num} reasons/NNS to/TO love/VB {A}
My/PRP$ dad/NN still/RB talks/VBZ about/IN {A}
We/PRP need/VBP more/JJR {A} {time}
"""
AMBIGUOUS_TWO = """
{A} or/CC {B} ?/.
{A} and/CC {B} in/IN one/CD picture/NN ,/, {adj}
First/RB {A} ,/, then/RB {B}
{A} with/IN {B} {time}
You/PRP can/MD not/RB have/VB {A} without/IN {B}
From/IN {A} to/TO {B} in/IN one/CD week/NN
Still/RB love/VBP {A} more/JJR than/IN {B}
When/WRB {A} meets/VBZ {B}
{A} ,/, {B} and/CC nothing/NN else/RB {time}
Both/DT {A} and/CC {B} look/VBP {adj}
"""
AMBIGUOUS_MIXED = """
Singer/NN {P} is/VBZ talking/VBG about/IN {A}
{A} {time} ,/, says/VBZ actor/NN {P}
Landed/VBD in/IN {L} and/CC thinking/VBG of/IN {A}
{A} again/RB ,/, and/CC shares/NNS of/IN {O} fell/VBD
Read/VBD the/DT novel/NN {X} and/CC remembered/VBD {A}
"""
CLEAR = """
Met/VBD the/DT singer/NN {P} {time}
Happy/JJ birthday/NN to/TO my/PRP$ friend/NN {P} !/.
{P} said/VBD she/PRP is/VBZ retiring/VBG
Actor/NN {P} wins/VBZ his/PRP$ {num} award/NN
President/NN {P} signed/VBD the/DT bill/NN {time}
Our/PRP$ neighbour/NN {P} bakes/VBZ {adj} bread/NN
My/PRP$ sister/NN {P} got/VBD married/VBN {time}
Coach/NN {P} praised/VBD his/PRP$ players/NNS
Interview/NN with/IN the/DT drummer/NN {P} at/IN {num} pm/NN
Mr/NNP {P} taught/VBD us/PRP maths/NNS
{P} and/CC her/PRP$ husband/NN look/VBP {adj}
Flying/VBG to/TO {L} {time}
Heavy/JJ snow/NN hits/VBZ {L} {time}
Stuck/VBN in/IN traffic/NN near/IN {L}
The/DT weather/NN in/IN {L} is/VBZ {adj}
Walking/VBG the/DT streets/NNS of/IN {L}
Just/RB landed/VBD in/IN {L} ,/, so/RB {adj}
Hotels/NNS in/IN downtown/NN {L} are/VBP full/JJ
The/DT road/NN from/IN {L} to/TO {L} is/VBZ closed/VBN
Moved/VBD to/TO {L} {num} years/NNS ago/RB
Sunset/NN over/IN the/DT hills/NNS of/IN {L}
A/DT train/NN left/VBD {L} at/IN {num} am/NN
{O} shares/NNS fell/VBD {num} points/NNS {time}
{O} hires/VBZ {num} engineers/NNS
{O} 's/POS board/NN meets/VBZ the/DT chief/NN executive/NN
Staff/NN at/IN {O} are/VBP on/IN strike/NN {time}
{O} reports/VBZ {adj} quarterly/JJ profits/NNS
Got/VBD a/DT job/NN offer/NN from/IN {O} {time}
{O} to/TO merge/VB with/IN its/PRP$ rival/NN {O}
Customers/NNS of/IN {O} waited/VBD {num} minutes/NNS
The/DT union/NN rejects/VBZ an/DT offer/NN by/IN {O}
Investors/NNS sold/VBD {O} stock/NN {time}
{O} sponsors/VBZ the/DT league/NN {time}
Reading/VBG the/DT novel/NN {X} {time}
My/PRP$ new/JJ {X} has/VBZ {num} miles/NNS on/IN it/PRP
Watched/VBD the/DT film/NN {X} {time} ,/, {adj}
Selling/VBG my/PRP$ used/VBN {X} ,/, {num} dollars/NNS
Drove/VBD a/DT rented/VBN {X} {time}
Playing/VBG the/DT song/NN {X} on/IN repeat/NN
Broke/VBD the/DT screen/NN of/IN my/PRP$ {X} {time}
Charging/VBG my/PRP$ {X} for/IN {num} hours/NNS
Our/PRP$ puppy/NN {X} ate/VBD the/DT sofa/NN
The/DT {X} cup/NN final/NN was/VBD {adj}
Bought/VBD an/DT old/JJ {X} with/IN new/JJ tyres/NNS
Singer/NN {P} is/VBZ flying/VBG to/TO {L} {time}
Actor/NN {P} joins/VBZ the/DT company/NN {O}
My/PRP$ friend/NN {P} drove/VBD a/DT rented/VBN {X} to/TO {L}
{O} hires/VBZ {num} engineers/NNS in/IN downtown/NN {L}
{O} 's/POS board/NN met/VBD Mr/NNP {P} in/IN {L}
Reading/VBG the/DT novel/NN {X} on/IN a/DT train/NN to/TO {L}
"""
NAMELESS_TEMPLATES = """
I/PRP need/VBP a/DT {adj} {thing} {time}
Why/WRB is/VBZ {time} so/RB {adj} ?/.
Happy/JJ Monday/NNP everyone/NN ,/, have/VB a/DT {adj} {thing}
This/DT {thing} is/VBZ so/RB {adj}
No/DT {thing} {time} ,/, that/DT is/VBZ {adj}
Best/JJS {thing} of/IN my/PRP$ life/NN !/.
Who/WP wants/VBZ a/DT {adj} {thing} ?/.
Just/RB woke/VBD up/RP and/CC want/VBP a/DT {thing}
Feeling/VBG {adj} {time}
My/PRP$ {thing} was/VBD {adj} {time}
Only/RB {num} days/NNS until/IN my/PRP$ {adj} {thing}
Someone/NN bring/VB me/PRP a/DT {thing} {time}
That/DT {thing} cost/VBD me/PRP {num} dollars/NNS ,/, {adj}
Good/JJ Night/NN ,/, that/DT was/VBD a/DT {adj} {thing}
Thanks/NNS {user} for/IN the/DT {adj} {thing}
Never/RB had/VBN such/PDT a/DT {adj} {thing}
"""
FILLERS = {
    "adj": "amazing/JJ|great/JJ|lovely/JJ|crazy/JJ|wonderful/JJ|strange/JJ|perfect/JJ|cool/JJ|sweet/JJ|unreal/JJ|"
    "gorgeous/JJ|awesome/JJ|sad/JJ|wild/JJ",
    "time": "today/NN|tonight/NN|this/DT morning/NN|this/DT week/NN|this/DT weekend/NN|this/DT month/NN|"
    "this/DT afternoon/NN|this/DT evening/NN|this/DT summer/NN|this/DT year/NN",
    "thing": "coffee/NN|breakfast/NN|holiday/NN|nap/NN|pizza/NN|haircut/NN|playlist/NN|workout/NN|weekend/NN|party/NN|"
    "sandwich/NN|walk/NN",
    "tag": "#love/NN|#throwback/NN|#MondayMood/NN|#photooftheday/NN|#win/NN|#wow/NN|#nofilter/NN|#goals/NN|#tbt/NN",
    "face": "😍/SYM|😂/SYM|🔥/SYM|😭/SYM|🙌/SYM|❤/SYM|😎/SYM|👀/SYM|✨/SYM",
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


def lines(block: str) -> list[str]:
    """Return the templates of a block, one per line."""
    return block.strip().splitlines()


def all_names() -> dict[str, tuple[str, ...]]:
    """Return the types of each name."""
    return {
        name: tuple(LETTERS[letter] for letter in letters) for letters, row in NAMES.items() for name in row.split(", ")
    }


NAME_TYPES = all_names()


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
    return rng.choice(FILLERS[slot].split("|")).split()


def draft(kind: str, rng: random.Random) -> Draft:
    """Invent a post of the given kind."""
    queue: list[tuple[str, str]] = []  # the ambiguous names still to be placed
    if kind in (AMBIGUOUS, AMBIGUOUS_BLIND):
        form = rng.random()
        if form < 0.2:
            template, queue = rng.choice(lines(AMBIGUOUS_TWO)), draw_pair(rng)
        else:
            template = rng.choice(lines(AMBIGUOUS_MIXED if form > 0.92 else AMBIGUOUS_ONE))
            name = rng.choice(sorted(NAME_TYPES))
            queue = [(name, rng.choice(NAME_TYPES[name]))]
    else:
        template = rng.choice(lines(NAMELESS_TEMPLATES if kind in (NAMELESS, NAMELESS_BLIND) else CLEAR))
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


class Draughtsman:
    """Draw pictures with the glyphs of a colour emoji font.

    Args:
        font: the path of NotoColorEmoji.ttf, or of another font with bitmaps of size 109.
    """

    def __init__(self, font: Path) -> None:
        self.font = ImageFont.truetype(str(font), FONT_SIZE)
        self.glyphs: dict[str, Image.Image] = {}

    def glyph(self, character: str) -> Image.Image:
        """Return the glyph in RGBA, cropped to its content."""
        if character not in self.glyphs:
            canvas = Image.new("RGBA", (180, 180), (0, 0, 0, 0))
            ImageDraw.Draw(canvas).text((20, 20), character, font=self.font, embedded_color=True)
            self.glyphs[character] = canvas.crop(canvas.getbbox())
        return self.glyphs[character]

    def draw(self, things: list[str], rng: random.Random) -> Image.Image:
        """Return a picture of SIDE x SIDE pixels with a thing of each type, from left to right, without contact."""
        picture = ground(rng)
        width = (SIDE - 4) // len(things)  # one column per thing
        for number, type_ in enumerate(things):
            glyph = self.glyph(rng.choice(THINGS[type_]))
            side = rng.uniform(0.62, 0.95) * min(width - 4, 68)
            scale = side / max(glyph.size)
            glyph = glyph.resize([max(1, round(length * scale)) for length in glyph.size], Image.Resampling.LANCZOS)
            glyph = glyph.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC, expand=True)
            glyph = glyph.crop(glyph.getbbox())
            left = 2 + number * width + rng.randint(2, max(2, width - 2 - glyph.width))
            top = rng.randint(4, SIDE - 4 - glyph.height)
            picture.paste(glyph, (left, top), glyph)
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
    from mner_keras.vision.tiles import EXTRACTOR, F_O, F_R, tiles_objects, tiles_regions  # needed for pictures only

    folder = out / "images"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("sample-*.png"):
        old.unlink()
    draughtsman = Draughtsman(font)
    with h5py.File(out / "regions.h5", "w") as regions, h5py.File(out / "objects.h5", "w") as objects:
        for store, kind, width in ((regions, "regions", F_R), (objects, "objects", F_O)):
            store.attrs.update(extractor=EXTRACTOR, kind=kind, feature_dim=width, weights="", weights_hash="")

        def extract(name: str, picture: Image.Image | Path) -> None:
            regions.create_dataset(name, data=tiles_regions(picture).astype("float16"))
            features, names, boxes, scores = tiles_objects(picture)
            dataset = objects.create_dataset(name, data=features.astype("float16"))
            dataset.attrs["names"] = np.array(names, dtype=h5py.string_dtype())
            dataset.attrs["boxes"] = boxes.astype("int16")
            dataset.attrs["scores"] = scores

        extract("_blank", Image.new("RGB", (SIDE, SIDE), "white"))
        for number, post in enumerate(drafts):
            if post.things:
                name = f"sample-{number:05d}"
                picture = draughtsman.draw(post.things, random.Random(f"{seed} {name}"))
                picture.save(folder / f"{name}.png", optimize=True)
                extract(name, folder / f"{name}.png")


def readme(splits: dict[str, list[Draft]], command: str, pictures: bool) -> str:
    """Return the folder's README.md."""
    head = "| | " + " | ".join(splits) + " |\n|---|" + "---:|" * len(splits)
    rows = {
        "posts": lambda posts: len(posts),
        "with a picture": lambda posts: sum(bool(post.things) for post in posts) if pictures else 0,
        **{type_: lambda posts, t=f"B-{type_}": sum(post.tags.count(t) for post in posts) for type_ in TYPES},
        **{kind: lambda posts, k=kind: Counter(post.kind for post in posts)[k] for kind in KINDS},
    }
    table = "\n".join(
        f"| {row} | " + " | ".join(str(count(p)) for p in splits.values()) + " |" for row, count in rows.items()
    )
    shown = (
        PICTURES_README
        if pictures
        else "\nThe posts were made without pictures: the kinds say what they would have shown.\n"
    )
    return README.format(command=command, table=f"{head}\n{table}", pictures=shown, names=len(NAME_TYPES))


README = """# Sample corpus

Invented posts in the manner of tweets, for examples, tests and first steps. Every post was put together from templates
by a program; nobody wrote it, and what it says about any person, place or company is made up. **No result on this
corpus is a research result**: the sentences are few in kind, the pictures are drawings, and all splits use the same
templates, names and drawings.

Its {names} names can each be of two to four types (PER, LOC, ORG, OTHER). In more than half of the posts the words do
not tell which: "Beautiful Benz in the morning" may be about the person or about the car. The type is then drawn at
random from those that the name can take, so that only the picture can decide. No text occurs twice, within a split or
across splits, links, handles, hashtags and emoji aside.

Made by

    {command}

The same command writes the same posts again.

{table}

The rows PER to OTHER count names, those below count posts.

## Files

- `train.jsonl`, `dev.jsonl`, `test.jsonl`: one JSON object a line with `id`, `tokens`, `tags` (BIO), `pos` (Penn
  Treebank tags, given by the templates) and `image` (`null` for a post without a picture).
{pictures}"""

PICTURES_README = """\
- `images/<image>.png`: the pictures, 96 x 96 pixels; one to three things on a plain or softly varied ground, in the
  order of the names from left to right where there are two ambiguous names.
- `regions.h5`, `objects.h5`: feature stores of the extractor `tiles` (`mner_keras.vision.tiles`), one float16 dataset
  [k, f] an image; `_blank` is a white picture.

## Licence of the pictures

The things in the pictures are drawn with the font Noto Color Emoji (https://github.com/googlefonts/noto-emoji), as
Debian's package `fonts-noto-color-emoji` builds it. The font's own copyright record reads "Copyright 2022 Google Inc."
and "This Font Software is licensed under the SIL Open Font License, Version 1.1"
(https://openfontlicense.org). That licence says that the requirement for fonts to remain under it "does not apply to
any document created using the Font Software". The package's copyright file names, for the years 2013-2017, Google
Inc. and Arjen Nienhuis as holders, and puts the folder `fonts/` of the sources under the SIL Open Font License 1.1
and all other files, drawings included, under the Apache License 2.0. Noto is a trademark of Google Inc. The font
itself is not part of this folder. Posts, tags and features are under the licence of mner-keras.
"""


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
    command = f"python scripts/make_sample_corpus.py OUT_DIR --seed {options.seed} --sizes " + " ".join(
        map(str, options.sizes)
    )
    text = readme(splits, command + " --no-pictures" * options.no_pictures, pictures)
    (options.out / "README.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
