"""Arrays, streams and datasets: everything between what users pass to `fit` and batches of numpy arrays."""

from lamella.data.array_data import ArrayData as ArrayData
from lamella.data.arrays import as_array as as_array
from lamella.data.arrays import as_arrays as as_arrays
from lamella.data.arrays import is_array_like as is_array_like
from lamella.data.checks import check_finite as check_finite
from lamella.data.checks import check_fraction as check_fraction
from lamella.data.checks import check_positive_int as check_positive_int
from lamella.data.dataset import Dataset as Dataset
from lamella.data.py_dataset import PyDataset as PyDataset
from lamella.data.shuffle import permutation as permutation
from lamella.data.streams import Stream as Stream
from lamella.data.streams import pack_batch as pack_batch
from lamella.data.streams import unpack_batch as unpack_batch
from lamella.data.weights import class_weight_to_sample_weight as class_weight_to_sample_weight
