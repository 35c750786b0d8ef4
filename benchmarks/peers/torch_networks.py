"""The networks of keras_networks.py in torch: `workload(name)` is (model, input, loss of the output)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Residual block of ResNet-20 with a projection where the shape changes."""

    def __init__(self, old: int, new: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(old, new, 3, stride, 1, bias=False), nn.BatchNorm2d(new), nn.ReLU(),
                                  nn.Conv2d(new, new, 3, 1, 1, bias=False), nn.BatchNorm2d(new))
        self.short = nn.Identity() if old == new else nn.Sequential(nn.Conv2d(old, new, 1, stride, bias=False), nn.BatchNorm2d(new))

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm, self.out = nn.Embedding(20000, 128), nn.LSTM(128, 128, batch_first=True), nn.Linear(128, 1)

    def forward(self, ids):
        return self.out(self.lstm(self.embedding(ids))[0][:, -1])


class Layer(nn.Module):
    """Pre-norm transformer layer with fused attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = (z.view(n, t, self.heads, -1).transpose(1, 2) for z in self.qkv(self.norm1(x)).split(d, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, d)
        x = x + self.out(y)
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(1000, 128), nn.Embedding(128, 128)
        self.layers, self.norm, self.out = nn.Sequential(Layer(128, 4), Layer(128, 4)), nn.LayerNorm(128), nn.Linear(128, 1000)

    def forward(self, ids):
        return self.out(self.norm(self.layers(self.words(ids) + self.places(torch.arange(ids.shape[1])))))


def resnet20() -> nn.Module:
    blocks, old = [], 16
    for new in (16, 32, 64):
        for i in range(3):
            blocks.append(Block(old, new, 2 if new > 16 and i == 0 else 1))
            old = new
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def workload(name: str):
    """(model, input, loss of the output)."""
    if name in ("cnn", "resnet20"):
        shape = (128, 1, 28, 28) if name == "cnn" else (64, 3, 32, 32)
        model = resnet20() if name == "resnet20" else nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(1600, 10))
        labels = torch.randint(0, 10, shape[:1])
        model = model.to(memory_format=torch.channels_last)
        x = torch.rand(shape).to(memory_format=torch.channels_last)
        return model, x, lambda z: F.cross_entropy(z, labels)
    if name == "lstm":
        targets = torch.randint(0, 2, (32, 1)).float()
        return Lstm(), torch.randint(0, 20000, (32, 80)), lambda z: F.binary_cross_entropy_with_logits(z, targets)
    words = torch.randint(0, 1000, (16, 128))
    return Gpt(), words, lambda z: F.cross_entropy(z.reshape(-1, 1000), words.reshape(-1))
