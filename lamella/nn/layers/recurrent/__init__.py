"""Recurrent layers: cells, and what runs them over time."""

from lamella.nn.layers.recurrent.bidirectional import Bidirectional
from lamella.nn.layers.recurrent.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from lamella.nn.layers.recurrent.gru import GRU
from lamella.nn.layers.recurrent.gru_cell import GRUCell
from lamella.nn.layers.recurrent.lstm import LSTM
from lamella.nn.layers.recurrent.lstm_cell import LSTMCell
from lamella.nn.layers.recurrent.rnn import RNN
from lamella.nn.layers.recurrent.simple_rnn import SimpleRNN
from lamella.nn.layers.recurrent.simple_rnn_cell import SimpleRNNCell
from lamella.nn.layers.recurrent.stacked_cells import StackedRNNCells

__all__ = [
    "GRU", "LSTM", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRUCell", "LSTMCell", "SimpleRNN",
    "SimpleRNNCell", "StackedRNNCells",
]
