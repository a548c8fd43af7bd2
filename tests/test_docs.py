"""The code of the documentation runs as it stands."""

import re
from pathlib import Path

import keras
import pytest

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_crf_page_runs():
    names = {}
    keras.utils.set_random_seed(0)
    found = blocks("crf.md")
    assert len(found) == 5
    for number, block in enumerate(found):
        if "import keras_hub" in block:
            try:
                import keras_hub  # noqa: F401
            except ImportError:
                continue
        exec(compile(block, f"crf.md, block {number + 1}", "exec"), names)
    assert names["decoded"].shape == (64, 12)
    # Constraints act: no I- opens a name.
    tags = names["tags"]
    for row in names["decoded"]:
        for before, after in zip([0, *row], row, strict=False):
            assert not tags[after].startswith("I-") or tags[before][2:] == tags[after][2:]
    assert names["marginals"].shape == (64, 12, 5)
    assert names["paths"].shape == (64, 3, 12)


def test_the_features_page_s_extractor_runs(tmp_path, monkeypatch, capsys):
    import shutil

    import mner_keras
    from hsn_keras import HSN
    from mner_keras.data import Post

    sample = Path(mner_keras.__file__).parent / "data" / "sample" / "images"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    chosen = sorted(sample.iterdir())[:3]
    for path in chosen:
        shutil.copy(path, tmp_path / "pictures")
    names = {}
    first, second = blocks("features.md")
    exec(compile(first, "features.md, block 1", "exec"), names)
    assert "added=3" in capsys.readouterr().out
    post = Post(("Anna", "saw", "Rome"), ("B-PER", "O", "B-LOC"), chosen[0].stem, ("NNP", "VBD", "NNP"))
    encoder = HSN.fit_encoder([post], features="colours.h5")
    (tmp_path / "runs" / "colours").mkdir(parents=True)
    model = HSN.from_encoder(encoder, hidden_dim=8, char_dim=4)
    model.save("runs/colours/model.keras")
    stored = model.tag([post], "colours.h5")
    assert model.tag([post], pictures=[chosen[0]], extractor=names["Colours"]())[0].tags == stored[0].tags
    shutil.copy(chosen[0], "benz.jpg")
    exec(compile(second.replace('"Beautiful Benz"', "post"), "features.md, block 2", "exec"), names | {"post": post})
    assert "TaggedPost(" in capsys.readouterr().out


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_within_the_documentation_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (DOCS / page).read_text(encoding="utf-8")):
        if "://" not in target:
            assert (DOCS / target).exists(), target
