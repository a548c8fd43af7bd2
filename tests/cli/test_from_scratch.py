"""`mner reproduce-table PAPER all` and `--from-scratch`, on a tiny corpus behind a server."""

import dataclasses
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from file_server import serve
from PIL import Image
from small_corpus import SMALL, make_records

from mner_keras.data.fetch import SOURCES
from mner_keras.papers import from_scratch


class Stub:
    """A picture's mean colour for each of four regions; in the place of VGG16."""

    blank_size = (8, 8)

    def __init__(self, weights=None, batch_size=16):
        self.attributes = {"extractor": "stub", "kind": "regions", "feature_dim": 3}

    def prepare(self, picture):
        return np.asarray(picture, "float32").mean((0, 1)) / 255

    def extract(self, prepared):
        return [{"vectors": np.stack([mean] * 4)} for mean in prepared]


def write_remote(folder):
    """What the servers of the papers' data would give, for the small corpus; returns the splits' hashes."""
    hashes, images, words = {}, [], set()
    for split in ("train", "dev", "test"):
        blocks = []
        for record in make_records(split):
            image = [f"IMGID:{record['image']}"] if record["image"] else []
            pairs = zip(record["tokens"], record["tags"], strict=True)
            blocks.append("\n".join([*image, *(f"{token}\t{tag}" for token, tag in pairs)]) + "\n\n")
            images += [record["image"]] if record["image"] else []
            words |= set(record["tokens"])
        content = "".join(blocks).encode()
        (folder / split).write_bytes(content)
        hashes[split] = hashlib.sha256(content).hexdigest()
    picture = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(picture, "JPEG")
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for image in images:
            archive.writestr(f"IJCAI2019_data/twitter2015_images/{image}.jpg", picture.getvalue())
    page = '<!DOCTYPE html><form id="download-form" action="{}/pictures.zip"></form>'
    with zipfile.ZipFile(folder / "vectors.zip", "w") as archive:
        lines = [f"{word}{' 0.5' * 12}\n" for word in sorted(words)]
        archive.writestr("glove.twitter.27B.200d.txt", "".join(lines))
    return hashes, page


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """The sources of Twitter-2015 and its vectors, on a server of this machine."""
    folder = tmp_path / "remote"
    folder.mkdir()
    hashes, page = write_remote(folder)
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    with serve(folder) as address:
        (folder / "page").write_text(page.format(address), encoding="utf-8")
        posts = [dataclasses.replace(f, hash=hashes[f.path[:-4]]) for f in SOURCES["twitter2015"].files]
        changed = dataclasses.replace(SOURCES["twitter2015"], address=address, files=tuple(posts))
        monkeypatch.setitem(SOURCES, "twitter2015", changed)
        for name, file in (
            ("twitter2015-pictures", "page"),
            ("agban-objects", "objects"),
            ("glove-twitter", "vectors.zip"),
        ):
            files = (dataclasses.replace(SOURCES[name].files[0], remote=f"{address}/{file}"),)
            monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], files=files))
        yield folder


@pytest.fixture
def ran(mner, monkeypatch):
    """The commands of the plan, run in this process."""
    from mner_keras.vision import vgg16

    monkeypatch.setattr(vgg16, "VGG16Regions", Stub)
    commands = []

    def run(step):
        commands.append(" ".join(step.command[:3]))
        result = mner(*step.command)
        if result.code:
            raise from_scratch.InputError(f"`mner {' '.join(step.command)}` failed: {result.err}")

    monkeypatch.setattr(from_scratch.Step, "run", run)
    return commands


@pytest.mark.slow
def test_a_table_comes_from_nothing_and_every_step_resumes(mner, remote, ran, tmp_path):
    folder, out = tmp_path / "scratch", tmp_path / "out"
    command = ["reproduce-table", "AGBAN", "3", "--from-scratch", folder, "--out", out, "--rows", "vam"]
    command += ["--budget", "fast", *(part for k, v in SMALL["vam"].items() for part in ("--set", f"vam.{k}={v}"))]
    plan = mner(*command, "--dry-run")
    assert plan.code == 0, plan
    assert not folder.exists()
    assert "1 MB                     mner data fetch twitter2015 --to" in plan.out
    assert "runs: 1, then the tables: III" in plan.out
    assert "in all: at least 1.6 GB to download, 5.5 GB of disk, at most 59 min (times as measured" in plan.out
    mner(*command).refused("expected --yes, or a terminal to ask on")
    # The first attempt finds a server that has lost a file.
    (remote / "vectors.zip").rename(remote / "elsewhere.zip")
    lost = mner(*command, "--yes")
    assert lost.code == 2
    assert "vectors.zip: the server answers 404" in lost.err
    (remote / "elsewhere.zip").rename(remote / "vectors.zip")
    first = list(ran)
    assert first == [f"data fetch {name}" for name in ("twitter2015", "twitter2015-pictures", "glove-twitter")]
    done = mner(*command, "--yes")
    assert done.code == 0, done
    assert ran[len(first) :] == ["data fetch glove-twitter", f"features vgg16 {folder / 'twitter2015' / 'images'}"]
    record = json.loads((out / "agban-iii" / "table.json").read_text("utf-8"))
    assert [row["key"] for row in record["rows"]] == ["vam"]
    assert all(row["cells"]["overall F1"]["mean"] is not None for row in record["rows"])
    config = next((out / "runs").glob("vam-*/config.toml")).read_text("utf-8")
    assert str(folder / "vectors" / "glove.twitter.27B.200d.txt") in config
    ran.clear()
    again = mner(*command, "--yes", "--json")
    assert (again.code, ran) == (0, [])
    assert again.err.count("done  ") == 4
    assert ": training" not in again.err
    assert json.loads(again.out)["rows"] == record["rows"]


def test_the_plan_needs_what_the_tables_read(mner, tmp_path):
    def plan(*arguments):
        result = mner("reproduce-table", *arguments, "--from-scratch", tmp_path / "new", "--dry-run")
        assert result.code == 0, result
        return result

    hsn = plan("hsn", "all")
    for part in ("fasttext-crawl", "glove-twitter", "twitter2015-pictures", "features vgg16", "tables: 1, 2, 3, 5"):
        assert part in hsn.out
    assert "agban-objects" not in hsn.out
    assert "table 4 is left out" in hsn.err and "code s4xt" in hsn.err
    counts = plan("agban", "1").out
    assert counts.count("mner ") == 1
    given = ["--vectors", "crawl=mine.txt", "--features", "mine.h5"]
    own = plan("hsn", "III", *given).out
    assert "fasttext-crawl" not in own and "glove-twitter" in own and "pictures" not in own
    assert "glove-twitter" not in plan("hsn", "III", "--vectors", "mine.txt").out
    result = mner("reproduce-table", "hsn", "4", "--from-scratch", tmp_path / "new", "--dry-run")
    assert (result.code, result.out) == (2, "") and "code s4xt" in result.err
    (tmp_path / "new" / "real-world").mkdir(parents=True)
    assert "runs: 20, then the tables: 4" in plan("hsn", "4").out
    mner("reproduce-table", "hsn", "3", "--from-scratch", tmp_path, "--data", tmp_path).refused("excludes --data")


def test_all_tables_of_a_paper(mner, tmp_path, monkeypatch):
    import typer

    done = []

    def train(runs, *_):
        done.append({run.row.key for run in runs} >= {"hsn", "hsn-without-mi"})
        raise typer.Exit(int(len(done) == 2))

    monkeypatch.setattr("mner_keras.papers.runner.run_all", train)
    result = mner("reproduce-table", "HSN", "all", "--out", tmp_path)
    assert (result.code, done) == (1, [False, False, True])
    assert (tmp_path / "hsn-1" / "table.json").is_file()
    mner("reproduce-table", "hsn", "all", "--rows", "hsn").refused("`all` excludes --rows and --json")


def test_a_step_that_fails_stops_the_way(tmp_path):
    step = from_scratch.Step(("data", "check", str(tmp_path)))
    with pytest.raises(
        from_scratch.InputError, match=f"`mner data check {tmp_path}` failed; the same command continues"
    ):
        step.run()
    from_scratch.Step(("--help",)).run()
