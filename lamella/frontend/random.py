"""Random numbers: `lamella.random`."""

from lamella.frontend.draws import bernoulli as bernoulli
from lamella.frontend.draws import bits as bits
from lamella.frontend.draws import categorical as categorical
from lamella.frontend.draws import dropout as dropout
from lamella.frontend.draws import normal as normal
from lamella.frontend.draws import randint as randint
from lamella.frontend.draws import shuffle as shuffle
from lamella.frontend.draws import truncated_normal as truncated_normal
from lamella.frontend.draws import uniform as uniform
from lamella.frontend.rejection import beta as beta
from lamella.frontend.rejection import binomial as binomial
from lamella.frontend.rejection import gamma as gamma
from lamella.frontend.seeds import SeedGenerator as SeedGenerator
from lamella.frontend.seeds import draw_key as draw_key
from lamella.frontend.seeds import global_seed_generator as global_seed_generator
from lamella.frontend.seeds import make_seed as make_seed
from lamella.frontend.seeds import set_random_seed as set_random_seed
