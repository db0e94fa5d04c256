"""How hypothesis runs here: no deadlines, because a busy machine is not a defect."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tripwire",
    deadline=None,
    print_blob=True,  # a failing draw becomes a regression test
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tripwire")
