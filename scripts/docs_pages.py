"""Hook and Griffe extension of `mkdocs build`: generate pages from other files, so that they cannot become outdated.

- a page of the commands, from their help;
- the home page, from README.md; the changelog; the sample corpus' description;
- the notebooks, with their outputs;
- a style sheet with the colours of the package's own pages;
- Keras' headings and examples in docstrings, under Griffe's names.
"""

import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import griffe
import nbconvert
import nbformat
from jinja2 import Template
from latex2mathml.converter import convert as to_mathml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert.filters import strip_ansi

ROOT = Path(__file__).resolve().parents[1]

# The sources of pages and their place in the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "mner_keras/data/sample/README.md": "sample-corpus.md",
}
LINKS = {
    r"\]\((\.\./)?notebooks/(\w+)\.ipynb": r"](notebooks/\2.md",
    r"\]\(notebooks/?\)": "](notebooks/01_quickstart.md)",
    r'(\]\(|src=")docs/': r"\1",
    **{rf"\]\({re.escape(source)}": f"]({target}" for source, target in PAGES.items()},
}
HEADINGS = {
    "Call arguments:": "Other Parameters: Call arguments:",
    "Example:": "**Example:**",
    "Reference:": "Note: Reference",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    pages = {target: (ROOT / source).read_text(encoding="utf-8") for source, target in PAGES.items()}
    typer = [sys.executable, "-m", "typer", "mner_keras.cli", "utils", "docs", "--name", "mner", "--title", "Commands"]
    pages["commands.md"] = subprocess.check_output(typer, cwd=ROOT, text=True, encoding="utf-8")
    views = ROOT / "mner_keras" / "views"
    palette = runpy.run_path(str(views / "palette.py"))
    style = Template((views / "templates" / "palette.css").read_text(encoding="utf-8"))
    pages["palette.css"] = style.render(
        colours=palette["COLOURS"], types=palette["TYPE_COLOURS"], objects=palette["OBJECT_COLOURS"]
    )
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        text, pictures = notebook_page(notebook)
        pages[f"notebooks/{notebook.stem}.md"] = text
        pages.update({f"notebooks/{name}": picture for name, picture in pictures.items()})
    for target, content in pages.items():
        files.append(File.generated(config, target, content=content))
    for asset in ("CITATION.cff", "LICENSE"):
        files.append(File.generated(config, asset, abs_src_path=str(ROOT / asset)))
    return files


def on_page_markdown(markdown: str, page: Page, **kwargs: Any) -> str:
    """Describe a page by its first sentences, and point links between the repository's files to the site's pages."""
    plain = re.sub(r"```.*?```|<[^>]*>", "", markdown, flags=re.DOTALL)
    plain = re.sub(r"!?\[([^]]*)\]\([^)]*\)|[*`]", r"\1", plain)
    sentences = (part for part in re.split(r"\n\s*\n", plain) if re.match(r"\s*\w", part) and len(part) > 30)
    page.meta["description"] = textwrap.shorten(next(sentences, f"{page.title} of mner-keras"), 160, placeholder=" …")
    for link, target in LINKS.items():
        markdown = re.sub(link, target, markdown)
    return markdown


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, its formulas as MathML, which needs no script; and its pictures by name."""
    notebook = nbformat.read(path, as_version=4)
    heading, headings = "", []  # the last one, and that above each picture, which describes it
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = ["", heading, *re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)][-1]
            text = re.sub(r"\$\$(.+?)\$\$", lambda found: to_mathml(found.group(1), display="block"), cell.source)
            text = re.sub(r"\$([^$\n]+)\$", lambda found: f"<span>{to_mathml(found.group(1))}</span>", text)
            # Other notebooks and pages have their own places in the site.
            cell.source = re.sub(r"\]\((\w+)\.ipynb", r"](\1.md", text.replace("](../docs/", "](../"))
        for output in cell.get("outputs", ()):
            headings += [heading] * any(kind.startswith("image/") for kind in output.get("data", ()))
            if "text" in output:
                output.text = strip_ansi(output.text)
    names = {"unique_key": path.stem, "output_files_dir": "."}
    text, resources = nbconvert.MarkdownExporter().from_notebook_node(notebook, names)
    text = re.sub(r"!\[\w+\](?=\(\.?/?\w+\.\w+\))", lambda _: f"![Figure: {headings.pop(0)}]", text)
    return text, {name.removeprefix("./"): data for name, data in resources["outputs"].items()}


class KerasDocstrings(griffe.Extension):
    """Rename headings to Griffe's names, and put examples into code blocks."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring:
            headings = rf"^({'|'.join(HEADINGS)})$"
            text = re.sub(headings, lambda found: HEADINGS[found[0]], obj.docstring.value, flags=re.MULTILINE)
            example = re.compile(r"^>>> .*\n?(?:^.+\n?)*", re.MULTILINE)
            obj.docstring.value = example.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text)
