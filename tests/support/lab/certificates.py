"""Makes the certificates of a test cluster with openssl: one authority, and what it signs."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import tools

__all__ = ["Authority"]

_LIFETIME = ["-days", "30"]
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
# Python 3.13 and newer refuse an authority that does not say what its key is for.
_MAY_SIGN = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
_MAY_SERVE = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth,clientAuth"]


class Authority:
    """A certificate authority whose files stand in `folder` as ca.crt and ca.key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        _certify("/CN=lab", self.certificate, self.key, *_MAY_SIGN)

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
        _certify(subject, certificate, key, *signer, *extension, *_MAY_SERVE)
        return certificate, key


def _certify(subject: str, certificate: Path, key: Path, *options: str | Path) -> None:
    openssl = tools.require("openssl", package="openssl")
    output: list[str | Path] = ["-subj", subject, "-keyout", key, "-out", certificate]
    subprocess.run([openssl, "req", "-x509", *_KEY, *_LIFETIME, *options, *output], check=True, capture_output=True)
