"""Datasets of files in folders, one folder for each class: `image_dataset_from_directory`, `text_dataset_from_directory`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamella import ops
from lamella.data import Dataset
from lamella.frontend.random import make_seed
from lamella.ops.image.layout import check_choice
from lamella.ops.image.resizing import INTERPOLATIONS
from lamella.ops.windows import is_channels_first
from lamella.settings import settings
from lamella.utils.arrays import to_categorical
from lamella.utils.images import COLOR_MODES, img_to_array, load_img

IMAGE_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_LABEL_MODES = ("int", "categorical", "binary", None)


@dataclass
class _Files:
    """What was found in a directory.

    Attributes:
        paths: of the files.
        labels: number of the class of each, or None.
        class_names: of the classes, or None.
    """

    paths: list[str]
    labels: np.ndarray | None
    class_names: list[str] | None

    def take(self, numbers: Any) -> _Files:
        return _Files([self.paths[i] for i in numbers], None if self.labels is None else self.labels[numbers], self.class_names)


def image_dataset_from_directory(
    directory: Any, labels: Any = "inferred", label_mode: str | None = "int", class_names: Sequence[str] | None = None,
    color_mode: str = "rgb", batch_size: int | None = 32, image_size: Any = (256, 256), shuffle: bool = True,
    seed: int | None = None, validation_split: float | None = None, subset: str | None = None, interpolation: str = "bilinear",
    follow_links: bool = False, crop_to_aspect_ratio: bool = False, pad_to_aspect_ratio: bool = False,
    data_format: str | None = None, verbose: bool = True,
) -> Any:
    """A dataset of the images in a directory, read while it is iterated; endings .png, .jpg, .jpeg, .bmp, .gif (first frame).

    Args:
        directory: with one folder for each class, or, without inferred labels, with the images.
        labels: "inferred" from the folders, None, or a number for each file in the order of their sorted names.
        label_mode: "int" (int32), "categorical" (one-hot float32), "binary" (float32, (n, 1)), or None for images alone.
        class_names: the folders to use, in the order of their numbers; by default all, sorted.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: None for single images.
        image_size: (height, width), or one number for both.
        shuffle: whether the files come in random order, another one in each pass; otherwise by name.
        seed: of that order, and of the choice of validation files.
        validation_split: part of the files kept for validation.
        subset: "training", "validation", or "both" for a list of two datasets.
        interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio: see `ops.image.resize`.
        follow_links: whether links to folders are followed.
        data_format: "channels_last" (default) or "channels_first".
        verbose: whether to print how many files there are.

    Returns:
        A `Dataset` of float32 images in [0, 255], and labels; its `class_names` and `file_paths` are attributes.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: an argument that does not fit, or no files.

    Source: keras.utils.image_dataset_from_directory.
    """
    check_choice("color_mode", color_mode, COLOR_MODES)
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2:
        raise ValueError(f"image_size must be (height, width), received {image_size!r}.")
    first = is_channels_first(data_format)

    def read(path: str) -> np.ndarray:
        image = img_to_array(load_img(path, color_mode), "channels_last", "float32")
        image = ops.image.resize(image, size, interpolation, False, crop_to_aspect_ratio, pad_to_aspect_ratio,
                                 data_format="channels_last").numpy()
        return image.transpose(2, 0, 1) if first else image

    return _from_directory(read, np.stack, IMAGE_ENDINGS, directory, labels, label_mode, class_names, batch_size, shuffle, seed,
                           validation_split, subset, follow_links, verbose)


def text_dataset_from_directory(
    directory: Any, labels: Any = "inferred", label_mode: str | None = "int", class_names: Sequence[str] | None = None,
    batch_size: int | None = 32, max_length: int | None = None, shuffle: bool = True, seed: int | None = None,
    validation_split: float | None = None, subset: str | None = None, follow_links: bool = False, verbose: bool = True,
) -> Any:
    """A dataset of the texts (.txt, UTF-8) in a directory, read while it is iterated.

    Args:
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links, verbose: see
            `image_dataset_from_directory`.
        max_length: of a text, in characters; the rest is cut off.

    Returns:
        A `Dataset` of arrays of strings (for `TextVectorization`), and labels.

    Raises:
        ValueError: an argument that does not fit, or no files.

    Source: keras.utils.text_dataset_from_directory.
    """
    def read(path: str) -> str:
        with open(path, encoding="utf-8") as file:
            return file.read(max_length)

    def stacked(texts: list[str]) -> np.ndarray:
        return np.array(texts, object)

    return _from_directory(read, stacked, (".txt",), directory, labels, label_mode, class_names, batch_size, shuffle, seed,
                           validation_split, subset, follow_links, verbose)


def _from_directory(read: Callable[[str], Any], stack: Callable[[list[Any]], Any], endings: tuple[str, ...], directory: Any,
                    labels: Any, label_mode: str | None, class_names: Sequence[str] | None, batch_size: int | None, shuffle: bool,
                    seed: int | None, validation_split: float | None, subset: str | None, follow_links: bool, verbose: bool) -> Any:
    _check_split(validation_split, subset, shuffle, seed)
    if label_mode not in _LABEL_MODES:
        raise ValueError(f"label_mode must be 'int', 'categorical', 'binary' or None, received {label_mode!r}.")
    files = _found(os.fspath(directory), None if label_mode is None else labels, class_names, endings, follow_links)
    if label_mode == "binary" and len(files.class_names or ()) != 2:
        raise ValueError(f"label_mode='binary' needs two classes, found {files.class_names}.")
    if verbose:
        classes = "" if files.class_names is None else f" belonging to {len(files.class_names)} classes"
        print(f"Found {len(files.paths)} files{classes}.")
    seed = make_seed() if seed is None else seed
    n = len(files.paths)
    order = np.arange(n)
    if shuffle:
        np.random.RandomState(seed).shuffle(order)
    kept = n - int((validation_split or 0) * n)
    parts = {"training": order[:kept], "validation": order[kept:], None: order}
    made = []
    for part in ("training", "validation") if subset == "both" else (subset,):
        chosen = files.take(parts[part])
        if not chosen.paths:
            raise ValueError(f"No {part or ''} files found in {os.fspath(directory)!r}; they must end with one of {endings}.")
        if verbose and part:
            print(f"Using {len(chosen.paths)} files for {part}.")
        moves = shuffle and not (subset == "both" and part == "validation")
        made.append(_dataset(chosen, read, stack, label_mode, batch_size, seed if moves else None))
    return made if subset == "both" else made[0]


def _found(directory: str, labels: Any, class_names: Sequence[str] | None, endings: tuple[str, ...], follow_links: bool) -> _Files:
    """The files of all classes, by class and name.

    Raises:
        ValueError: unknown class names, or another number of labels than of files.
    """
    if class_names is not None and labels != "inferred":
        raise ValueError("class_names can only be given with labels='inferred'.")
    folders = [""]
    if isinstance(labels, str):
        if labels != "inferred":
            raise ValueError(f"labels must be 'inferred', None or a list of numbers, received {labels!r}.")
        known = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith("."))
        if class_names is not None and not set(class_names) <= set(known):
            missing = sorted(set(class_names) - set(known))
            raise ValueError(f"class_names {missing} are no folders of {directory!r}; it has {known}.")
        folders = known if class_names is None else list(class_names)
    found = [list(_listed(os.path.join(directory, folder), endings, follow_links)) for folder in folders]
    paths = [path for listed in found for path in listed]
    if isinstance(labels, str):
        return _Files(paths, np.repeat(np.arange(len(folders)), [len(listed) for listed in found]).astype(np.int32), folders)
    if labels is None:
        return _Files(paths, None, None)
    if len(labels) != len(paths):
        raise ValueError(f"labels has {len(labels)} entries, {directory!r} has {len(paths)} files.")
    return _Files(paths, np.asarray(labels), [str(label) for label in sorted(set(labels))])


def _listed(folder: str, endings: tuple[str, ...], follow_links: bool) -> Iterator[str]:
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links), key=lambda item: item[0]):
        yield from (os.path.join(root, name) for name in sorted(names) if name.lower().endswith(endings))


def _dataset(files: _Files, read: Callable[[str], Any], stack: Callable[[list[Any]], Any], label_mode: str | None,
             batch_size: int | None, seed: int | None) -> Dataset:
    labels = files.labels
    if labels is not None and label_mode == "categorical":
        labels = to_categorical(labels, len(files.class_names or ()))
    elif labels is not None and label_mode == "binary":
        labels = labels.astype(np.float32)[:, None]
    numbers = Dataset.from_tensor_slices(np.arange(len(files.paths)))
    if seed is not None:
        numbers = numbers.shuffle(len(files.paths), seed)
    numbers = numbers if batch_size is None else numbers.batch(batch_size)

    def items() -> Iterator[Any]:
        with ThreadPoolExecutor(settings.threads) as pool:
            for chosen in numbers.as_numpy_iterator():
                paths = [files.paths[i] for i in np.atleast_1d(chosen)]
                data = list(pool.map(read, paths))
                x = data[0] if batch_size is None else stack(data)
                yield x if labels is None else (x, labels[chosen])

    dataset: Any = Dataset(items, len(numbers))
    dataset.class_names, dataset.file_paths = files.class_names, files.paths
    return dataset


def _check_split(validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None) -> None:
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"validation_split must be more than 0 and less than 1, received {validation_split!r}.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f"subset must be 'training', 'validation', 'both' or None, received {subset!r}.")
    if (validation_split is None) != (subset is None):
        raise ValueError(f"validation_split and subset go together, received {validation_split!r} and {subset!r}.")
    if validation_split and shuffle and seed is None and subset != "both":
        raise ValueError("validation_split with shuffle=True needs a seed, so that the training and the validation files are not "
                         "drawn differently.")
