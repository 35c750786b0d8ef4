"""Chains: kernels that run one after the other for a block of the batch, before the next block is begun.

What a kernel writes leaves the caches before the next kernel reads it if each runs over the whole batch. But most of a network
treats every sample alone: then all kernels of such a chain can run for a few samples, whose intermediate results stay in L2,
and without a barrier, since each thread takes whole blocks. An array that only the chain uses needs memory for one block per
thread (the attention weights of a transformer are never stored for the whole batch).

A cluster can be part of a chain if its leading axis is the batch and block j of it writes just block j of its targets. Where
it reads what another of the chain wrote outside of its own block (statistics over the batch, the gradient of weights), the chain
ends and the next begins behind a barrier.

If all of an inner loop's body is such a chain (the time steps of a recurrent layer), a thread takes a block through all
iterations before it begins the next: the state of a few samples stays in L1, and threads never meet inside the loop.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

from lamella.ir import ContractSpec, Var
from lamella.native.clusters import Cluster
from lamella.native.fuse import Fusion
from lamella.native.indexing import Ix, flat, strides
from lamella.native.target import Machine

SHORT = 4  # rows that make a poor tile
LEAST_SAMPLES = 4  # of a block of a loop: all of the recurrent weights are read for it in every iteration
LEAST_ROWS = 64  # a product whose rows merge with the batch is cut into pieces of at least that many


class Chain(list[Cluster]):
    """A phase whose kernels run block by block.

    Attributes:
        blocks: number of pieces of the batch.
        private: bytes per thread of arrays that live in one block only.
    """

    def __init__(self, clusters: list[Cluster], blocks: int) -> None:
        super().__init__(clusters)
        self.blocks, self.private = blocks, 0


def operand_position(spec: ContractSpec, which: int, shape: tuple[int, ...]) -> Ix:
    """Where an operand of a contraction is read, over all its axes; it may be a row of an array of that shape."""
    total = Ix()
    for affine, stride in zip(spec.maps[which], strides(shape)[-len(spec.maps[which]):], strict=True):
        axes = tuple((a, c) for a, c in enumerate(affine.coefficients) if c and spec.sizes[a] != 1)
        total = total.plus(Ix(axes, affine.offset).scaled(stride))
    return total


class Access:
    """What a cluster reads and writes, and how far apart samples lie in an array if block j of the cluster stays in block j of it.

    Attributes:
        axis: of the cluster, along which it is cut.
        reads, writes: elements from sample to sample; 0 if the cluster leaves its block.
    """

    def __init__(self, fusion: Fusion, cluster: Cluster, in_loop: bool = False) -> None:
        """`in_loop`: parts of an array that move from iteration to iteration (a time step of a history) have blocks too."""
        self.fusion, self.cluster, self.in_loop = fusion, cluster, in_loop
        self.axis = cluster.batch_axis if in_loop else 0  # a row that is stored in a history has a leading axis of size 1
        self.sizes = dict(enumerate(cluster.shape))
        if cluster.kind == "reduce" and cluster.anchor is not None:
            operand = cluster.anchor.inputs[0].type.shape
            self.sizes.update(enumerate((operand[a] for a in cluster.anchor.params["axes"]), len(cluster.shape)))
        self.reads: dict[Var, int] = {}
        self.writes: dict[Var, int] = {}
        for var, index in fusion.loads(cluster):
            if cluster.kind != "contract" or not any(a >= 100 for ix in index for a, _ in ix.axes):
                self._note(self.reads, var, flat(index, var.shape))
        if cluster.kind == "contract":
            self._operands()
        for store in cluster.stores:
            self._note(self.writes, store.target, flat(store.index, store.target.shape))
        if cluster.anchor is not None and not cluster.stores:
            self.writes.update((fusion.root(v), 0) for v in cluster.anchor.outputs)

    def _operands(self) -> None:
        eqn = self.cluster.anchor
        assert eqn is not None
        spec: ContractSpec = eqn.params["spec"]
        self.sizes.update(enumerate(spec.sizes))
        for which, x in enumerate(eqn.inputs):
            var, start = self.fusion.operand(x)
            self._note(self.reads, var, operand_position(spec, which, var.shape).plus(start))

    def _note(self, accesses: dict[Var, int], var: Var, at: Ix) -> None:
        root, apart = self.fusion.root(var), self._apart(at, var.type.size)
        accesses[root] = apart if accesses.get(root, apart) == apart else 0

    def _apart(self, at: Ix, size: int) -> int:
        """The distance of samples at position `at` of an array, if a sample lies between one of these and the next, whatever the
        other axes."""
        n = self.sizes.get(self.axis, 1)
        apart = dict(at.axes).get(self.axis, 0)
        whole = n * apart  # all samples
        if n <= 1 or apart <= 0 or size % whole:
            return 0
        if not self.in_loop and (at.dynamic or size != whole) or any(c % whole for _, c in at.dynamic):
            return 0
        low = high = at.const % whole if self.in_loop else at.const
        for axis, coefficient in at.axes:
            if axis == self.axis:
                continue
            reach = coefficient * (self.sizes.get(axis, 1) - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return apart if low >= 0 and high < apart else 0

    @property
    def free(self) -> bool:
        """Whether the cluster writes block by block, in units that follow one another."""
        cluster = self.cluster
        if cluster.kind not in ("loop", "reduce", "contract") or not self.writes or not all(self.writes.values()):
            return False
        if all(n == 1 for n in cluster.shape[self.axis + 1:]):
            return self.in_loop and cluster.kind == "loop"  # a number per sample: not worth a chain of its own
        if cluster.kind == "contract":
            return _rows_apart(cluster, self.in_loop)
        return cluster.kind == "reduce" or len(cluster.shape) - cluster.columns > self.axis


def _rows_apart(cluster: Cluster, in_loop: bool) -> bool:
    """Whether a contraction's leading axis is neither its rows nor its columns, and the rows are many without it. In a loop it may
    be the rows: what is saved there are meetings in every iteration."""
    assert cluster.anchor is not None
    spec: ContractSpec = cluster.anchor.params["spec"]
    a, b = ({axis for affine in which for axis, c in enumerate(affine.coefficients) if c} for which in spec.maps)
    outputs = [axis for axis, n in enumerate(spec.out_shape) if n != 1]
    last = outputs[-1]
    if last not in b:
        a, b = b, a
    if 0 not in a or last not in b:
        return False
    rows = [spec.out_shape[axis] for axis in outputs[1:-1] if axis in a and axis not in b]
    windows = any(sum(c != 0 for c in affine.coefficients) > 1 for which in spec.maps for affine in which)
    if in_loop and 0 not in b and not rows:
        return len(outputs) == 2 and last not in a
    if 0 in b or windows:
        return max(rows, default=1) >= SHORT
    return math.prod(rows) >= LEAST_ROWS


def find(fusion: Fusion, outer: Callable[[Var], bool], host: Machine) -> tuple[dict[Cluster, int], dict[Cluster, int]]:
    """(stage of every cluster, blocks of those in a chain).

    Within a stage, clusters outside of chains run first, then the chain. `outer` tells variables that aren't temporaries.
    """
    access = {c: Access(fusion, c) for c in fusion.clusters}
    batch = _batch(access)
    free = {c for c, a in access.items() if batch and a.free and c.shape[a.axis] % batch == 0}
    while free:
        stages = _stages(access, free)
        worth = {s for s in set(stages.values()) if _pays([access[c] for c in free if stages[c] == s], outer, host.l2 // 4)}
        kept = {c for c in free if stages[c] in worth}
        if kept == free:
            break
        free = kept
    if not free or batch < host.cores:
        return dict.fromkeys(access, 0), {}
    blocks = _block_count(batch, [access[c] for c in free], host)
    return stages, dict.fromkeys(free, blocks)


def of_loop(fusion: Fusion, outer: Callable[[Var], bool], host: Machine) -> int:
    """Blocks of the batch for all iterations of a loop with that body; 0 if its clusters need one another's blocks.

    Every array that the body writes must have the same blocks for all who read or write it.
    """
    access = {c: Access(fusion, c, in_loop=True) for c in fusion.clusters}
    batch = _batch(access)
    if not batch or not all(a.free and c.shape[a.axis] == batch for c, a in access.items()):
        return 0
    blocks: dict[Var, set[int]] = {}
    for a in access.values():
        for var, apart in (*a.reads.items(), *a.writes.items()):
            blocks.setdefault(var, set()).add(apart)
    written = {v for a in access.values() for v in a.writes}
    if any(len(blocks[v]) > 1 or not all(blocks[v]) for v in written):
        return 0
    temporaries = [v for v in written if not outer(v)]
    if any(batch * next(iter(blocks[v])) != v.type.size for v in temporaries):
        return 0
    return _even_blocks(batch, sum(v.type.nbytes for v in temporaries), host)


def _even_blocks(batch: int, nbytes: int, host: Machine) -> int:
    """Blocks of at least LEAST_SAMPLES with which the busiest thread has the fewest samples; a block's temporaries fit into L2."""
    def busiest(n: int) -> int:
        return -(-n // host.cores) * (batch // n)

    counts = [n for n in range(1, batch // LEAST_SAMPLES + 1) if batch % n == 0]
    blocks = min(counts, key=lambda n: (busiest(n), nbytes // n > host.l2 // 2, n), default=0)
    return blocks if blocks and busiest(blocks) * host.cores <= 1.5 * batch else 0


def _batch(access: Mapping[Cluster, Access]) -> int:
    """The leading size of most of what is written; 0 if nothing has one."""
    weight: Counter[int] = Counter()
    for cluster, a in access.items():
        if a.free:
            weight[cluster.shape[a.axis]] += sum(v.type.nbytes for v in a.writes)
    return max(weight, key=lambda n: (weight[n], -n), default=0)


def _stages(access: Mapping[Cluster, Access], free: set[Cluster]) -> dict[Cluster, int]:
    stages: dict[Cluster, int] = {}
    for c in sorted(access, key=lambda c: len(c.ancestors)):
        last = max(map(stages.__getitem__, c.ancestors), default=0)
        waits = any(stages[a] == last and a in free and (c not in free or _meet(access[a], access[c])) for a in c.ancestors)
        stages[c] = last + waits
    return stages


def _meet(first: Access, second: Access) -> bool:
    """Whether a block of one touches what another block of the other touches, and one of them writes it."""
    for one, two in ((first, second), (second, first)):
        for var, stays in one.writes.items():
            others = [x[var] for x in (two.writes, two.reads) if var in x]
            if others and not (stays and all(others)):
                return True
    return False


def _pays(chain: list[Access], outer: Callable[[Var], bool], least: int) -> bool:
    """Whether a chain reads a large array that it wrote."""
    written = {v for a in chain for v in a.writes if v.type.nbytes >= least and not outer(v)}
    return any(v in written for a in chain for v in a.reads)


def _block_count(batch: int, chain: list[Access], host: Machine) -> int:
    """Few blocks, so that threads share them evenly and a block's arrays fit into half of L2."""
    total = sum({v: v.type.nbytes for a in chain for v in (*a.writes, *a.reads)}.values())
    counts = [n for n in range(1, batch + 1) if batch % n == 0 and n >= 4 * host.cores]
    return next((n for n in counts if total // n <= host.l2 // 2), batch)
