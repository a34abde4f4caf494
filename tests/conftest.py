"""Hypothesis profiles: ``default`` for every run, ``long`` for ``make fuzz``. No deadlines: machines are shared."""

from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", deadline=None, max_examples=2000, suppress_health_check=list(HealthCheck))
settings.load_profile("default")
