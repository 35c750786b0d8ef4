"""Dtype policies: which dtype the variables of a layer have, and which one it computes in.

    keras.config.set_dtype_policy("mixed_bfloat16")      # all layers made from now on
    layers.Dense(10, dtype="float32")                    # this one alone

Under a mixed policy a layer keeps float32 variables. While it is called, its float inputs and the variables that it reads
are cast to the low dtype, so products and activations are computed and stored in it. Sums do not suffer: products of
matrices, convolutions and reductions add up in float32 whatever the dtype of their operands, and normalizations and
softmax work in float32 inside. Losses, metrics and the optimizer see float32.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from lamella.errors import DTypeError, did_you_mean
from lamella.frontend import standardize_dtype
from lamella.ir.types import DTYPES, FLOATS, wide
from lamella.nn.registry import Registry
from lamella.settings import settings

POLICIES = Registry("keras.dtype_policies", "dtype policy")
_MIXED = {"mixed_float16": ("float32", "float16"), "mixed_bfloat16": ("float32", "bfloat16")}
_NAMES = (*DTYPES, "string", *_MIXED)  # "string" is for layers that look words up
_QUANTIZED = ("int8_", "int4", "float8", "gptq", "awq")


@POLICIES.register()
class DTypePolicy:
    """The dtypes of a layer: one for its variables, one for its computation.

    Args:
        name: a dtype, for both; `"mixed_float16"` or `"mixed_bfloat16"`: float32 variables and computation in the low
            dtype; None is the global policy.

    Raises:
        TypeError: the name is no string.
        DTypeError: no such policy.

    Example:
        >>> policy = DTypePolicy("mixed_bfloat16")
        >>> policy.variable_dtype, policy.compute_dtype
        ('float32', 'bfloat16')
    """

    _keras_name = ("keras", "DTypePolicy")

    quantization_mode = None  # what Keras calls so does not exist here

    def __init__(self, name: str | None = None) -> None:
        self._name = dtype_policy().name if name is None else name
        self._variable_dtype, self._compute_dtype = _pair(self._name)

    @property
    def name(self) -> str:
        """The name that the policy was made with."""
        return self._name

    @property
    def variable_dtype(self) -> str:
        """The dtype of variables."""
        return self._variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of inputs, outputs and what is between."""
        return self._compute_dtype

    def get_config(self) -> dict[str, Any]:
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and _kind(self) is _kind(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<{_kind(self).__name__} "{self.name}">'


@POLICIES.register()
class FloatDTypePolicy(DTypePolicy):
    """The same as `DTypePolicy`; Keras knows both names.

    Example:
        >>> FloatDTypePolicy("float32") == DTypePolicy("float32")
        True
    """

    _keras_name = ("keras", "FloatDTypePolicy")


def _kind(policy: DTypePolicy) -> type:
    return DTypePolicy if type(policy) is FloatDTypePolicy else type(policy)


def _pair(name: Any) -> tuple[str, str]:
    """(variable dtype, computation dtype) of a policy's name."""
    if not isinstance(name, str):
        raise TypeError(f"The name of a dtype policy must be a string such as 'mixed_bfloat16', received {name!r}.")
    if name.startswith(_QUANTIZED):
        raise DTypeError(f"Unknown dtype {name!r}: quantized layers are not implemented.")
    if name not in _NAMES:
        raise DTypeError(f"Unknown dtype {name!r}. {did_you_mean(name, _NAMES)}")
    return _MIXED.get(name, (name, name))


@POLICIES.register()
class DTypePolicyMap(DTypePolicy, MutableMapping[str, DTypePolicy]):
    """A policy for each layer by its path, and a default for the others: pass it as `dtype=` of a layer with layers inside.

    A key is a path, such as `"encoder/dense"`, or a regular expression that matches the whole path.

    Args:
        default_policy: of layers that no key matches; None is the global policy.
        policy_map: path to policy.

    Raises:
        TypeError: `policy_map` is no dict.
        ValueError: the default is a map itself; a key is given twice, or several expressions match a path.

    Example:
        >>> policies = DTypePolicyMap("float32", {"encoder/.*": "mixed_bfloat16"})
        >>> policies["encoder/dense"].name, policies["decoder/dense"].name
        ('mixed_bfloat16', 'float32')
    """

    def __init__(self, default_policy: Any = None, policy_map: Mapping[str, Any] | None = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("The default of a DTypePolicyMap must be a plain policy, received another map.")
        if policy_map is not None and not isinstance(policy_map, Mapping):
            raise TypeError(f"policy_map must be a dict of path to policy, received {policy_map!r}.")
        self._default = None if default_policy is None else get(default_policy)
        self._policies = {path: get(policy) for path, policy in (policy_map or {}).items()}

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of layers that no key matches."""
        return self._default or dtype_policy()

    @property
    def name(self) -> str:
        return f"map_{self.default_policy.name}"

    @property
    def variable_dtype(self) -> str:
        return self.default_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        return self.default_policy.compute_dtype

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._policies:
            return self._policies[path]
        found = [key for key in self._policies if re.fullmatch(key, path)]
        if len(found) > 1:
            raise ValueError(f"The path {path!r} matches several keys of the DTypePolicyMap: {found}. Make them exclusive.")
        return self._policies[found[0]] if found else self.default_policy

    def __setitem__(self, path: str, policy: Any) -> None:
        if path in self._policies:
            raise ValueError(f"The DTypePolicyMap already has the key {path!r}; delete it first.")
        self._policies[path] = get(policy)

    def __delitem__(self, path: str) -> None:
        del self._policies[path]

    def __contains__(self, path: object) -> bool:
        return path in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def get_config(self) -> dict[str, Any]:
        policies = {path: serialize(policy) for path, policy in self._policies.items()}
        return {"default_policy": None if self._default is None else serialize(self._default), "policy_map": policies}

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        mapping = [(path, policy.name) for path, policy in self._policies.items()]
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, mapping={mapping}>"


_global: list[DTypePolicy] = []  # the policy that was set, if any


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are made without `dtype=`: as set, else that of `config.floatx()`.

    Example:
        >>> dtype_policy()
        <DTypePolicy "float32">
    """
    return _global[-1] if _global else DTypePolicy(settings.floatx)


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers that are made from now on.

    Args:
        policy: name or `DTypePolicy`; None goes back to following `config.floatx()`.

    Raises:
        DTypeError: no such policy.

    Example:
        >>> set_dtype_policy("mixed_bfloat16")
        >>> dtype_policy()
        <DTypePolicy "mixed_bfloat16">
        >>> set_dtype_policy(None)
    """
    _global[:] = [] if policy is None else [get(policy)]


def get(identifier: Any) -> DTypePolicy:
    """The policy of what a user passes as `dtype=`: None (the global policy), a policy, its name or config, or a dtype.

    Raises:
        DTypeError: no such policy.

    Example:
        >>> import numpy as np
        >>> get(np.float64), get("mixed_float16")
        (<DTypePolicy "float64">, <DTypePolicy "mixed_float16">)
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    return DTypePolicy(identifier if isinstance(identifier, str) else standardize_dtype(identifier))


serialize, deserialize = POLICIES.serialize, POLICIES.deserialize


def is_float(dtype: Any) -> bool:
    """Whether a dtype (a name or a numpy dtype) is a float type.

    Example:
        >>> is_float("bfloat16"), is_float("int32")
        (True, False)
    """
    return str(dtype) in FLOATS


def number_dtype() -> str:
    """The dtype of single numbers, such as learning rates and thresholds: `config.floatx()`, but at least float32.

    Example:
        >>> number_dtype()
        'float32'
    """
    return wide(settings.floatx)
