"""Hook of `mkdocs build`: the pages that are made from something else, and so cannot go out of date.

- a page for each command, from its help;
- the home page, from README.md; the changelog; the sample corpus' description;
- the notebooks, with the outputs that they hold.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]

# What a page is made from, and where the site has it.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "mner_keras/data/sample/README.md": "sample-corpus.md",
}
ASSETS = ("CITATION.cff", "LICENSE")


@event_priority(100)  # before the plugin that renders notebooks
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
        files.append(File.generated(config, f"notebooks/{notebook.name}", abs_src_path=str(notebook)))
    fill = {
        "notebooks": [f"notebooks/{notebook.name}" for notebook in notebooks],
        "commands": [{f"mner {name}": f"commands/{name}.md"} for name in commands],
    }
    config.nav = _filled(config.nav, fill)
    _add_guides(config.nav, files)
    return files


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


def _page(text: str) -> str:
    """A page whose links lead to the site's places."""

    def moved(found: re.Match) -> str:
        target, anchor = found.group(1), found.group(2) or ""
        return f"]({PAGES.get(target, target.removeprefix('docs/'))}{anchor})"

    return re.sub(r"\]\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)", moved, text)


def _filled(nav: list[Any], fill: dict[str, list[Any]]) -> list[Any]:
    """The navigation with the entries that are named by what fills them."""
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
