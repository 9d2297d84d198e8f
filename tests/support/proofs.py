"""How much of a proof is made: a part by default, so that the tests stay short; the whole in `make bench`."""

import os

__all__ = ["WHOLE"]

WHOLE = bool(os.environ.get("OOMPOLICY_PROOFS"))
"""Set OOMPOLICY_PROOFS for longer scenes, more events, and those that need a machine with nothing else on it."""
