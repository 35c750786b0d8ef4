"""Functions of `keras.ops.image`: images are (height, width, channels), one or a batch of them."""

from lamella.ops.image.blurring import gaussian_blur as gaussian_blur
from lamella.ops.image.color import hsv_to_rgb as hsv_to_rgb
from lamella.ops.image.color import rgb_to_grayscale as rgb_to_grayscale
from lamella.ops.image.color import rgb_to_hsv as rgb_to_hsv
from lamella.ops.image.margins import crop_images as crop_images
from lamella.ops.image.margins import pad_images as pad_images
from lamella.ops.image.patches import extract_patches as extract_patches
from lamella.ops.image.patches import extract_patches_3d as extract_patches_3d
from lamella.ops.image.resizing import resize as resize
from lamella.ops.image.sampling import affine_transform as affine_transform
from lamella.ops.image.sampling import map_coordinates as map_coordinates
from lamella.ops.image.structure import sobel_edges as sobel_edges
from lamella.ops.image.structure import ssim as ssim
from lamella.ops.image.warping import elastic_transform as elastic_transform
from lamella.ops.image.warping import perspective_transform as perspective_transform
