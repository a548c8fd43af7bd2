import gzip
import hashlib
import os
import pickle
import re
import sys
import warnings

import numpy as np
import pytest

from mner_keras.text import read_vectors, vectors

GLOVE = "the 0.5 -1 2e-1\nCat 1 2 3\ncat 4 5 6\n"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MNER_CACHE", str(folder))
    return folder


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="vectors.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return write_file


def word2vec_binary(words, matrix):
    rows = [word + b" " + row.astype("<f4").tobytes() + b"\n" for word, row in zip(words, matrix, strict=True)]
    return b"%d %d\n" % matrix.shape + b"".join(rows)


def test_glove_text(write):
    path = write(GLOVE)
    read = read_vectors(path)
    assert read.words == ("the", "Cat", "cat")
    assert read.matrix.dtype == np.float32
    np.testing.assert_array_equal(read.matrix, np.array([[0.5, -1, 0.2], [1, 2, 3], [4, 5, 6]], np.float32))
    assert (read.dim, read.source, read.broken_lines, read.num_broken) == (3, "vectors.txt", [], 0)
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_lookup_as_written_then_lower_cased(write):
    read = read_vectors(write(GLOVE))
    assert [read.lookup(word) for word in ("Cat", "cat", "CAT", "The", "dog", "")] == [1, 2, 2, 0, -1, -1]


@pytest.mark.parametrize("start", ["", "3 3\n", "7 3\n", "1 3 \n", "\ufeff", "\ufeff3 3\n"])
@pytest.mark.parametrize("line_end", ["\n", " \n", "\r\n", " \r\n"])
@pytest.mark.parametrize(("pack", "name"), [(bytes, "vectors.gz"), (gzip.compress, "vectors.vec")])
def test_text_formats_are_recognised_by_content(write, start, line_end, pack, name):
    stored = pack((start + GLOVE.replace("\n", line_end)).encode())
    read = read_vectors(write(stored, name))
    assert (read.words, read.dim, read.num_broken) == (("the", "Cat", "cat"), 3, 0)
    np.testing.assert_array_equal(read.matrix[2], [4, 5, 6])
    assert read.sha256 == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize("header", ["", "3 3\n", "3\t3\n"])
@pytest.mark.parametrize("between", [" ", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\t\n", " \r\n"])
def test_a_tab_may_follow_the_word_and_separate_the_numbers(write, header, between, line_end):
    rows = [("the", "1 2 3"), ("New York", "4 5 6"), ("\u00e9", "7 8 9")]
    text = header + "".join(f"{word}\t{numbers.replace(' ', between)}{line_end}" for word, numbers in rows)
    read = read_vectors(write(text.removesuffix("\n")))  # the last line may lack its end
    assert (read.words, read.dim, read.num_broken) == (("the", "New York", "\u00e9"), 3, 0)
    np.testing.assert_array_equal(read.matrix, np.arange(1, 10).reshape(3, 3))


def test_a_tab_and_a_space_behind_the_word_are_one_separator(write):
    assert read_vectors(write("2 3\nthe\t 1 2 3\n\t 4 5 6\n")).words == ("the", "\t")


@pytest.mark.parametrize(
    "word", [". . .", "at name@domain.com", "\u00a0", "\u0085", "a\u2028b", "\x1c", "\t", "\x0b", "\u3000", "12", "nan"]
)
@pytest.mark.parametrize("header", ["", "2 3\n"])
def test_odd_words_survive(write, word, header):
    read = read_vectors(write(f"{header}the 1 2 3\n{word} 4 5 6\n"))
    assert read.words == ("the", word)
    assert read.num_broken == 0


def test_words_survive_the_cache(write, monkeypatch):
    words = ("the", ". . .", "\u00a0", "\u0085", "a\u2028b", "\r", "\U0001f600")
    path = write("".join(f"{word} 1 2 3\n" for word in words))
    assert read_vectors(path).words == words
    monkeypatch.setattr(vectors, "_read_file", None)
    assert read_vectors(path).words == words


def test_needed_words_are_kept_wherever_they_stand(write):
    text = "".join(f"w{i} {i} {i}\n" for i in range(50)) + "Paris 1 2\nlondon 3 4\nRome 5 6\na b 7 8\n"
    read = read_vectors(write(text), needed=["London", "Paris", "rome", "a b", "w1", "\ud83d"], max_vectors=3)
    assert read.words == ("w0", "w1", "w2", "Paris", "london", "a b")
    np.testing.assert_array_equal(read.matrix[-1], [7, 8])


def test_max_vectors_counts_valid_words_once(write):
    read = read_vectors(write("a 1 2\nbroken 1\na 3 4\nb 5 6\nc 7 8\nx 1\n"), max_vectors=2)
    assert read.words == ("a", "b")
    np.testing.assert_array_equal(read.matrix[0], [1, 2])  # the first of two
    assert read.broken_lines == [(2, "expected 2 values, found 1"), (6, "expected 2 values, found 1")]


def test_no_word_kept_is_no_error(write):
    read = read_vectors(write(GLOVE), max_vectors=0)
    assert (read.words, read.matrix.shape, read.lookup("the")) == ((), (0, 3), -1)
    assert read_vectors(write(GLOVE), max_vectors=0).words == ()
    assert read_vectors(write(GLOVE), needed=["CAT"], max_vectors=0).words == ("cat",)


def test_dimension_is_the_commonest_length(write):
    read = read_vectors(write("x 1\n. . 1 2 3\n" + GLOVE))
    assert read.dim == 3
    assert read.words == (". .", "the", "Cat", "cat")
    assert read.broken_lines == [(1, "expected 3 values, found 1")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"x 1 2", "expected 3 values, found 2"),
        (b"x 1 2 3 4", "expected 3 values, found 4"),
        (b"x  1 2 3", "expected 3 values, found 4"),
        (b"x 1 two 3", "could not convert string to float: b'two'"),
        (b"x 1 nan 3", "a value is not finite"),
        (b"x 1 -inf 3", "a value is not finite"),
        (b"x 1 1e39 3", "a value is not finite"),
        (b"x 1 1e400 3", "a value is not finite"),
        (b"x\xff 1 2 3", "the word b'x\\xff' is not UTF-8"),
        (b" 1 2 3", "empty word"),
        (b"", "empty line"),
        (b"x", "expected 3 values, found 0"),
        (b"x" * (1 << 20) + b" 1 2 3", "longer than 1048576 bytes"),
        (b"x" * (3 << 20) + b" 1 2 3", "longer than 1048576 bytes"),
    ],
)
@pytest.mark.parametrize("header", [b"", b"4 3\n"])
def test_broken_line_is_named_and_not_fatal(write, line, reason, header):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_vectors(write(header + b"a 1 2 3\nb 1 2 3\n" + line + b"\nc 1 2 3\nd 1 2\n"))
    number = 4 if header else 3
    assert read.words == ("a", "b", "c")
    assert read.num_broken == 2
    assert read.broken_lines == [(number, reason), (number + 2, "expected 3 values, found 2")]


def test_first_ten_broken_lines_are_kept(write):
    path = write("3 3\n" + GLOVE * 9 + "x 1\n" * 25)
    for read in (read_vectors(path), read_vectors(path)):
        assert read.num_broken == 25
        assert read.broken_lines == [(number, "expected 3 values, found 1") for number in range(29, 39)]


def test_missing_file_and_folder(tmp_path):
    path = tmp_path / "no.txt"
    with pytest.raises(FileNotFoundError, match=re.escape(f"Received: {path}, which does not exist")):
        read_vectors(path)
    with pytest.raises(IsADirectoryError, match=re.escape(f"Received: the folder {tmp_path}")):
        read_vectors(tmp_path)


PICKLE = pickle.dumps({"a": 1}, protocol=4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (gzip.compress(b"", mtime=0), "found an empty file"),
        (b"word\nword\n", "expected a word and numbers with one space or tab between, found b'word"),
        (b"word,1,2\nother,3,4\n", "expected a word and numbers with one space or tab between, found b'word"),
        (b"word 1,2\nother 3,4\n", "found no valid line; line 1: could not convert string to float"),
        (b"\n\n", "expected a word and numbers with one space or tab between"),
        (b"a 1 2\nb 1\nc\n", "found 2 broken lines and 1 valid ones; line 2: expected 2 values, found 1"),
        (b"2 2\na  1 2\nb  3 4\nc 5 6\n", "found 2 broken lines and 1 valid ones; line 2: expected 2 values, found 3"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", "found a Git LFS pointer"),
        ("word 1 2\n".encode("utf-16"), "found UTF-16; save it as UTF-8"),
        (b"5 0\nx 1\n", "found a header of dimension 0"),
        (b"2 3\nx 1 2\n", "expected words with 3 values each, found no valid line; line 2: expected 3 values, found 2"),
        (b"2 3\n", "expected words with 3 values each, found no valid line"),
        (b"some words only\nand other words\n", "expected words with 2 values each, found no valid line; line 1:"),
        (gzip.compress(GLOVE.encode() * 100, mtime=0)[:-20], "expected a whole gzip file"),
        (gzip.compress(GLOVE.encode(), mtime=0)[:12] + b"\xff" * 50, "expected a whole gzip file"),
        (b"PK\x03\x04 and so on", "found a zip archive; unpack it first"),
        (b"\xba\x16\x4f\x2f and so on", "found fastText's own model format; take its .vec file"),
        (PICKLE, "found a Python pickle, which is never read; save it again with KeyedVectors.save_word2vec_format"),
    ],
)
def test_files_without_vectors(write, content, message, cache_folder):
    path = write(content)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_vectors(path)
    assert str(path) in str(caught.value)
    assert not cache_folder.exists()


@pytest.mark.parametrize("value", [-1, 1.5, "10", None])
def test_arguments_are_checked(write, value):
    with pytest.raises(ValueError, match=f"must be an integer of at least 0. Received: max_vectors={value!r}"):
        read_vectors(write(GLOVE), max_vectors=value)
    with pytest.raises(TypeError, match="`needed` must be a collection of words. Received: the string 'cat'"):
        read_vectors(write(GLOVE), needed="cat")


def test_second_call_reads_the_cache(write, monkeypatch):
    path = write(GLOVE + "x 1\n")
    first = read_vectors(path, needed=["b", "a"])
    monkeypatch.setattr(vectors, "_read_file", None)
    second = read_vectors(path, needed=("a", "b", "a"))
    for name in ("words", "source", "sha256", "broken_lines", "num_broken", "dim"):
        assert getattr(first, name) == getattr(second, name)
    np.testing.assert_array_equal(first.matrix, second.matrix)
    assert second.matrix.dtype == np.float32
    assert second.lookup("THE") == 0


def test_cache_goes_by_file_and_arguments(write, cache_folder):
    path = write(GLOVE)
    assert len(read_vectors(path).words) == 3
    assert len(read_vectors(path, max_vectors=1).words) == 1
    assert len(read_vectors(path, needed=["cat"], max_vectors=1).words) == 2
    write(GLOVE + "dog 1 1 1\n")
    assert len(read_vectors(path).words) == 4
    status = path.stat()
    write(GLOVE + "cow 1 1 1\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert read_vectors(path).words[-1] == "cow"
    assert len(list(cache_folder.iterdir())) == 5


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other", "folder"])
def test_damaged_cache_is_read_again(write, cache_folder, damage):
    path = write(GLOVE)
    read_vectors(path)
    (cached,) = cache_folder.iterdir()
    whole = cached.read_bytes()
    if damage == "cut":
        cached.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        cached.write_bytes(whole[:200] + bytes(255 - byte for byte in whole[200:260]) + whole[260:])
    elif damage == "empty":
        cached.write_bytes(b"")
    elif damage == "other":
        with open(cached, "wb") as file:
            np.savez(file, words=np.zeros(3, np.uint8))
    else:
        cached.unlink()
        cached.mkdir()
    assert read_vectors(path).words == ("the", "Cat", "cat")
    if damage != "folder":
        assert cached.read_bytes() == whole
    assert list(cache_folder.iterdir()) == [cached]


def test_a_cache_that_cannot_be_is_no_error(write, tmp_path, cache_folder, monkeypatch):
    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full_disk)
        assert len(read_vectors(write(GLOVE)).words) == 3
        assert list(cache_folder.iterdir()) == []
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "file" / "cache"))
    assert len(read_vectors(write(GLOVE)).words) == 3


BINARY_WORDS = [b"</s>", "na\u00efve".encode(), "\U0001f600".encode(), b"Rome", b"x"]
BINARY_MATRIX = np.arange(20, dtype=np.float32).reshape(5, 4) / 7


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_binary_without_gensim_says_what_to_install(write, monkeypatch, pack):
    monkeypatch.setitem(sys.modules, "gensim", None)
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    path = write(pack(word2vec_binary(BINARY_WORDS, BINARY_MATRIX)))
    with pytest.raises(ImportError, match=re.escape('pip install "mner-keras[word2vec]"')) as caught:
        read_vectors(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["v.bin", "v.bin.gz"])
def test_binary_by_gensim(write, pack, name):
    pytest.importorskip("gensim", reason="gensim is not installed")
    stored = pack(word2vec_binary(BINARY_WORDS, BINARY_MATRIX))
    path = write(stored, name)
    read = read_vectors(path)
    assert read.words == ("</s>", "na\u00efve", "\U0001f600", "Rome", "x")
    np.testing.assert_array_equal(read.matrix, BINARY_MATRIX)
    assert read.sha256 == hashlib.sha256(stored).hexdigest()
    read = read_vectors(path, needed=["ROME", "Rome", "X"], max_vectors=2)
    assert read.words == ("</s>", "na\u00efve", "Rome", "x")
    np.testing.assert_array_equal(read.matrix, BINARY_MATRIX[[0, 1, 3, 4]])
    assert read_vectors(path, max_vectors=2).words == ("</s>", "na\u00efve")
    assert read_vectors(path, max_vectors=0).matrix.shape == (0, 4)


def test_binary_with_a_value_that_is_not_finite_or_cut_off(write):
    pytest.importorskip("gensim", reason="gensim is not installed")
    matrix = BINARY_MATRIX.copy()
    matrix[1, 2] = np.nan
    read = read_vectors(write(word2vec_binary(BINARY_WORDS, matrix)))
    assert len(read.words) == 4
    assert (read.num_broken, read.broken_lines) == (1, [(2, "a value is not finite")])
    path = write(word2vec_binary(BINARY_WORDS, BINARY_MATRIX)[:-9])
    with pytest.raises(ValueError, match="expected word2vec's binary format, but it is damaged or cut off"):
        read_vectors(path)
