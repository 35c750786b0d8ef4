"""The networks of keras_others.py in torch: name -> function that returns (model, input, loss of the output)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def _classes(model: nn.Module, x: torch.Tensor):
    labels = torch.randint(0, 10, x.shape[:1])
    if x.dim() == 4:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    return model, x, lambda z: F.cross_entropy(z, labels)


def mobile():
    def block(old: int, new: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(old, old, 3, stride, 1, groups=old, bias=False), nn.BatchNorm2d(old), nn.ReLU(),
                nn.Conv2d(old, new, 1, bias=False), nn.BatchNorm2d(new), nn.ReLU()]  # fmt: skip

    blocks = [*block(32, 64, 1), *block(64, 128, 2), *block(128, 128, 1), *block(128, 256, 2)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)]
    return _classes(nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), *blocks, *head), torch.rand(32, 3, 32, 32))


class _Twice(nn.Sequential):
    def __init__(self, old: int, new: int) -> None:
        super().__init__(nn.Conv2d(old, new, 3, padding=1), nn.ReLU(), nn.Conv2d(new, new, 3, padding=1), nn.ReLU())


class Unet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.bottom = _Twice(1, 16), _Twice(16, 32), _Twice(32, 64)
        self.up1, self.up2 = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)
        self.join1, self.join2, self.out = _Twice(64, 32), _Twice(32, 16), nn.Conv2d(16, 1, 1)

    def forward(self, x):
        first = self.first(x)
        second = self.second(F.max_pool2d(first, 2))
        x = self.bottom(F.max_pool2d(second, 2))
        x = self.join1(torch.cat([self.up1(x), second], 1))
        return self.out(self.join2(torch.cat([self.up2(x), first], 1)))


def unet():
    targets = torch.randint(0, 2, (8, 1, 64, 64)).float()
    x = torch.rand(8, 1, 64, 64).to(memory_format=torch.channels_last)
    return Unet().to(memory_format=torch.channels_last), x, lambda z: F.binary_cross_entropy_with_logits(z, targets)


class Words(nn.Module):
    """The last outputs of a recurrent layer over embedded words, in each direction."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.embedding, self.layer, self.out = nn.Embedding(20000, 128), layer, nn.Linear(128, 1)

    def forward(self, ids):
        y = self.layer(self.embedding(ids))[0]
        if self.layer.bidirectional:
            half = self.layer.hidden_size
            return self.out(torch.cat([y[:, -1, :half], y[:, 0, half:]], 1))
        return self.out(y[:, -1])


def _words(layer: nn.Module):
    targets = torch.randint(0, 2, (32, 1)).float()
    return Words(layer), torch.randint(0, 20000, (32, 80)), lambda z: F.binary_cross_entropy_with_logits(z, targets)


def gru():
    return _words(nn.GRU(128, 128, batch_first=True))


def bilstm():
    return _words(nn.LSTM(128, 64, batch_first=True, bidirectional=True))


def series():
    stack: list[nn.Module] = []
    for old, new in ((8, 32), (32, 32), (32, 64), (64, 64)):
        stack += [nn.Conv1d(old, new, 9, padding=4), nn.ReLU(), nn.MaxPool1d(4)]
    return _classes(nn.Sequential(*stack, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 10)), torch.rand(16, 8, 4096))


def norms():
    stack = [layer for _ in range(8) for layer in (nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())]
    return _classes(nn.Sequential(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)), torch.rand(64, 16, 32, 32))


OTHERS = {f.__name__: f for f in (mobile, unet, gru, bilstm, series, norms)}
