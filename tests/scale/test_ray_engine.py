"""What a cluster has for each job, and what is refused before Ray starts."""

import sys

import pytest

from mner_keras.errors import InputError
from mner_keras.scale import ray_engine


def test_each_job_gets_an_equal_share():
    nodes = [{"CPU": 4}, {"CPU": 2}, {"memory": 1}]
    assert [ray_engine.share(nodes, jobs) for jobs in (1, 2, 3, 6)] == [(4, 0), (2, 0), (2, 0), (1, 0)]
    assert ray_engine.share([{"CPU": 8, "GPU": 2}, {"CPU": 8}], 2) == (4, 1)
    assert ray_engine.share([{"CPU": 8, "GPU": 2}], 4) == (2, 0)


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([{"CPU": 2}, {"CPU": 0}], "found 2 on 2 nodes: use --jobs 2, or add nodes"),
        ([{"CPU": 1}], "found 1 on 1 node:"),
    ],
)
def test_too_few_cpus_are_refused(nodes, found):
    with pytest.raises(InputError, match=rf"`--jobs 3` needs 3 CPUs in the Ray cluster, {found}"):
        ray_engine.share(nodes, 3)


def join(address=""):
    with ray_engine.open_engine("ray", 1, address):
        pass


def test_no_cluster_and_no_ray_are_refused(monkeypatch):
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=r"expected a Ray cluster at localhost:1 \(.*refused\)"):
        join("localhost:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs Ray: pip install 'mner-keras\[ray\]'"):
        join()
