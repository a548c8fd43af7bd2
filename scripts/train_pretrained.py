"""Train the tagger inside the package on the Broad Twitter Corpus, score it, and write its file and its scores.

Works from a checkout, whether or not the package is installed.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

OUT = Path(__file__).resolve().parents[1] / "mner_keras" / "pretrained"
SPLITS = ("train", "dev", "test")
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
    out: Annotated[Path, typer.Option(help="Folder to write tagger.keras and metrics.json into.")] = OUT,
    words: Annotated[int, typer.Option(help="Words kept from the top of the vectors' file.")] = 22_200,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
) -> None:
    """Train, score and write the tagger."""
    from mner_keras import load, load_dataset
    from mner_keras.cli.terminal import epoch_progress
    from mner_keras.files import file_sha256, write_json
    from mner_keras.run.config import RunConfig
    from mner_keras.run.train import train

    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "btc", Path(folder) / "run"
        clean_corpus(corpus, data)
        config = RunConfig.for_model(
            "text", data=str(data), vectors=str(vectors), max_vectors=words, seed=seed, **SETTINGS
        )
        with epoch_progress() as progress:
            dev = train(config, run, callbacks=[progress], report=print)["dev"]
        write_small(run / "model.keras", out / "tagger.keras")
        btc, twitter = load_dataset(data), load_dataset(tweets)
        model = load(out / "tagger.keras")
        forget_vectors(model, [*btc["train"], *btc["dev"]])
        record = {
            "dev": dev,
            "btc": score(model, btc["test"]),
            "twitter2015": score(model, twitter["test"]),
            "words": len(model.preprocessor.words) + len(model.preprocessor.frozen_words),
            "settings": {**SETTINGS, "seed": seed},
            "sha256": {
                **{f"btc.{split}.conll": file_sha256(corpus / f"btc.{split}.conll") for split in SPLITS},
                vectors.name: file_sha256(vectors),
                "tagger.keras": file_sha256(out / "tagger.keras"),
            },
        }
    write_json(out / "metrics.json", record)
    print({name: record[name]["micro"] for name in ("dev", "btc", "twitter2015")})


def clean_corpus(corpus: Path, folder: Path) -> None:
    """Write the corpus without its lines that have no token but a tag or a space."""
    folder.mkdir()
    for split in SPLITS:
        lines = (corpus / f"btc.{split}.conll").read_text(encoding="utf-8").split("\n")
        kept = [line for line in lines if line == "" or line.partition("\t")[0].strip()]
        (folder / f"{split}.txt").write_text("\n".join(kept), encoding="utf-8")


def write_small(source: Path, target: Path) -> None:
    """Write a model with weights of half precision, compressed: Keras reads it like any other."""
    import keras

    from mner_keras import load

    model = load(source)
    model.set_weights([weight.astype("float16").astype("float32") for weight in model.get_weights()])
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.keras"
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
    from mner_keras.run.scores import entity_scores

    gold = [[tag if tag[2:] in model.preprocessor.types else "O" for tag in post.tags] for post in posts]
    return entity_scores(gold, [tagged.tags for tagged in model.tag(posts)])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    typer.run(main)
