"""Hook of `mkdocs build`: the pages that are made from something else, and so cannot go out of date.

- a page for each command, from its help;
- the home page, from README.md; the changelog; the sample corpus' description;
- the notebooks, with the outputs that they contain.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbconvert
import nbformat
from latex2mathml.converter import convert as to_mathml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert.filters import strip_ansi

ROOT = Path(__file__).resolve().parents[1]

# What a page is made from, and where the site has it.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "mner_keras/data/sample/README.md": "sample-corpus.md",
}
ASSETS = ("CITATION.cff", "LICENSE")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, target in PAGES.items():
        files.append(File.generated(config, target, content=_page((ROOT / source).read_text(encoding="utf-8"))))
    for asset in ASSETS:
        files.append(File.generated(config, asset, abs_src_path=str(ROOT / asset)))
    commands = command_pages()
    for name, text in commands.items():
        files.append(File.generated(config, f"commands/{name}.md", content=text))
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook in notebooks:
        text, pictures = notebook_page(notebook)
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    fill = {
        "notebooks": [f"notebooks/{notebook.stem}.md" for notebook in notebooks],
        "commands": [{f"mner {name}": f"commands/{name}.md"} for name in commands],
    }
    config.nav = _filled(config.nav, fill)
    _add_guides(config.nav, files)
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Let a page's links to notebooks lead to their pages."""
    return re.sub(r"\]\(\.\./notebooks/(\w+)\.ipynb", r"](notebooks/\1.md", markdown)


def command_pages() -> dict[str, str]:
    """Markdown by the name of the command, as Typer writes it from the command's help."""
    typer = [sys.executable, "-m", "typer", "mner_keras.cli", "utils", "docs", "--name", "mner"]
    text = subprocess.run(typer, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    pages = {}
    for part in re.split(r"^(?=## `mner )", text, flags=re.MULTILINE)[1:]:
        name = re.match(r"## `mner (\S+)`", part).group(1)
        # One heading up: each command is a page.
        pages[name] = re.sub(r"^##(#*) ", r"#\1 ", part, flags=re.MULTILINE)
    if not pages:
        raise ValueError(f"expected the help of some commands, found {text[:200]!r}")
    return pages


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, its formulas as MathML, which needs no script; and its pictures by their names."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"\$\$(.+?)\$\$", lambda found: to_mathml(found.group(1), display="block"), cell.source)
            text = re.sub(r"\$([^$\n]+)\$", lambda found: f"<span>{to_mathml(found.group(1))}</span>", text)
            # Other notebooks and pages have their places in the site.
            cell.source = re.sub(r"\]\((\w+)\.ipynb", r"](\1.md", text.replace("](../docs/", "](../"))
        for output in cell.get("outputs", ()):
            if "text" in output:
                output.text = strip_ansi(output.text)
    names = {"unique_key": path.stem, "output_files_dir": "."}
    text, resources = nbconvert.MarkdownExporter().from_notebook_node(notebook, names)
    return text, {name.removeprefix("./"): data for name, data in resources["outputs"].items()}


def _page(text: str) -> str:
    """Return a page whose links lead to the site's places."""

    def moved(found: re.Match) -> str:
        target, anchor = found.group(1), found.group(2) or ""
        if target.startswith("notebooks"):
            target = target.replace(".ipynb", ".md") if "." in target else "notebooks/01_quickstart.md"
        return f"]({PAGES.get(target, target.removeprefix('docs/'))}{anchor})"

    return re.sub(r"\]\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)", moved, text)


def _filled(nav: list[Any], fill: dict[str, list[Any]]) -> list[Any]:
    """Return the navigation with the entries that are named by what fills them."""
    filled = []
    for entry in nav:
        if isinstance(entry, dict):
            [(title, content)] = entry.items()
            entry = {title: fill.get(content, content) if isinstance(content, str) else _filled(content, fill)}
        filled.append(entry)
    return [entry for entry in filled if entry not in ({"Notebooks": []}, {"Commands": []})]


def _add_guides(nav: list[Any], files: Files) -> None:
    """Pages of docs/ that the navigation does not name stand under its guides."""
    named = str(nav)
    guides = next(entry["Guides"] for entry in nav if isinstance(entry, dict) and "Guides" in entry)
    for file in files.documentation_pages():
        if repr(file.src_uri)[1:-1] not in named:
            guides.append(file.src_uri)
