"""Makes the certificates of a test cluster with openssl: one authority, and what it signs."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import tools

__all__ = ["Authority"]

_LIFETIME = ["-days", "30"]
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """A certificate authority whose files stand in `folder` as ca.crt and ca.key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        _openssl("req", "-x509", *_KEY, *_LIFETIME, "-subj", "/CN=lab", "-keyout", self.key, "-out", self.certificate)

    def issue(
        self, name: str, subject: str, *, addresses: Sequence[str] = (), names: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """Signs a certificate for `subject` ("/O=group/CN=user") that is valid for these IP addresses and DNS names.

        Returns the paths of certificate and key: NAME.crt and NAME.key in the authority's folder.
        """
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        subjects = [f"IP:{address}" for address in addresses] + [f"DNS:{dns}" for dns in names]
        extension = ["-addext", "subjectAltName=" + ",".join(subjects)] if subjects else []
        signer: list[str | Path] = ["-CA", self.certificate, "-CAkey", self.key]
        _openssl(
            "req",
            "-x509",
            *_KEY,
            *_LIFETIME,
            *signer,
            "-subj",
            subject,
            *extension,
            *_USAGE,
            "-keyout",
            key,
            "-out",
            certificate,
        )
        return certificate, key


_USAGE = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth,clientAuth"]


def _openssl(*arguments: str | Path) -> None:
    openssl = tools.require("openssl", package="openssl")
    subprocess.run([openssl, *arguments], check=True, capture_output=True)
