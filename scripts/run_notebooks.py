"""Run the notebooks and keep their outputs in them.

    python scripts/run_notebooks.py [NOTEBOOK ...]     # by default, all of notebooks/

Removed from the outputs: the error stream (start-up notes of the backends), the time of each cell and of each training
step, the ids of the machine's kernel. Needs the extra `test`.
"""

import re
import sys
from pathlib import Path

import nbclient
import nbformat

# The times that `fit(verbose=2)` prints: " - 2s - 75ms/step".
TIMES = re.compile(r" - [0-9msh]+ - [0-9.a-zµ]+/step")

for path in map(Path, sys.argv[1:] or sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))):
    print(path.name, flush=True)
    notebook = nbformat.read(path, as_version=4)
    nbclient.execute(notebook, path.parent, timeout=None, coalesce_streams=True)
    notebook.metadata.language_info = {"name": "python"}
    for number, cell in enumerate(notebook.cells, 1):
        cell.update(metadata={}, id=f"cell-{number}")
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = TIMES.sub("", output.text)
    nbformat.write(notebook, path)
