"""Optimizers: change arrays in place from their gradients.

An optimizer knows arrays by path and nothing of graphs. Its hyper-parameters are frozen; what it
remembers of each array, its slots, lives in ``state``.
"""

from minidl.optim.adagrad import Adagrad
from minidl.optim.adam import Adam, AdamW
from minidl.optim.groups import ParameterGroups
from minidl.optim.optimizer import Optimizer, OptimizerState
from minidl.optim.rmsprop import RMSprop
from minidl.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "Adagrad",
    "ParameterGroups",
    "Optimizer",
    "OptimizerState",
]
