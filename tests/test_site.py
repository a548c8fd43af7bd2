"""The documentation as a site: it builds without a warning, and holds every command and every public name."""

import importlib
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="building the documentation needs the extra `docs`")

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "hsn_keras",
    "agban_keras",
    "mner_keras",
    "mner_keras.layers",
    "mner_keras.data",
    "mner_keras.text",
    "mner_keras.vision",
    "mner_keras.metrics",
    "mner_keras.papers",
    "mner_keras.views",
    "mner_keras.baselines.layers",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return place


def test_every_public_name_has_its_place(site):
    # The inventory that other projects' documentation links by: four lines of text, then compressed ones.
    lines = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode().splitlines()
    documented = {line.split(" ")[0].rpartition(".")[2] for line in lines}
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            if name[0].isalpha() and not name.isupper() or name == "CRF":
                assert name in documented, f"{package}.{name} is on no page of docs/api"


def test_every_command_is_described_by_its_help(site):
    from typer.main import get_command

    from mner_keras.cli import app

    page = (site / "commands.html").read_text(encoding="utf-8")
    for name, command in get_command(app).commands.items():
        assert f'id="mner-{name}"' in page
        leaves = [command, *getattr(command, "commands", {}).values()]
        for option in (option for leaf in leaves for parameter in leaf.params for option in parameter.opts):
            # The help shows an argument by its name in capitals, or by what stands in its place.
            assert not option.startswith("-") or option in page, f"{name}: {option}"


def test_every_picture_is_there(site):
    for page in set(site.rglob("*.html")) - {site / "404.html"}:
        for picture in re.findall(r'<img[^>]*? src="([^":]+)"', page.read_text(encoding="utf-8")):
            assert (page.parent / picture).exists(), f"{page.name}: {picture}"


def test_the_readme_the_changelog_and_the_notebooks_are_pages(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    assert "Multimodal named entity recognition in Keras 3" in home
    assert (site / "changelog.html").exists()
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf-8")
        pictures = re.findall(r'<img alt="Figure: [^"]+" src="([^"]+)"', page)
        assert pictures, f"{notebook.stem} shows no picture"
        assert all((site / "notebooks" / picture).exists() for picture in pictures)


def test_no_page_loads_anything_from_another_host(site):
    loads = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*")
    for page in site.rglob("*.html"):
        found = [tag for tag in loads.findall(page.read_text(encoding="utf-8")) if 'rel="canonical"' not in tag]
        assert not found, f"{page.relative_to(site)}: {found}"
