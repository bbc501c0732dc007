"""Data: datasets, the files they come from, and the batches they are cut into."""

from minidl.data.dataset import Data, Dataset, as_dataset
from minidl.data.download import fetch
from minidl.data.idx import read_idx, write_idx
from minidl.data.images import read_images
from minidl.data.labels import encode_labels
from minidl.data.loader import batch_count, batches
from minidl.data.npz import read_npz
from minidl.data.picture import read_image
from minidl.data.shuffle import order
from minidl.data.sources import KNOWN, data_folder, load
from minidl.data.splitting import split
from minidl.data.tables import read_csv

__all__ = [
    # datasets
    "Data",
    "Dataset",
    "as_dataset",
    "split",
    # sources
    "KNOWN",
    "load",
    "fetch",
    "data_folder",
    "read_idx",
    "write_idx",
    "read_npz",
    "read_csv",
    "encode_labels",
    "read_image",
    "read_images",
    # batches
    "batches",
    "batch_count",
    "order",
]
