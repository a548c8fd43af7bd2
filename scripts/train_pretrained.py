"""Train the tagger inside the package on the Broad Twitter Corpus, score it, and write its file and its scores.

Works from a checkout, whether or not the package is installed.
"""

import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[1]
SETTINGS: dict[str, Any] = {
    "arguments": {"use_pos": False},  # NLTK's tagger needs a download
    "optimizer": "adam",
    "learning_rate": 0.001,
    "batch_size": 16,
    "epochs": 12,
    "patience": 4,
}


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder with btc.train.conll, btc.dev.conll and btc.test.conll.")],
    vectors: Annotated[Path, typer.Argument(help="GloVe 6B, 100 numbers per word.")],
    tweets: Annotated[Path, typer.Argument(help="Folder of Twitter-2015, to score on its test split.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = ROOT / "mner_keras" / "pretrained",
    words: Annotated[int, typer.Option(help="Words kept from the top of the vectors' file.")] = 22_200,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
) -> None:
    """Train, score and write the tagger."""
    from mner_keras import load, load_dataset
    from mner_keras.files import file_sha256, write_json
    from mner_keras.run.config import RunConfig
    from mner_keras.run.train import train

    files = {split: corpus / f"btc.{split}.conll" for split in ("train", "dev", "test")}
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as run:
        for split, file in files.items():
            # The corpus contains lines without a token, with a tag or a space only.
            lines = file.read_text(encoding="utf-8").split("\n")
            kept = [line for line in lines if line == "" or line.partition("\t")[0].strip()]
            (Path(data) / f"{split}.txt").write_text("\n".join(kept), encoding="utf-8")
        posts = dict(load_dataset(data))
        config = RunConfig.for_model("text", data=data, vectors=str(vectors), max_vectors=words, seed=seed, **SETTINGS)
        dev = train(config, Path(run) / "run", report=print)["dev"]
        write_small(Path(run) / "run" / "model.keras", out / "tagger.keras")
    model = load(out / "tagger.keras")
    forget_vectors(model, [*posts["train"], *posts["dev"]])
    hashed = (*files.values(), vectors, out / "tagger.keras")
    record = {
        "dev": dev,
        "btc": score(model, posts["test"]),
        "twitter2015": score(model, load_dataset(tweets)["test"]),
        "words": len(model.preprocessor.words) + len(model.preprocessor.frozen_words),
        "settings": {**SETTINGS, "seed": seed},
        "sha256": {path.name: file_sha256(path) for path in hashed},
    }
    write_json(out / "metrics.json", record)
    print({name: record[name]["micro"] for name in ("dev", "btc", "twitter2015")})


def write_small(source: Path, target: Path) -> None:
    """Write a model with weights of half precision, compressed: Keras reads it like any other."""
    import keras

    from mner_keras import load

    model = load(source)
    model.set_weights([weight.astype("float16").astype("float32") for weight in model.get_weights()])
    whole = source.with_name("small.keras")
    keras.saving.save_model(model, whole)
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as small:
        for name in archive.namelist():
            # A fixed time: the same weights give the same file.
            small.writestr(zipfile.ZipInfo(name), archive.read(name), zipfile.ZIP_DEFLATED, compresslevel=9)


def forget_vectors(model: Any, posts: list) -> None:
    """Let a model know the vectors of the words in some posts only, as if the others were in no file of vectors."""
    from mner_keras.data.preprocessor import PostPreprocessor, needed_words

    known = needed_words(posts)
    known |= {word.lower() for word in known}
    config = model.preprocessor.get_config()
    config["frozen_words"] = [word if word in known else f"\0{word}" for word in config["frozen_words"]]
    model.preprocessor = PostPreprocessor.from_config(config)


def score(model: Any, posts: list) -> dict[str, Any]:
    """Return the scores on posts; entities of types that the model does not have are no entities."""
    from mner_keras.run.run import entity_scores

    gold = [[tag if tag[2:] in model.preprocessor.types else "O" for tag in post.tags] for post in posts]
    return entity_scores(gold, [tagged.tags for tagged in model.tag(posts)])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    typer.run(main)
