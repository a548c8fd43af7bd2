"""`predictions.jsonl`: what is written is read again, and a damaged file says where."""

import pytest

from mner_keras.data import Post
from mner_keras.errors import InputError
from mner_keras.run.scores import Prediction, read_predictions, write_predictions


def test_what_is_written_is_read(tmp_path):
    posts = [Post(("Ω\u2028", "\u00a0"), ("B-PER", "O"), image_id="x\ud83d"), Post(("a",), ("O",))]
    write_predictions(tmp_path / "predictions.jsonl", posts, [("O", "B-LOC"), ("O",)])
    assert read_predictions(tmp_path) == [
        Prediction("x\ud83d", ("Ω\u2028", "\u00a0"), ("B-PER", "O"), ("O", "B-LOC")),
        Prediction(None, ("a",), ("O",), ("O",)),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "expected an object with"),
        ('{"image": null, "tokens": ["a"]}', "expected an object with"),
        ('{"image": null, "tokens": ["a"], "tags": [], "predicted": []}', "as many tags"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, message):
    good = '{"image": null, "tokens": [], "tags": [], "predicted": []}'
    (tmp_path / "predictions.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(InputError, match=f"predictions.jsonl:2: .*{message}"):
        read_predictions(tmp_path)


def test_an_unfinished_run(tmp_path):
    with pytest.raises(InputError, match="expected the predictions of a finished run; No such file"):
        read_predictions(tmp_path)
