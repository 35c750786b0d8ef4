"""`keras.preprocessing.image`."""

from lamella.utils import array_to_img as array_to_img
from lamella.utils import img_to_array as img_to_array
from lamella.utils import load_img as load_img
from lamella.utils import save_img as save_img
from lamella.utils.images import smart_resize as smart_resize
