"""PyTorch, eager, with the loop that a careful user writes by hand."""

from __future__ import annotations

import numpy as np
import torch

import workload
from worker import Peer


class TorchEager(Peer):
    """Tensors in memory, one gather per batch, class numbers as labels, fused Adam, no ``.item()`` inside the loop."""

    def version(self) -> dict:
        return {"torch": torch.__version__, "threads": torch.get_num_threads()}

    def build(self) -> None:
        self.model = torch.nn.Sequential(
            torch.nn.Linear(workload.FEATURES, workload.HIDDEN),
            torch.nn.ReLU(),
            torch.nn.Linear(workload.HIDDEN, workload.CLASSES),
        )
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=workload.LEARNING_RATE, eps=workload.EPSILON, fused=True
        )
        self.tensors = {name: torch.from_numpy(array) for name, array in self.data.items()}

    def _train(self, x: torch.Tensor, classes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.model(x)
        loss = torch.nn.functional.cross_entropy(logits, classes)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), (logits.detach().argmax(dim=1) == classes).sum()

    def epochs(self, rows: int, batch: int, count: int) -> float:
        x, classes = self.tensors["x_train"], self.tensors["c_train"]
        for _ in range(count):
            order = torch.randperm(rows)
            loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            for start in range(0, rows, batch):
                index = order[start : start + batch]
                loss, hits = self._train(x[index], classes[index])
                loss_sum += loss * len(index)
                correct += hits
        return loss_sum.item() / rows

    def score(self) -> tuple[float, float]:
        x, classes = self.tensors["x_test"], self.tensors["c_test"]
        loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        with torch.inference_mode():
            for x_batch, c_batch in zip(x.split(32), classes.split(32), strict=True):
                logits = self.model(x_batch)
                loss_sum += torch.nn.functional.cross_entropy(logits, c_batch, reduction="sum")
                correct += (logits.argmax(dim=1) == c_batch).sum()
        return loss_sum.item() / len(x), correct.item() / len(x)

    def one_sample(self):
        row = self.tensors["x_test"][:1]

        def predict() -> np.ndarray:
            with torch.inference_mode():
                return torch.softmax(self.model(row), dim=1).numpy()

        return predict

    one_call = one_sample

    def one_step(self, batch: int):
        x, classes = self.tensors["x_train"][:batch], self.tensors["c_train"][:batch]
        return lambda: self._train(x, classes)[0].item()
