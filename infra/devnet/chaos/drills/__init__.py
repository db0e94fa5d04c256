"""Every drill there is: a file beside this one is found by itself."""

from importlib import import_module
from pkgutil import iter_modules

from infra.devnet.chaos.drill import DRILLS, Drill


def all_drills() -> tuple[Drill, ...]:
    """In the order of their faults."""
    for file in iter_modules(__path__):
        import_module(f"{__name__}.{file.name}")  # which registers its drills
    return tuple(sorted(DRILLS, key=lambda one: one.fault))
