"""Keeps the interpreter's recursion limit what it is in the product.

`eth_account`, the reference for EVM bytes in tests, brings `py_ecc`, which raises that limit a hundredfold for the
whole process: text such as `[[[[…` then ends it by a signal instead of raising. Imported here first, and put back.
"""

import sys

_LIMIT = sys.getrecursionlimit()

import eth_account  # noqa: E402, F401

sys.setrecursionlimit(_LIMIT)
