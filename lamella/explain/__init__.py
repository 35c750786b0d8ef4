"""Where numbers and time come from."""

from lamella.explain.profile import Profile as Profile
from lamella.explain.profile import Row as Row
