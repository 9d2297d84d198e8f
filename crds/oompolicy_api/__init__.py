"""The OOMPolicy API as Python types: the mirror of the CRDs in the folder above."""
