"""Which kernel a contraction gets: by whether its operands stay in cache."""

from __future__ import annotations

from lamella.native.blocked import Blocked
from lamella.native.clusters import Cluster
from lamella.native.contraction import Contraction
from lamella.native.kernel import Kernel
from lamella.native.llvm_text import itemsize
from lamella.native.memory import Plan
from lamella.native.streamed import Streamed
from lamella.native.target import Machine


def contract_kernel(plan: Plan, cluster: Cluster, host: Machine) -> Kernel:
    """The plain kernel if the operands fit in L2 together, else one that keeps B there if it can, else the blocked one."""
    plain = Contraction(plan, cluster, host)
    m, n, k = plain.s.m, plain.s.n, plain.k
    big = (m * k + k * n + m * n) * itemsize(plain.wide) > host.l2 and min(m, k) >= 64 and n >= host.lanes()
    if not big or len(plain.k_groups) > 2 or plain.shared:
        return plain.emit()
    kind = Streamed if Streamed.suits(plain, host) else Blocked
    return kind(plan, cluster, host).emit()
