"""Pictures as people's folders hold them: formats, modes, odd sizes, damage."""

import contextlib
import os
import re
import struct
import time
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mner_keras.errors import InputError
from mner_keras.vision import PictureError, find_pictures, open_picture, pictures

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture
def save(tmp_path):
    def save(image, name, **options):
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def near(colour, expected, by=12):
    return all(abs(a - b) <= by for a, b in zip(colour, expected, strict=True))


# === Formats and modes ===


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "gif", "bmp"])
def test_every_format_is_read_whatever_its_ending_or_refused_if_cut(save, ending):
    path = save(Image.new("RGB", (20, 10), RED), f"a.{ending}")
    wrong = path.rename(path.with_suffix(".jpg" if ending != "jpg" else ".png"))
    image = open_picture(wrong)
    assert (image.mode, image.size) == ("RGB", (20, 10))
    assert near(image.getpixel((5, 5)), RED)
    assert near(open_picture(str(wrong)).getpixel((5, 5)), RED)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype("uint8"))
    path = save(noise, f"a.{ending}")
    path.write_bytes(path.read_bytes()[: os.path.getsize(path) // 2])
    with pytest.raises(PictureError, match="is damaged|is no picture"):
        open_picture(path)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, WHITE),
        ("P", 7, None),
        ("LA", (100, 255), (100, 100, 100)),
        ("RGBA", (255, 0, 0, 255), RED),
        ("I;16", 257 * 100, (100, 100, 100)),
    ],
)
def test_every_mode_of_png_becomes_rgb(save, mode, colour, expected):
    image = Image.new(mode, (6, 4), colour)
    if mode == "P":
        image.putpalette([v for i in range(256) for v in (i, 2 * i % 256, 9)])
        expected = (7, 14, 9)
    found = open_picture(save(image, "a.png"))
    assert found.mode == "RGB"
    assert found.getpixel((3, 2)) == expected


def write_png(path, *header, rows):
    """Write a PNG of any width, height, depth and colour type; Pillow writes neither 16 bits a channel nor lies."""
    chunks = (b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    framed = (struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    return path


def test_16_bits_a_channel_become_8(tmp_path):
    row = b"\0" + struct.pack(">6H", 257 * 10, 257 * 200, 65535, 0, 0, 257)
    assert open_picture(write_png(tmp_path / "a.png", 2, 2, 16, 2, rows=2 * row)).getpixel((0, 0)) == (10, 200, 255)


def test_cmyk_becomes_rgb(save):
    path = save(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "a.jpg", quality=95)
    assert near(open_picture(path).getpixel((8, 8)), RED)


def test_what_is_transparent_is_white(save):
    clear = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    assert open_picture(save(clear, "a.png")).getpixel((0, 0)) == WHITE
    assert open_picture(save(clear, "a.webp", lossless=True)).getpixel((0, 0)) == WHITE
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert near(open_picture(half).getpixel((0, 0)), (255, 127, 127), by=1)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([1, 2, 3, 255, 0, 0])
    palette.putpixel((1, 1), 1)
    for name in ("p.gif", "p.png"):
        found = open_picture(save(palette, name, transparency=0))
        assert (found.getpixel((0, 0)), found.getpixel((1, 1))) == (WHITE, RED)
    keyed = Image.new("RGB", (4, 4), (1, 2, 3))
    assert open_picture(save(keyed, "k.png", transparency=(1, 2, 3))).getpixel((0, 0)) == WHITE


def test_the_first_frame_of_an_animation_is_read(save):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    for ending in ("gif", "png", "webp"):
        path = save(frames[0], f"a.{ending}", save_all=True, append_images=frames[1:], duration=10)
        assert near(open_picture(path).getpixel((4, 4)), RED), ending


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_the_camera_s_orientation_is_applied(save):
    image = Image.new("RGB", (32, 16), "white")
    image.paste(RED, (0, 0, 16, 8))
    for orientation, corner in ((1, 0), (2, 1), (3, 3), (4, 2), (5, 0), (6, 1), (7, 3), (8, 2)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found = open_picture(save(image, "a.jpg", exif=exif, quality=95))
        assert found.size == ((32, 16) if orientation < 5 else (16, 32))
        w, h = found.size
        corners = [found.getpixel(place) for place in ((0, 0), (w - 1, 0), (0, h - 1), (w - 1, h - 1))]
        assert [near(colour, RED, 40) for colour in corners] == [place == corner for place in range(4)]
    damaged = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 40
    assert open_picture(save(image, "a.jpg", exif=damaged)).size == (32, 16)


def test_pictures_already_open_are_taken(save):
    assert open_picture(Image.new("L", (3, 3), 5)).getpixel((0, 0)) == (5, 5, 5)
    with Image.open(save(Image.new("RGB", (3, 3), RED), "a.png")) as image:
        assert open_picture(image).getpixel((0, 0)) == RED
    with pytest.raises(TypeError, match="Received: int"):
        open_picture(5)


# === Sizes ===


@pytest.mark.parametrize("size", [(1, 1), (10_000, 10), (1, 3000)])
def test_odd_sizes_are_read(save, size):
    assert open_picture(save(Image.new("RGB", size, RED), "a.png")).size == size


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "L", "RGBA", "I;16"])
def test_a_large_picture_becomes_smaller(save, monkeypatch, mode):
    monkeypatch.setattr(pictures, "LARGE", 10_000)
    monkeypatch.setattr(pictures, "_SIDE", 64)
    found = open_picture(save(Image.new(mode, (400, 200), 1 if mode == "1" else 0), "a.png"))
    assert (found.mode, found.size) == ("RGB", (64, 32))
    assert near(found.getpixel((5, 5)), WHITE if mode in ("1", "RGBA") else (0, 0, 0))
    if mode == "RGB":
        found = open_picture(save(Image.new(mode, (400, 40), RED), "a.jpg", quality=95))
        assert found.size[0] == 64
        assert near(found.getpixel((5, 0)), RED)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(50_000, 50_000), (10_000, 9_000), (2**31 - 1, 1)])
def test_a_decompression_bomb_is_refused(tmp_path, size):
    with pytest.raises(PictureError, match="more pixels than Pillow's limit"):
        open_picture(write_png(tmp_path / "a.png", *size, 8, 2, rows=b"\0" * 10**6))


def test_a_webp_that_takes_too_much_memory_is_refused(save, monkeypatch):
    monkeypatch.setattr(pictures, "_WEBP_LIMIT", 1000)
    with pytest.raises(PictureError, match="more pixels than is safe to decode: 1,600 of WebP"):
        open_picture(save(Image.new("RGB", (40, 40)), "a.webp"))
    assert open_picture(save(Image.new("RGB", (40, 40)), "a.png")).size == (40, 40)


# === Damage ===


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"no picture at all", "is no picture in JPEG, PNG, WEBP, GIF or BMP"),
        (b"\xff\xd8\xff\xe0", "is no picture"),
        (b"%PDF-1.4", "is no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, content, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=f"^{re.escape(str(path))}: {reason}") as caught:
        open_picture(path)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.reason}"


def test_what_cannot_be_opened_is_refused(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path, "a\0b.jpg"):
        with pytest.raises(PictureError, match="cannot be read|is no file"):
            open_picture(path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="is no file"):
        open_picture(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "link.jpg")
    with pytest.raises(PictureError, match="cannot be read"):
        open_picture(tmp_path / "link.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_refused(save):
    path = save(Image.new("RGB", (3, 3)), "a.png")
    path.chmod(0)
    with pytest.raises(PictureError, match="cannot be read: Permission denied"):
        open_picture(path)


# === Folders ===


def test_a_folder_s_pictures_are_found_by_id(tmp_path):
    for name in ("b.JPG", "a.png", "c.d.webp", "notes.txt", ".hidden.jpg", "._a.jpg", "noending", "\u00e9.gif"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.jpg").mkdir()
    (tmp_path / "gone.bmp").symlink_to(tmp_path / "nowhere")
    found, passed = find_pictures([tmp_path])
    assert {key: path.name for key, path in found.items()} == {
        "a": "a.png",
        "b": "b.JPG",
        "c.d": "c.d.webp",
        "gone": "gone.bmp",
        "\u00e9": "\u00e9.gif",
    }
    assert list(found) == sorted(found)
    assert passed == ["._a.jpg", ".hidden.jpg", "noending", "notes.txt", "sub.jpg"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "z.png").write_bytes(b"")
    assert list(find_pictures([tmp_path / "other", tmp_path / "notes.txt", tmp_path / "b.JPG"])[0]) == [
        "b",
        "notes.txt",
        "z",
    ]


@pytest.mark.parametrize("other", ["a.png", "a.jfif", "a.jpe", "a.JPG_LARGE", "a .jpg", "a.jpg.jpg"])
def test_two_files_of_one_id_are_an_error(tmp_path, other):
    Image.new("RGB", (20, 10), RED).save(tmp_path / other, format="JPEG")
    found, passed = find_pictures([tmp_path])
    assert (list(found), passed) == (["a"], [])
    assert near(open_picture(found["a"]).getpixel((5, 5)), RED)
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        find_pictures([tmp_path])
    first, second = sorted(tmp_path / name for name in ("a.jpg", other))
    assert str(caught.value) == f"expected one picture of the id 'a', found {first} and {second}"


def test_folders_that_give_no_pictures_are_errors(tmp_path):
    with pytest.raises(InputError, match="expected pictures .* found none"):
        find_pictures([tmp_path])
    with pytest.raises(InputError, match="found no such thing"):
        find_pictures([tmp_path / "none"])
    (tmp_path / "_blank.png").write_bytes(b"")
    with pytest.raises(InputError, match="stands for the blank picture"):
        find_pictures([tmp_path])


def test_a_large_folder_is_listed_in_seconds(tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.jpg" for number in range(30_000)]
    entries = [SimpleNamespace(name=path.name, path=path, is_dir=lambda: False) for path in paths]
    monkeypatch.setattr(pictures.os, "scandir", lambda _: contextlib.nullcontext(entries))
    started = time.monotonic()
    assert len(find_pictures([tmp_path])[0]) == 30_000
    assert time.monotonic() - started < 20
