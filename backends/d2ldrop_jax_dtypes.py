"""NumPy arrays in the dtypes that JAX has here: an error instead of a silent loss of digits."""

from typing import Any

import jax

from d2ldrop.core.arrays import NumPyArray


def native(array: NumPyArray) -> NumPyArray:
    """``array`` in a dtype of JAX and in the byte order of this machine; a copy if needed.

    Raises:
        TypeError: JAX would round the values, because the setting ``jax_enable_x64`` is off.
    """
    dtype: Any = array.dtype.newbyteorder("=")
    kept = jax.dtypes.canonicalize_dtype(dtype)
    converted = array.astype(kept, copy=False)
    if kept != dtype and (dtype.kind not in "iu" or (converted != array).any()):
        raise TypeError(
            f"JAX would make {kept} of a {dtype} array: set JAX_ENABLE_X64=1 before JAX is "
            'imported, or call jax.config.update("jax_enable_x64", True); '
            f'array.astype("{kept}") rounds on purpose'
        )
    return converted
