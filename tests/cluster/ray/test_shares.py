"""How nodes are shared out between arrays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.machine import GIB
from cluster.ray.shares import pool_sizes
from cluster.room import Need, Room, lacking

WORKSTATION = Room(cpus=16, gpus=2, models=frozenset({"a30"}), memory_bytes=64 * GIB)

needs = st.builds(
    Need,
    cpus=st.integers(1, 6),
    gpus=st.sampled_from([0, 0.25, 0.5, 1, 2]),
    memory_bytes=st.integers(0, 8).map(lambda gib: gib * GIB),
)
rooms = st.builds(
    Room,
    cpus=st.integers(1, 16),
    gpus=st.integers(0, 4),
    models=st.just(frozenset({"a30"})),
    memory_bytes=st.just(16 * GIB),
)


def test_one_array_gets_the_machine_as_far_as_it_has_tasks() -> None:
    assert pool_sizes([WORKSTATION], [(Need(cpus=3), 100)]) == [5]
    assert pool_sizes([WORKSTATION], [(Need(cpus=3), 2)]) == [2]


def test_two_arrays_share_alike() -> None:
    assert pool_sizes([WORKSTATION], [(Need(cpus=1), 100), (Need(cpus=1), 100)]) == [8, 8]


def test_who_needs_a_gpu_chooses_first() -> None:
    assert pool_sizes([WORKSTATION], [(Need(cpus=1), 100), (Need(cpus=2, gpus=1), 100)]) == [12, 2]


def test_shares_of_a_gpu_do_not_span_devices() -> None:
    assert pool_sizes([WORKSTATION], [(Need(cpus=1, gpus=0.4), 100)]) == [4]


def test_a_worker_does_not_span_nodes() -> None:
    assert pool_sizes([Room(cpus=3), Room(cpus=3)], [(Need(cpus=2), 100)]) == [2]


@given(
    st.lists(rooms, min_size=1, max_size=3),
    st.lists(st.tuples(needs, st.integers(0, 20)), max_size=5),
)
def test_no_more_is_given_than_there_is_and_none_than_wanted(
    nodes: list[Room], wants: list[tuple[Need, int]]
) -> None:
    sizes = pool_sizes(nodes, wants)
    assert all(0 <= size <= limit for size, (_, limit) in zip(sizes, wants, strict=True))
    for total, claim in [
        (
            sum(node.cpus for node in nodes),
            sum(size * need.cpus for size, (need, _) in zip(sizes, wants, strict=True)),
        ),
        (
            sum(node.gpus for node in nodes),
            sum(size * need.gpus for size, (need, _) in zip(sizes, wants, strict=True)),
        ),
        (
            sum(node.memory_bytes for node in nodes),
            sum(size * need.memory_bytes for size, (need, _) in zip(sizes, wants, strict=True)),
        ),
    ]:
        assert claim <= total + 1e-6


@given(
    st.lists(rooms, min_size=1, max_size=3),
    st.lists(st.tuples(needs, st.integers(1, 20)), min_size=1, max_size=5),
)
def test_somebody_works_if_anybody_can(nodes: list[Room], wants: list[tuple[Need, int]]) -> None:
    if any(lacking(nodes, need) is None for need, _ in wants):
        assert sum(pool_sizes(nodes, wants)) > 0
