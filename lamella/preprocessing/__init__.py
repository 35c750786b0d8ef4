"""`lamella.preprocessing` (`keras.preprocessing`): functions of `lamella.utils`, as older programs spell them."""

from lamella.preprocessing import sequence as sequence
