"""`Shard`: N commands do all of the work once, whatever the order, and whichever of them is killed."""

import sys

import numpy as np
import pytest
from extraction_runs import extraction_process, write_pictures

from mner_keras.errors import InputError
from mner_keras.scale.shards import Shard
from mner_keras.vision import FeatureStore


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1/0", "3", "x/3", "1/3/4", "-1/3", "1 / 3", "1.0/3", "\u0661/3"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InputError) as caught:
        Shard.parse(text)
    assert str(caught.value) == f"expected --shard I/N with I from 1 to N, such as 3/64, found {text!r}"


def test_each_item_is_in_one_shard():
    ids = [f"16_05_01_{number}" for number in range(2000)]
    for count in (1, 3, 64):
        shards = [Shard.parse(f"{number}/{count}") for number in range(1, count + 1)]
        held = [[image_id for image_id in ids if shard.holds(image_id)] for shard in shards]
        assert sorted(sum(held, [])) == sorted(ids)
        assert max(map(len, held)) < 2 * len(ids) / count + 1
        assert sorted(item for shard in shards for item in shard.take(iter(range(100)))) == list(range(100))
    assert Shard.parse(None) is None


def test_a_picture_stays_in_its_shard_in_every_version():
    # Half of the shards may be done already when someone updates.
    held = {"1": 56, "\u00e4": 4, "\udcff": 1}
    assert all(Shard(number, 64).holds(image_id) for image_id, number in held.items())


def test_the_place_of_the_parts_is_checked(tmp_path):
    assert Shard(3, 64).part(tmp_path / "regions", ".h5") == tmp_path / "regions" / "part-003-of-064.h5"
    assert Shard(1000, 1000).part(tmp_path / "regions", ".h5").name == "part-1000-of-1000.h5"
    (tmp_path / "regions" / "part-003-of-064.h5").touch()
    (tmp_path / "file").touch()
    for folder, expected in (
        (tmp_path / "regions", "expected parts of 65 shards, found part-003-of-064.h5"),
        (tmp_path / "file", "expected a folder: with --shard, each shard writes one part into it"),
        (tmp_path / "regions.h5", "expected a folder: with --shard, each shard writes one part into it"),
    ):
        with pytest.raises(InputError, match=expected):
            Shard(3, 65).part(folder, ".h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "regions"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_three_shards_of_which_one_is_killed_make_the_store_of_one_command(tmp_path):
    single, folder = tmp_path / "single.h5", tmp_path / "regions"
    with extraction_process(write_pictures(tmp_path / "pictures", 60)) as extract:
        assert extract((None, single, None))[0][0] == 0
        assert extract(("2/3", folder, 0.01))[0][0] != 0
        assert [code for code, *_ in extract(("1/3", folder, None), ("3/3", folder, None))] == [0, 0]
        with pytest.raises(InputError, match=r"part-002-of-003\.h5"):
            len(FeatureStore(folder))
        assert [code for code, *_ in extract(("2/3", folder, None), ("1/3", folder, None))] == [0, 0]
    ours, theirs = FeatureStore(folder), FeatureStore(single)
    assert ours.names == theirs.names
    assert ours.attributes == theirs.attributes
    for name in theirs.names:
        np.testing.assert_array_equal(ours.read([name], 4)[0], theirs.read([name], 4)[0])
    np.testing.assert_array_equal(ours.blank(4), theirs.blank(4))
