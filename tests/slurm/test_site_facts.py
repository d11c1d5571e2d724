"""What a site says of itself."""

from __future__ import annotations

from .configuration import CPUS_PER_NODE, MAX_ARRAY_SIZE, MEMORY_PER_NODE_MB
from .site import Site
from .waiting import backend_at


def test_partitions_nodes_and_limits(slurm_site: Site) -> None:
    backend = backend_at(slurm_site)
    site = backend.site()
    assert (site.cluster, site.max_array_size, site.accounting) == (
        "proving-ground",
        MAX_ARRAY_SIZE,
        True,
    )
    assert [one.name for one in site.partitions] == [
        "cpu",
        "gpu-a30",
        "gpu-t4",
        "preemptible",
        "hasty",
        "urgent",
    ]
    assert [one.name for one in site.partitions if one.default] == ["cpu"]
    a30 = site.partition("gpu-a30")
    assert a30 is not None
    assert (a30.up, a30.max_time_min, a30.default_time_min) == (True, 480, None)
    (kind,) = a30.nodes
    assert (kind.count, kind.cpus, kind.mem_gb, kind.gpus) == (
        1,
        CPUS_PER_NODE,
        MEMORY_PER_NODE_MB / 1024,
        {"a30": 2},
    )
    cpu = site.partition("cpu")
    assert cpu is not None
    assert [(kind.count, kind.gpus) for kind in cpu.nodes] == [(2, {})]
    assert backend.site() is site
    assert backend.calls == {"scontrol": 2, "sinfo": 1}
