"""How long property tests look: long enough to find, short enough for every run."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "every-run", deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("every-run")
