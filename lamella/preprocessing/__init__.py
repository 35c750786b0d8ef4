"""`lamella.preprocessing` (`keras.preprocessing`): functions of `lamella.utils`, as older programs spell them."""

from lamella.preprocessing import image as image
from lamella.preprocessing import sequence as sequence
from lamella.utils import image_dataset_from_directory as image_dataset_from_directory
from lamella.utils import text_dataset_from_directory as text_dataset_from_directory
from lamella.utils import timeseries_dataset_from_array as timeseries_dataset_from_array
