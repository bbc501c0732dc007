"""Data: datasets, the files they come from, and the batches they are cut into."""

from minidl.data.dataset import Data, Dataset, as_dataset
from minidl.data.idx import read_idx, write_idx
from minidl.data.loader import batch_count, batches
from minidl.data.shuffle import order
from minidl.data.sources import data_folder, load
from minidl.data.splitting import split

__all__ = [
    # datasets
    "Data",
    "Dataset",
    "as_dataset",
    "split",
    # sources
    "load",
    "data_folder",
    "read_idx",
    "write_idx",
    # batches
    "batches",
    "batch_count",
    "order",
]
