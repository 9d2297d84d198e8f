"""The OOMPolicy API as Python types: the mirror of the CRDs in the folder above, without any I/O."""

from typing import Final

GROUP: Final = "oompolicy.dev"
"""The API group of every kind here."""

VERSION: Final = "v1alpha1"
"""The only version that is served and stored."""

__all__ = ["GROUP", "VERSION"]
