"""Run the notebooks and keep their outputs in them.

    python scripts/run_notebooks.py [NOTEBOOK ...]     # by default, all of notebooks/

Removed from the outputs: the error stream (start-up notes of the backends), the time of each cell and of each training
step, the ids of the machine's kernel. Needs the extra `test`.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
# The times that `fit(verbose=2)` prints: " - 2s - 75ms/step".
TIMES = re.compile(r" - [0-9msh]+ - [0-9.a-zµ]+/step")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def run(path: Path) -> float:
    """Run one notebook in place; return its seconds."""
    notebook = nbformat.read(path, as_version=4)
    started = time.monotonic()
    place = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=None, kernel_name="python3", resources=place, coalesce_streams=True).execute()
    seconds = time.monotonic() - started
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata = {}
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = TIMES.sub("", output.text)
    nbformat.write(notebook, path)
    return seconds


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
        print(f"{path.name}: {run(path):.0f} s", flush=True)
