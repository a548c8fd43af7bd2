"""`mner report`: the page is written, and bad input is an error."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "views"))


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    from run_folder import write_run

    return write_run(tmp_path_factory.mktemp("report") / "text", "text", corpus)


def test_the_report_is_written(mner, run, tmp_path):
    out = tmp_path / "a.html"
    result = mner("report", run, "--out", out, "--posts", 3)
    assert (result.code, result.out) == (0, f"{out}\n"), result
    assert out.read_text(encoding="utf-8").count('class="mner-post"') == 3


def test_bad_input_is_an_error(mner, run, tmp_path):
    def refused(*arguments):
        return mner("report", *arguments).refused

    out = tmp_path / "a.html"
    refused(run, "--out", tmp_path / "a.pdf")("expected a file extension (.html, .htm), found '.pdf'")
    (tmp_path / "b.html").mkdir()
    refused(run, "--out", tmp_path / "b.html")("expected a file to write, found a folder")
    refused(run, "--out", tmp_path / "no" / "a.html")("expected a folder to write into, found none")
    refused(run, "--out", out, "--pictures", tmp_path / "no")("expected a folder of pictures")
    refused(tmp_path, "--out", out)("expected the folder of a finished run or of a table (plan.toml), found neither")
    assert mner("report", run, "--out", out, "--posts", -1).code == 2
    assert not out.exists()
