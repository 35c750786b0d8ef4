"""Pictures of models: nothing overlaps, no line meets a box or a text, whatever the graph."""

from __future__ import annotations

import itertools
import os
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from lamella.drawing import model_to_dot, plot_model
from lamella.drawing.alignment import nearest
from lamella.drawing.boxes import GAP, Box, Edge
from lamella.drawing.layout import place
from lamella.drawing.ordering import crossings
from lamella.drawing.shapes import Arrow, Label, Rectangle, bends, text_width
from lamella.nn import layers as L
from lamella.training import Model, Sequential
from lamella.utils import plot_model as exported


def cnn():
    return Sequential([L.Input((28, 28, 1)), L.Conv2D(8, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(10)])


def two_inputs():
    image, words, table = L.Input((16, 16, 3), name="image"), L.Input((9,), dtype="int32"), L.Input((5,))
    x = start = L.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = L.Add()([L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(x)), start])
    w = L.Bidirectional(L.LSTM(8))(L.Embedding(100, 16)(words))
    h = L.Dense(32)(L.Concatenate()([L.GlobalAveragePooling2D()(x), w, table]))
    return Model([image, words, table], [L.Dense(3, name="kind")(h), L.Dense(1, name="price")(L.Concatenate()([h, table]))])


def siamese():
    encoder = Sequential([L.Input((8,)), L.Dense(6, activation="relu"), L.Dense(4)], name="encoder")
    p, q = L.Input((4,)), L.Input((4,))
    d, m = L.Subtract()([p, q]), L.Multiply()([p, q])
    inner = Sequential([L.Input((8,)), L.Dense(1)], name="deep")
    head = Model([p, q], [inner(L.Concatenate()([d, m])), d], name="head")
    a, b = L.Input((8,)), L.Input((8,))
    y, d = head([encoder(a), encoder(b)])
    return Model([a, b], [y, L.Activation("tanh")(d)])


def unet():
    x = inputs = L.Input((16, 16, 1))
    skips = []
    for filters in (2, 3, 4):
        x = L.Conv2D(filters, 3, padding="same")(x)
        skips.append(x)
        x = L.MaxPooling2D()(x)
    for skip in skips[::-1]:
        x = L.Concatenate()([L.UpSampling2D()(x), skip])
    return Model(inputs, x * 2.0)


MODELS = {"cnn": cnn, "two inputs": two_inputs, "siamese": siamese, "unet": unet}
EVERYTHING = dict.fromkeys(("show_shapes", "show_dtype", "show_layer_names", "show_layer_activations", "show_trainable",
                            "expand_nested"), True)


def samples(arrow):
    """Points all along a line."""
    parts = [arrow.points[k:k + 2] for k in range(0, len(arrow.points), 2)]
    t = np.linspace(0, 1, 40)[:, None]
    lines = [np.array(a) * (1 - t) + np.array(b) * t for a, b in parts]
    curves = [sum(w * np.array(p) for w, p in zip(((1 - t)**3, 3 * t * (1 - t)**2, 3 * t**2 * (1 - t), t**3), curve, strict=True))
              for curve in bends(arrow)]
    return np.concatenate(lines + curves)


def meets(points, x0, y0, x1, y1):
    """Whether one lies inside of a rectangle, more than half a point from its border."""
    x, y = points.T
    return bool(((x > x0 + 0.5) & (x < x1 - 0.5) & (y > y0 + 0.5) & (y < y1 - 0.5)).any())


def of_rectangle(r):
    return r.x, r.y, r.x + r.width, r.y + r.height


def of_label(label):
    width = text_width(label.text, label.size, label.bold)
    left = label.x - width / 2 if label.centred else label.x
    return left, label.y - label.size * 0.8, left + width, label.y + label.size * 0.25


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_overlaps_in_a_picture(name, options, rankdir):
    picture = plot_model(MODELS[name](), None, rankdir=rankdir, **options).picture
    kinds = [[s for s in picture.shapes if isinstance(s, kind)] for kind in (Rectangle, Label, Arrow)]
    boxes, frames = ([r for r in kinds[0] if r.dashed == dashed] for dashed in (False, True))
    lines = [samples(arrow) for arrow in kinds[2]]
    for a, b in itertools.combinations(boxes, 2):
        assert apart(of_rectangle(a), of_rectangle(b))
    for points, rectangle in itertools.product(lines, [of_rectangle(r) for r in boxes] + [of_label(x) for x in kinds[1]]):
        assert not meets(points, *rectangle)
    for label in kinds[1]:
        place_ = of_label(label)
        inside = [r for r in kinds[0] if r.x <= place_[0] and r.y <= place_[1] and r.x + r.width >= place_[2]
                  and r.y + r.height >= place_[3]]
        assert inside, label.text
    for frame, other in itertools.product(frames, boxes + frames):
        a, b = of_rectangle(frame), of_rectangle(other)
        within = a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2] and a[3] >= b[3]
        around = b[0] <= a[0] and b[1] <= a[1] and b[2] >= a[2] and b[3] >= a[3]
        assert apart(a, b) or within or around
    everything = np.concatenate([*lines, np.array([of_rectangle(r) for r in kinds[0]]).reshape(-1, 2)])
    assert everything.min() >= 0 and (everything <= [picture.width, picture.height]).all()


@pytest.mark.parametrize("seed", range(12))
def test_layouts_of_random_graphs(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    boxes = [Box(float(rng.integers(30, 200)), float(rng.integers(20, 80))) for _ in range(n)]
    edges = [Edge(i, j) for j in range(1, n) for i in rng.choice(j, min(j, int(rng.integers(0, 4))), replace=False).tolist()]
    layout = place(boxes, edges)
    for a, b in itertools.combinations(boxes, 2):
        assert abs(a.x - b.x) >= (a.width + b.width) / 2 + GAP - 5 or abs(a.y - b.y) >= (a.height + b.height) / 2
    for edge, route in zip(edges, layout.routes, strict=True):
        ys = [y for _, y in route]
        assert ys == sorted(ys) and len(route) % 2 == 0
        points = samples(Arrow(tuple(route), vertical=True))
        for k, box in enumerate(boxes):
            half = np.array([box.width, box.height]) / 2
            assert not meets(points, *([box.x, box.y] - half), *([box.x, box.y] + half)), k
        start, end = boxes[edge.start], boxes[edge.end]
        assert abs(route[0][0] - start.x) <= start.width / 2 and route[0][1] == start.y + start.height / 2
        assert abs(route[-1][0] - end.x) <= end.width / 2 and route[-1][1] == end.y - end.height / 2


def test_main_paths_and_skips_are_straight():
    boxes = [Box(60, 20) for _ in range(5)]
    layout = place(boxes, [Edge(i, i + 1) for i in range(4)] + [Edge(0, 4)])
    assert len({round(box.x, 3) for box in boxes}) == 1
    assert len({round(x, 3) for x, _ in layout.routes[-1][2:-2]}) == 1


def test_order_leaves_no_needless_crossing():
    layout = place([Box(40, 20) for _ in range(6)], [Edge(0, 5), Edge(1, 4), Edge(2, 3)])
    tops = sorted(range(3), key=lambda i: layout.boxes[i].x)
    assert sorted((3, 4, 5), key=lambda i: layout.boxes[i].x) == [5 - i for i in tops]
    assert crossings([[0, 1, 2], [3, 4, 5]], [(0, 5), (1, 4), (2, 3)]) == 3


def test_nearest_is_the_least_squares_answer():
    rng = np.random.default_rng(0)
    wanted, weights, widths = rng.uniform(0, 200, 7), rng.uniform(1, 8, 7), rng.uniform(10, 60, 7)
    best = np.array(nearest(wanted, weights, widths))
    distances = (widths[1:] + widths[:-1]) / 2 + GAP
    assert (np.diff(best) >= distances - 1e-9).all()
    cost = (weights * (best - wanted)**2).sum()
    for _ in range(300):
        other = best + rng.normal(0, 3, 7)
        other = np.concatenate([other[:1], other[:1] + np.cumsum(np.maximum(np.diff(other), distances))])
        assert (weights * (other - wanted)**2).sum() >= cost - 1e-6


def test_files(tmp_path):
    model = siamese()
    for ending, start in ((".svg", b"<svg "), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        if ending != ".svg":
            pytest.importorskip("matplotlib")
        path = tmp_path / f"model{ending}"
        drawing = plot_model(model, path, dpi=50, **EVERYTHING)
        assert path.read_bytes().startswith(start)
    elements = ET.fromstring(drawing.svg)
    texts = [e.text for e in elements.iter() if e.tag.endswith("text")]
    assert {"Sequential (call 1)", "Sequential (call 2)", "encoder", "Dense · relu", "(None, 8) → (None, 6)"} <= set(texts)
    assert drawing._repr_svg_() == (tmp_path / "model.svg").read_text(encoding="utf-8")
    assert exported is plot_model


def test_what_is_shown_is_what_was_asked_for():
    def texts(**options):
        return [s.text for s in plot_model(cnn(), None, **options).picture.shapes if isinstance(s, Label)]

    assert texts() == ["InputLayer", "Conv2D", "MaxPooling2D", "Flatten", "Dense"]
    assert "Conv2D · relu" in texts(show_layer_activations=True) and "Dense" in texts(show_layer_activations=True)
    assert "(None, 28, 28, 1) → (None, 26, 26, 8)" in texts(show_shapes=True) and "float32" in texts(show_dtype=True)
    assert texts(show_trainable=True).count("trainable") == 2
    unbuilt = Sequential([L.Dense(3, name="a"), L.Dense(4, name="b")])
    assert [s.text for s in plot_model(unbuilt, None, show_shapes=True, show_layer_names=True).picture.shapes
            if isinstance(s, Label)] == ["Dense", "a", "Dense", "b"]

    class Subclassed(Model):
        def call(self, inputs):
            return inputs

    assert [type(s) for s in plot_model(Subclassed(), None).picture.shapes] == [Rectangle, Label]


def test_dot_text():
    text = model_to_dot(siamese(), rankdir="LR", show_shapes=True, expand_nested=True)
    assert "rankdir=LR" in text and text.count("subgraph cluster_") == 4 and text.count("{") == text.count("}")
    assert model_to_dot(cnn(), show_layer_names=False).count("->") == 4


def test_bad_arguments(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"rankdir must be one of TB, BT, LR, RL, received 'up'"):
        plot_model(cnn(), None, rankdir="up")
    with pytest.raises(ValueError, match=r"'model.pgn' names no format of a picture. Did you mean '.png'"):
        plot_model(cnn(), "model.pgn")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install .*ends in .svg"):
        plot_model(cnn(), tmp_path / "model.png")
    assert not os.listdir(tmp_path)
