"""Exponentials and logarithms of float32 arrays in loops that a compiler turns into vector code:
right to a few ulps.

exp x = 2^k exp(r),  k the whole number nearest to x log2 e        log x = e log 2 + log m,  log m =
2 artanh((m - 1) / (m + 1))

Muller (2016), Elementary Functions, 3rd ed., chapters 3 and 5.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.kernels import njit

FAST = {"reassoc", "contract", "arcp", "nsz"}  # sums may be vectorised; a NaN stays one


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def exponentials(x, bits):  # type: ignore[no-untyped-def]
    """x (n,) becomes exp(x): 2^k of the nearest whole k, times a polynomial of what is left.
    bits: (>= n,) to work in.
    """
    for i in range(len(x)):
        v = min(max(x[i], np.float32(-87)), np.float32(88))
        k = np.int32(np.floor(v * np.float32(1.44269504) + np.float32(0.5)))
        bits[i] = (k + np.int32(127)) << np.int32(23)
        r = v - np.float32(k) * np.float32(0.693359375) + np.float32(k) * np.float32(2.12194440e-4)
        p = np.float32(1.9875691e-4) * r + np.float32(1.3981999e-3)
        p = p * r + np.float32(8.3334519e-3)
        p = p * r + np.float32(4.1665796e-2)
        p = p * r + np.float32(1.6666666e-1)
        p = p * r + np.float32(0.5)
        x[i] = p * r * r + r + np.float32(1)
    power = bits.view(np.float32)
    for i in range(len(x)):
        x[i] *= power[i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def logarithms(x, bits):  # type: ignore[no-untyped-def]
    """The sum of log x of positive x (n,), none below -100: the exponent, and a series of the
    mantissa.   bits: as above.
    """
    total, mantissa = np.float64(0), bits.view(np.float32)
    for i in range(len(x)):
        mantissa[i] = x[i]
    for i in range(len(x)):
        x[i] = np.float32((bits[i] >> np.int32(23)) - np.int32(127))
        bits[i] = (bits[i] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
    for i in range(len(x)):
        r = (mantissa[i] - np.float32(1.41421356)) / (mantissa[i] + np.float32(1.41421356))
        w = r * r
        p = np.float32(0.2222222) * w + np.float32(0.2857143)
        p = p * w + np.float32(0.4)
        p = p * w + np.float32(0.6666667)
        p = p * w + np.float32(2)
        total += max((x[i] + np.float32(0.5)) * np.float32(0.69314718) + p * r, np.float32(-100))
    return total
