"""The disk cache of compiled programs.

The key is a hash of everything that the machine code depends on: the graph's text, what is donated, CPU and LLVM, Lamella's own
source of the compiler. A file holds a JSON header and the object code; a damaged one counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from itertools import accumulate, pairwise
from pathlib import Path

import lamella.ir
from lamella.native import target
from lamella.native.executable import Compiled
from lamella.settings import settings


def _stamp() -> str:
    """Size and time of every file that decides what code is generated."""
    folders = [Path(__file__).parent, Path(lamella.ir.__file__).parent]
    files = sorted(p for folder in folders for p in folder.rglob("*.py"))
    stamp = "\n".join(f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files)
    return hashlib.sha256(stamp.encode()).hexdigest()


_SOURCE = _stamp()  # as it was when it was imported: somebody may edit it while this process runs


def key(text: str, donate: Mapping[int, int]) -> str:
    parts = {"graph": text, "donate": repr(sorted(donate.items())), "machine": target.identity(), "compiler": _SOURCE}
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def path(text: str, donate: Mapping[int, int]) -> Path:
    """The file of a program."""
    return Path(settings.cache_dir) / f"{key(text, donate)}.bin"


def load(text: str, donate: Mapping[int, int]) -> Compiled | None:
    """The compiled program, if it is there and whole."""
    if not settings.cache_dir:
        return None
    try:
        raw = path(text, donate).read_bytes()
        header, _, code = raw.partition(b"\n")
        fields = json.loads(header)
        if fields.pop("sha256") != hashlib.sha256(code).hexdigest():
            return None
        ends = list(accumulate(fields.pop("sizes"), initial=0))
        return Compiled([code[a:b] for a, b in pairwise(ends)], **fields)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(text: str, donate: Mapping[int, int], compiled: Compiled) -> None:
    """Write atomically; a folder that can't be written to just means no cache."""
    if not settings.cache_dir:
        return
    target_file = path(text, donate)
    code = b"".join(compiled.objects)
    fields = {k: v for k, v in vars(compiled).items() if k != "objects"}
    fields |= {"sizes": [len(o) for o in compiled.objects], "sha256": hashlib.sha256(code).hexdigest()}
    try:
        target_file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target_file.parent, delete=False) as file:
            file.write(json.dumps(fields).encode() + b"\n" + code)
        os.replace(file.name, target_file)
    except OSError:
        return
