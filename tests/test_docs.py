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


def test_the_figures_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("figures.md")
    exec(compile(block, "figures.md", "exec"), {})
    assert (tmp_path / "attention.png").stat().st_size > 10_000


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_within_the_documentation_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (DOCS / page).read_text(encoding="utf-8")):
        if "://" not in target:
            assert (DOCS / target).exists(), target
