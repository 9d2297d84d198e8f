"""What strangers have named, as text and nothing else; and memcgs under the names of what runs in them. Pure."""

import re
from collections.abc import Iterable, Mapping
from html import escape

from oompolicy_agent.explain import readable
from oompolicy_api.decision import DecidedVictim

__all__ = ["named", "names", "text"]


def text(value: object) -> str:
    """As HTML, also between quotation marks; what would not be seen, or would turn the line around, as its escape."""
    return escape(readable(str(value)))


def names(victims: Iterable[DecidedVictim]) -> dict[str, str]:
    """The pods and containers behind the folders of these paths, by the folder's name."""
    return dict(pair for victim in victims for pair in _names(victim))


def _names(victim: DecidedVictim) -> Iterable[tuple[str, str]]:
    folders = victim.path.split("/")
    if not (victim.pod and victim.pod_uid):
        return
    uids = (victim.pod_uid, victim.pod_uid.replace("-", "_"))  # as systemd writes it
    for folder in folders:
        if any(uid in folder for uid in uids):
            yield folder, "/".join(part for part in (victim.namespace, victim.pod) if part)
    if victim.container and not any(uid in folders[-1] for uid in uids):
        yield folders[-1], victim.container


def named(sentence: str, known: Mapping[str, str]) -> str:
    """A sentence about paths with the names that are known in place of the paths that lead to them."""
    return re.sub(r"[^\s:;,]+", lambda found: _called(found[0], known), sentence)


def _called(path: str, known: Mapping[str, str]) -> str:
    folders = path.split("/")
    first = next((index for index, folder in enumerate(folders) if folder in known), None)
    return path if first is None else "/".join(known.get(folder, folder) for folder in folders[first:])
