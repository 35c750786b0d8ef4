"""Networks in PyTorch, eager and compiled: a fused Adam, convolutions channels-last, no ``.item()`` in the loop."""

from __future__ import annotations

import torch

from network_worker import NetworkPeer, NotOffered
from peers.torch_networks import workload
from peers.torch_others import OTHERS


class TorchEager(NetworkPeer):
    """The loop that a careful user writes by hand."""

    def build(self) -> None:
        self.model, self.x, self.loss = OTHERS[self.network]() if self.network in OTHERS else workload(self.network)
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)
        self.run = self.model

    def train(self, steps: int) -> None:
        self.model.train()
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.run(self.x)).backward()
            self.optimizer.step()

    def evaluate(self, steps: int) -> None:
        self.model.eval()
        with torch.inference_mode():
            total = sum(self.loss(self.run(self.x)) for _ in range(steps))
        total.item()

    def one(self) -> None:
        if self.network != "cnn":
            raise NotOffered
        self.model.eval()
        with torch.inference_mode():
            self.run(self.x[:1]).numpy()


class TorchCompile(TorchEager):
    """The same with ``torch.compile`` around the model, which needs a C++ compiler."""

    def build(self) -> None:
        super().build()
        self.run = torch.compile(self.model)
