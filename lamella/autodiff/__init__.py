"""Reverse mode on the IR."""

from lamella.autodiff.checking import check_gradients as check_gradients
from lamella.autodiff.finished import finished as finished
from lamella.autodiff.reverse import backward as backward
from lamella.autodiff.reverse import gradient_graph as gradient_graph
