"""Mistakes that users make with layers: each error names the layer, what it expected and what it got."""

from __future__ import annotations

import numpy as np
import pytest

from lamella import ops
from lamella.errors import LamellaError, ShapeError
from lamella.nn import layers as L
from lamella.nn.layers import Input
from lamella.training import Model, Sequential

ROW, STEPS = np.ones((2, 5), np.float32), np.ones((2, 6, 4), np.float32)
IMAGE, VOLUME = np.ones((2, 8, 8, 3), np.float32), np.ones((1, 4, 4, 4, 2), np.float32)
MASK = np.ones((2, 5), bool)


def then(layer, first, second):
    """Build on one input, call on another."""
    layer(first)
    return layer(second)


SHAPES = {
    "Dense on one axis": (lambda: L.Dense(3, name="x")(np.ones(5, np.float32)), "at least 2 axes", "(5,)"),
    "Dense on another width": (lambda: then(L.Dense(3, name="x"), ROW, ROW[:, :4]), "axis -1 of size 5", "(2, 4)"),
    "Dense on an unknown width": (lambda: L.Dense(3, name="x")(Input((None,))), "known size", "(None, None)"),
    "Dense on two inputs": (lambda: L.Dense(2, name="x")([ROW, ROW]), "expects 1 input", "2"),
    "Conv2D on steps": (lambda: L.Conv2D(3, 3, name="x")(STEPS), "4 axes", "(2, 6, 4)"),
    "Conv2D on other channels": (lambda: then(L.Conv2D(3, 3, name="x"), IMAGE, IMAGE[..., :2]), "of size 3", "(2, 8, 8, 2)"),
    "Conv2D larger than the input": (lambda: L.Conv2D(3, 9, name="x")(IMAGE), "window (9, 9)", "(8, 8)"),
    "Conv2D larger than a later input": (lambda: then(L.Conv2D(3, 5, name="x"), IMAGE, IMAGE[:, :4]), "window (5, 5)", "(4, 8)"),
    "Conv2D larger than a symbolic input": (lambda: L.Conv2D(3, 9, name="x")(Input((8, 8, 3))), "window (9, 9)", "(8, 8)"),
    "Conv1D dilated beyond": (lambda: L.Conv1D(3, 3, dilation_rate=4, name="x")(STEPS), "dilated to (9,)", "(6,)"),
    "Conv3D larger": (lambda: L.Conv3D(3, 5, name="x")(VOLUME), "window (5, 5, 5)", "(4, 4, 4)"),
    "DepthwiseConv2D larger": (lambda: L.DepthwiseConv2D(9, name="x")(IMAGE), "window (9, 9)", "(8, 8)"),
    "SeparableConv2D larger": (lambda: L.SeparableConv2D(2, 9, name="x")(IMAGE), "window (9, 9)", "(8, 8)"),
    "MaxPooling2D larger": (lambda: L.MaxPooling2D(9, name="x")(IMAGE), "window (9, 9)", "(8, 8)"),
    "AveragePooling1D larger": (lambda: L.AveragePooling1D(7, name="x")(STEPS), "window (7,)", "(6,)"),
    "groups and channels": (lambda: L.Conv2D(4, 3, groups=2, name="x")(IMAGE), "2 groups", "3 channels"),
    "groups and filters": (lambda: L.Conv2D(3, 3, groups=2, name="x"), "2 groups", "3 filters"),
    "GroupNormalization": (lambda: L.GroupNormalization(groups=3, name="x")(STEPS), "3 groups", "(2, 6, 4)"),
    "GlobalAveragePooling2D": (lambda: L.GlobalAveragePooling2D(name="x")(STEPS), "4 axes", "(2, 6, 4)"),
    "LSTM on rows": (lambda: L.LSTM(3, name="x")(ROW), "at least 3 axes", "(2, 5)"),
    "LSTM on other features": (lambda: then(L.LSTM(3, name="x"), STEPS, STEPS[..., :2]), "axis -1 of size 4", "(2, 6, 2)"),
    "LSTM with one state": (lambda: L.LSTM(3, name="x")(STEPS, initial_state=[np.ones((2, 3), np.float32)]),
                            "[(2, 3), (2, 3)]", "[(2, 3)]"),
    "ConvLSTM2D on images": (lambda: L.ConvLSTM2D(3, 3, name="x")(IMAGE), "5 axes", "(2, 8, 8, 3)"),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3), name="x")(np.ones(5, np.float32)), "(batch, steps, ...)", "(5,)"),
    "BatchNormalization on other channels": (lambda: then(L.BatchNormalization(name="x"), IMAGE, IMAGE[..., :2]),
                                             "of size 3", "(2, 8, 8, 2)"),
    "BatchNormalization axis": (lambda: L.BatchNormalization(axis=4, name="x")(IMAGE), "axis 4", "4 axes"),
    "LayerNormalization axis": (lambda: L.LayerNormalization(axis=5, name="x")(STEPS), "axis 5", "3 axes"),
    "UnitNormalization axis": (lambda: L.UnitNormalization(axis=4, name="x")(STEPS), "axis 4", "3 axes"),
    "Softmax axis": (lambda: L.Softmax(axis=5, name="x")(STEPS), "axis 5", "3 axes"),
    "Add": (lambda: L.Add(name="x")([ROW, ROW[:, :4]]), "broadcast", "(2, 5), (2, 4)"),
    "Add in a model": (lambda: L.Add(name="x")([Input((5,)), Input((4,))]), "11 stands for a size that", "(11, 4)"),
    "Add of one": (lambda: L.Add(name="x")(ROW), "a list of", "Tensor"),
    "Subtract of three": (lambda: L.Subtract(name="x")([ROW] * 3), "2 inputs", "3"),
    "Concatenate": (lambda: L.Concatenate(name="x")([STEPS, STEPS[:, :3]]), "only on axis -1", "(2, 3, 4)"),
    "Concatenate axis": (lambda: L.Concatenate(axis=5, name="x")([STEPS, STEPS]), "axis 5", "3 axes"),
    "Dot": (lambda: L.Dot(axes=1, name="x")([ROW, ROW[:, :4]]), "equal sizes", "5 and 4"),
    "Reshape": (lambda: L.Reshape((4,), name="x")(ROW), "to (4,)", "(5,)"),
    "RepeatVector": (lambda: L.RepeatVector(3, name="x")(STEPS), "2 axes", "(2, 6, 4)"),
    "Cropping2D": (lambda: L.Cropping2D(5, name="x")(IMAGE), "((5, 5), (5, 5))", "(8, 8)"),
    "PReLU": (lambda: then(L.PReLU(name="x"), STEPS, STEPS[:, :3]), "axis 1 of size 6", "(2, 3, 4)"),
    "Dropout noise": (lambda: L.Dropout(0.5, noise_shape=(2, 3), name="x")(ROW, training=True), "(2, 3)", "(2, 5)"),
    "Rescaling": (lambda: L.Rescaling([1.0, 2.0], name="x")(ROW), "(2,)", "(2, 5)"),
    "Normalization": (lambda: then(L.Normalization(name="x"), ROW, ROW[:, :4]), "axis 1 of size 5", "(2, 4)"),
    "EinsumDense": (lambda: L.EinsumDense("abcd,de->abce", (3,), name="x")(STEPS), "'abcd,de->abce'", "(3,)"),
    "MultiHeadAttention on rows": (lambda: L.MultiHeadAttention(2, 3, name="x")(ROW, ROW), ">= 3", "(2, 5)"),
    "MultiHeadAttention key and value": (lambda: L.MultiHeadAttention(2, 3, name="x")(STEPS, STEPS, STEPS[:, :3]),
                                         "key and value (batch, S", "(2, 3, 2, 3)"),
    "Attention sizes": (lambda: L.Attention(name="x")([STEPS, STEPS[..., :3]]), "same size of query and key", "(2, 6, 3)"),
    "AdditiveAttention sizes": (lambda: L.AdditiveAttention(name="x")([STEPS, STEPS[..., :3]]), "same size", "(2, 6, 3)"),
}
MASKS = {
    "LSTM": (lambda: L.LSTM(3, name="x")(STEPS, mask=MASK), "mask of shape (2, 6)", "(2, 5)"),
    "LSTM one axis": (lambda: L.LSTM(3, name="x")(STEPS, mask=MASK[0]), "mask of shape (2, 6)", "(5,)"),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(2), name="x")(STEPS, mask=MASK), "mask of shape (2, 6)", "(2, 5)"),
    "BatchNormalization": (lambda: L.BatchNormalization(name="x")(STEPS, training=True, mask=MASK), "(2, 6)", "(2, 5)"),
    "GlobalAveragePooling1D": (lambda: L.GlobalAveragePooling1D(name="x")(STEPS, mask=MASK), "mask of shape (2, 6)", "(2, 5)"),
    "Softmax": (lambda: L.Softmax(name="x")(STEPS, mask=MASK), "mask to broadcast to (2, 6, 4)", "(2, 5)"),
    "Attention": (lambda: L.Attention(name="x")([STEPS, STEPS], mask=[None, MASK]), "mask of the value of shape (2, 6)", "(2, 5)"),
    "MultiHeadAttention": (lambda: L.MultiHeadAttention(2, 3, name="x")(STEPS, STEPS, attention_mask=np.ones((2, 6, 5), bool)),
                           "attention_mask to broadcast to (6, 6)", "(6, 5)"),
    "MultiHeadAttention query": (lambda: L.MultiHeadAttention(2, 3, name="x")(STEPS, STEPS, query_mask=MASK),
                                 "query_mask of shape (2, 6)", "(2, 5)"),
}
ARGUMENTS = {
    "activation": (lambda: L.Dense(2, activation="reluu", name="x"), "Did you mean 'relu'", "'reluu'"),
    "activation of Conv2D": (lambda: L.Conv2D(2, 3, activation="sigmoidd", name="x"), "Did you mean 'sigmoid'", "'sigmoidd'"),
    "Activation": (lambda: L.Activation("tanhh", name="x"), "Did you mean 'tanh'", "'tanhh'"),
    "activation of a cell": (lambda: L.LSTM(2, activation="tanhh", name="x"), "Did you mean 'tanh'", "'tanhh'"),
    "activation inside": (lambda: L.Bidirectional(L.LSTM(2, recurrent_activation="sigmod", name="x")), "'sigmoid'", "'sigmod'"),
    "initializer": (lambda: L.Dense(2, kernel_initializer="glorot_unifrom", name="x"), "'glorot_uniform'", "'glorot_unifrom'"),
    "regularizer": (lambda: L.Embedding(2, 2, embeddings_regularizer="l3", name="x"), "l1, l1_l2", "'l3'"),
    "constraint": (lambda: L.Dense(2, kernel_constraint="max_nrom", name="x"), "'max_norm'", "'max_nrom'"),
    "padding": (lambda: L.Conv2D(3, 3, padding="sme", name="x"), "Did you mean 'same'", "'sme'"),
    "data_format": (lambda: L.Conv2D(3, 3, data_format="channel_last", name="x"), "'channels_last'", "'channel_last'"),
    "dtype": (lambda: L.Dense(2, dtype="float31", name="x"), "float32", "'float31'"),
    "an unknown argument": (lambda: L.Dense(2, actvation="relu", name="x"), "Did you mean 'activation'", "'actvation'"),
    "units": (lambda: L.Dense(2.5, name="x"), "an int > 0", "2.5"),
    "units of a cell": (lambda: L.GRU(-3, name="x"), "an int > 0", "-3"),
    "strides": (lambda: L.Conv2D(3, 3, strides=(1, 2, 3), name="x"), "an int >= 1 or 2 of them", "(1, 2, 3)"),
    "rate": (lambda: L.Dropout(2, name="x"), "[0.0, 1.0]", "2"),
    "merge_mode": (lambda: L.Bidirectional(L.LSTM(3), merge_mode="concatt", name="x"), "'concat'", "'concatt'"),
    "no recurrent layer": (lambda: L.Bidirectional(L.Dense(3), name="x"), "a recurrent layer", "Dense"),
    "equation": (lambda: L.EinsumDense("abc,cd", (3,), name="x"), "'abc,cd->abd'", "'abc,cd'"),
    "scale": (lambda: L.Rescaling("a", name="x")(ROW), "expected one of", "dtype"),
}
CASES = {f"{kind}: {name}": case for kind, table in (("shape", SHAPES), ("mask", MASKS), ("argument", ARGUMENTS))
         for name, case in table.items()}


@pytest.mark.parametrize("case", CASES)
def test_layer_expected_and_received_are_named(case):
    act, expected, received = CASES[case]
    with pytest.raises((LamellaError, ValueError, TypeError)) as caught:
        act()
    message = str(caught.value)
    assert "'x'" in message and expected in message and received in message, message
    assert message.lower().count("layer 'x'") == 1


def test_errors_of_nested_layers_name_the_innermost_and_lead_to_the_line():
    class Mine(L.Layer):
        def call(self, inputs):
            return inputs + ops.ones((1, 3))  # the wrong line

    for outer in (lambda layer: layer, lambda layer: Sequential([layer]), lambda layer: L.TimeDistributed(layer)):
        x = np.ones((2, 5, 4), np.float32)
        with pytest.raises(ShapeError, match=r"^Layer 'mine': add: shapes .*\(1, 3\)") as caught:
            outer(Mine(name="mine"))(x)
        assert any("the wrong line" in str(entry.statement) for entry in caught.traceback)


def test_errors_of_users_stay_as_they_are():
    class Strict(L.Layer):
        def __init__(self, size, **kwargs):
            super().__init__(**kwargs)
            if size < 3:
                raise ValueError("too small")

        def call(self, inputs):
            raise ValueError("not today")

    with pytest.raises(ValueError, match="^too small$"):
        Strict(1)
    with pytest.raises(ValueError, match="^not today$"):
        Strict(3)(ROW)


def test_models_name_themselves():
    inputs = Input((5,), name="data")
    model = Model(inputs, L.Dense(2)(inputs), name="small")
    with pytest.raises(ShapeError, match=r"^Model 'small': x does not fit the model's input 'data'.*received shape \(2, 4\)"):
        model(ROW[:, :4])
