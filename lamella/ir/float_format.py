"""Bit layouts of the float dtypes and the coefficients of the approximations in `scalar_math`.

The polynomials (coefficients from low to high power) are minimax fits made in 60-digit arithmetic: least squares on
Chebyshev nodes with Lawson's reweighting, weighted so that the relative error of the function is what is minimised.
Each coefficient was rounded to the dtype before the higher ones were fitted again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class FloatFormat:
    """How a float dtype is laid out in bits, and constants split into parts that its precision can't hold in one."""

    bits: str  # the unsigned integer of the same width
    mantissa: int  # stored bits of the mantissa
    bias: int
    ln2: tuple[float, float]
    half_pi: tuple[float, float, float]
    exp_range: tuple[float, float]  # where exp is a normal number
    exp: tuple[float, ...]  # (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2
    log: tuple[float, ...]  # (log((1 + d) / (1 - d)) / d - 2) / d^2 over d^2, |d| <= 0.1716
    sin: tuple[float, ...]  # (sin(r) / r - 1) / r^2 over r^2, |r| <= pi / 4
    cos: tuple[float, ...]  # (cos(r) - 1 + r^2 / 2) / r^4 over r^2, |r| <= pi / 4
    erf: tuple[float, ...]  # -log(1 - erf(x)) / x - 1 on 0 <= x <= erf_limit
    erf_limit: float  # erf rounds to 1 here
    erfc: tuple[float, ...]  # (1 + 2 x) erfc(x) e^(x^2) over q = (x - K) / (x + K), 0 <= x <= erfc_limit
    erfc_centre: float  # K
    erfc_limit: float  # erfc is 0 here
    asin: tuple[float, ...]  # (asin(x) / x - 1) / x^2 over x^2, |x| <= 1/2
    atan: tuple[float, ...]  # (atan(x) / x - 1) / x^2 over x^2, |x| <= sqrt(2) - 1

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.mantissa

    @property
    def sqrt_half(self) -> int:
        """The bits of sqrt(1/2), to the precision that splitting a number into mantissa and exponent needs."""
        return self.one - (1 << self.mantissa) + int((math.sqrt(2.0) - 1) * 2**self.mantissa)

    @property
    def sign(self) -> int:
        """The sign bit."""
        return (2 * self.bias + 2) << self.mantissa

    @property
    def round_to_integer(self) -> float:
        """Adding it rounds a small number to an integer, which then stands in the low bits of the sum."""
        return 1.5 * 2**self.mantissa

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)


FORMATS = {
    "float32": FloatFormat(
        bits="uint32", mantissa=23, bias=127,
        ln2=(0.6931472, -1.9046542e-09),
        half_pi=(1.5707964, -4.371139e-08, -1.7151245e-15),
        exp_range=(-87.33654022216797, 88.72283172607422),
        exp=(0.5, 0.16666543, 0.041666422, 0.008366555, 0.0013938957),
        log=(0.66666776, 0.39977586, 0.29870698),
        sin=(-0.16666654, 0.008332104, -0.00019507448),
        cos=(0.041666646, -0.0013887294, 2.4429419e-05),
        erf=(0.12837917, 0.63661957, 0.1027763, -0.019147784, -0.00016958002, 0.0016757473, -0.0006373973,
             0.000118869146, -9.388644e-06),
        erf_limit=4.0,
        erfc=(1.2769784, -0.09276389, -0.16603076, 0.16405407, -0.054210212, -0.008055856, 0.008651803, 0.0013152313,
              -0.0012530781, -0.00041341363),
        erfc_centre=2.0,
        erfc_limit=10.0,
        asin=(0.16666752, 0.074953124, 0.045468632, 0.024187664, 0.042153124),
        atan=(-0.33333316, 0.19998528, -0.14244391, 0.10599168, -0.060900476),
    ),
    "float64": FloatFormat(
        bits="uint64", mantissa=52, bias=1023,
        ln2=(0.6931471805599453, 2.3190468138462996e-17),
        half_pi=(1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
        exp_range=(-708.396418532264, 709.782712893384),
        exp=(0.5, 0.16666666666666677, 0.04166666666666668, 0.008333333333321426, 0.0013888888888877067,
             0.0001984126988663753, 2.480158734192623e-05, 2.7557243695416538e-06, 2.75572577455206e-07,
             2.5109216952322884e-08, 2.092002842828676e-09),
        log=(0.6666666666666735, 0.39999999999410774, 0.2857142874313415, 0.22222198505074375, 0.18183567550764715,
             0.15313974025649052, 0.1479666979800042),
        sin=(-0.16666666666666624, 0.008333333333320472, -0.00019841269828260258, 2.7557313155186704e-06,
             -2.505067393906529e-08, 1.5891903989690067e-10),
        cos=(0.04166666666666658, -0.0013888888888870955, 2.4801587287512118e-05, -2.7557313785667517e-07,
             2.087564655340942e-09, -1.1355690104705207e-11),
        erf=(0.12837916709551256, 0.6366197723675899, 0.10277260330135202, -0.019128446993696657,
             -0.00020919484826780314, 0.0016962076359388707, -0.0005901322906688053, 2.59040873351124e-05,
             6.442137996476664e-05, -2.9577193649264106e-05, 3.171665918155781e-06, 3.1309097172711674e-06,
             -2.0355095914564783e-06, 5.695350822783077e-07, -1.113375966262151e-08, -6.597410766030266e-08,
             3.4665059170720273e-08, -1.0794451574308821e-08, 2.3648309805993186e-09, -3.7674209785225023e-10,
             4.30943195050475e-11, -3.3703646999958266e-12, 1.6177860801571418e-13, -3.598747040757205e-15),
        erf_limit=6.0,
        erfc=(1.2329951186255526, -0.1396211168405631, 0.01537965210260612, 0.06809705425476054, -0.10103906603557862,
              0.09373283499621816, -0.06633036582775075, 0.03716751556649602, -0.016197733884484807, 0.00503196977563419,
              -0.0007577744261041348, -0.00019925594213839374, 0.0001506263326026564, -2.440051149835793e-05,
              -1.1234167924147057e-05, 5.709513282367055e-06, 3.1371045610161334e-07, -8.204409428197831e-07,
              5.51861262389518e-08, 1.0162618191506417e-07, -7.991847723711477e-09, -8.373777060887821e-09),
        erfc_centre=4.0,
        erfc_limit=27.0,
        asin=(0.16666666666665408, 0.0750000000033707, 0.04464285682832219, 0.030381959136076386, 0.02237175809243222,
              0.01735970388054606, 0.013885246238997487, 0.012169129419066598, 0.00652837368355928, 0.019527073233952745,
              -0.01622224315237862, 0.03191080864346867),
        atan=(-0.333333333333332, 0.19999999999953677, -0.14285714280200024, 0.1111111078351202, -0.09090897757876813,
              0.07692060212711845, -0.06663104079317558, 0.05847890326813761, -0.05039313889644348, 0.03806492441128721,
              -0.017907758420677558),
    ),
}
