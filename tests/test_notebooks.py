"""The notebooks as they are committed: run, without an error, and without a trace of the machine that ran them.

That they run is tested by `pytest --nbmake notebooks`.
"""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="reading notebooks needs nbformat (the extra `test`)")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# A home, a temporary folder, an environment; an address in memory, which changes with every run; its speed.
TRACES = re.compile(
    r"/(home|root|Users|tmp|var|usr|opt|work|mnt)/|[A-Z]:\\\\|site-packages|\bat 0x[0-9a-f]{6,}|\d[mµ]?s/step\b"
)
LARGEST = 300_000  # bytes


def outputs_of(cell):
    """The text of a cell's outputs; of pictures, nothing."""
    for output in cell.get("outputs", ()):
        yield output.get("text", "")
        yield from (value for kind, value in output.get("data", {}).items() if kind.startswith("text/"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_was_run_from_top_to_bottom_without_an_error(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output.output_type for cell in cells for output in cell.outputs]
    assert "error" not in kinds
    assert len(kinds) > len(cells) / 3
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_says_nothing_of_the_machine(path):
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        for text in (cell.source, *outputs_of(cell)):
            found = TRACES.search(text)
            assert not found, f"cell {number}: {text[max(0, found.start() - 40) : found.end() + 40]!r}"
        # What backends write to the error stream while they start is no part of a walk-through.
        assert all(output.get("name") != "stderr" for output in cell.get("outputs", ())), f"cell {number}"
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_somewhere(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", cell.source):
                assert "://" in target or (path.parent / target).exists(), target
