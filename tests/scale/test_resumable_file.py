"""`ResumableFile`: whenever the process is killed, the next one gives the file of an undisturbed run."""

import json

import pytest

from mner_keras.errors import InputError
from mner_keras.scale.outputs import ResumableFile

ABOUT = {"model": "a", "input": "b"}
STEPS = [("one\n", []), ("\ud83dtwo\n", [InputError("broken, with a comma", "posts", 7)]), ("three\n", [])]
LINES = 'line,reason\n7,"broken, with a comma"\n'


class Killed(BaseException):
    """What stops a process in a test."""


def run(path, about=ABOUT, stop=None, **options):
    """Write the steps that are missing; `stop` is called with the number of each step before it is written."""
    output = ResumableFile(path, about, **options)
    if output.finished:
        return output
    for number, (text, errors) in list(enumerate(STEPS))[output.done // 2 :]:
        if stop is not None:
            stop(number, output)
        output.write(text, errors, 2)
    output.finish()
    return output


def killed(path, number, what, **options):
    """A run that ends at a step, as a killed process does: nothing is closed, and `what` is left behind."""

    def stop(at, output):
        if at == number:
            for file in output._files:
                file.write(what)
                file.flush()
            output._lock._lock.release()  # as the system does
            raise Killed

    with pytest.raises(Killed):
        run(path, stop=stop, **options)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("what", [b"", b'{"half": "a rec', b"x" * 10_000])
def test_a_killed_process_is_continued_by_the_next(tmp_path, number, what):
    path = tmp_path / "out.jsonl"
    killed(path, number, what)
    assert not path.exists()
    output = run(path)
    assert path.read_bytes() == b"one\n\\ud83dtwo\nthree\n"
    assert output.errors_path.read_text() == LINES
    assert (output.done, output.failed) == (6, 1)
    assert left(tmp_path) == ["out.jsonl", "out.jsonl.errors.csv", "out.jsonl.progress.json"]


def test_a_file_that_is_killed_while_it_is_renamed_or_converted_is_completed(tmp_path):
    path = tmp_path / "out.jsonl"

    def convert(target, lines):
        if calls.append(target) or len(calls) == 1:
            raise Killed
        target.write_text("".join(lines).upper())

    calls = []
    with pytest.raises(Killed):
        run(path, convert=convert)
    assert not path.exists()
    output = run(path, convert=convert)
    assert output.finished
    assert path.read_bytes() == b"ONE\n\\UD83DTWO\nTHREE\n"
    assert left(tmp_path) == ["out.jsonl", "out.jsonl.errors.csv", "out.jsonl.progress.json"]


def test_a_finished_file_is_left_alone(tmp_path):
    path = tmp_path / "out.jsonl"
    run(path)
    before = path.stat().st_mtime_ns, path.read_bytes()

    def stop(number, output):
        raise AssertionError("written again")

    output = run(path, stop=stop)
    assert (output.done, output.failed) == (6, 1)
    with pytest.raises(InputError, match="found one finished with another model; --overwrite starts again"):
        run(path, {**ABOUT, "model": "c"})
    with pytest.raises(InputError, match="found one finished with another standard input"):
        run(path, None)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    run(path, {**ABOUT, "model": "c"}, overwrite=True)
    assert json.loads((tmp_path / "out.jsonl.progress.json").read_text())["about"]["model"] == "c"
    assert left(tmp_path) == ["out.jsonl", "out.jsonl.errors.csv", "out.jsonl.progress.json"]


def test_a_file_that_another_command_wrote_is_refused(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    with pytest.raises(InputError, match="the file exists; --overwrite replaces it"):
        run(path)
    assert (path.read_text(), left(tmp_path)) == ("mine", ["out.jsonl"])
    killed(path, 1, b"", overwrite=True)
    assert path.read_text() == "mine"
    run(path, overwrite=True)
    assert path.read_bytes().startswith(b"one\n")


def test_what_was_begun_is_continued_by_the_same_command_alone(tmp_path):
    path = tmp_path / "out.jsonl"
    killed(path, 2, b"")
    with pytest.raises(InputError, match="found one begun with another input; --overwrite starts again"):
        run(path, {**ABOUT, "input": "c"})
    steps = []
    run(path, overwrite=True, stop=lambda number, output: steps.append(number))
    assert steps == [2]


def test_an_output_without_a_name_for_its_input_starts_again(tmp_path):
    path = tmp_path / "out.jsonl"
    with pytest.raises(Killed):
        killed(path, 2, b"half")
        raise Killed
    (tmp_path / "out.jsonl.progress.json").unlink()
    run(path, None)
    assert path.read_bytes() == b"one\n\\ud83dtwo\nthree\n"
    assert left(tmp_path) == ["out.jsonl", "out.jsonl.errors.csv"]


def test_two_processes_do_not_write_one_file(tmp_path):
    output = ResumableFile(tmp_path / "out.jsonl", ABOUT)
    with pytest.raises(InputError, match="another process is writing the file"):
        ResumableFile(tmp_path / "out.jsonl", ABOUT)
    output.close()
    assert left(tmp_path) == []


def test_a_file_of_the_progress_name_that_is_something_else_is_refused(tmp_path):
    for content in ("[]", "{}", "mine"):
        (tmp_path / "out.jsonl.progress.json").write_text(content)
        with pytest.raises(InputError, match=r"out.jsonl.progress.json: expected the progress of an output"):
            run(tmp_path / "out.jsonl")
        assert (tmp_path / "out.jsonl.progress.json").read_text() == content
