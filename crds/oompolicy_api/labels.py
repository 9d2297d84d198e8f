"""The labels by which operator and agents know what belongs to whom."""

from typing import Final

from oompolicy_api import GROUP

__all__ = ["AGENT_LABEL", "POLICY_LABEL"]

POLICY_LABEL: Final = f"{GROUP}/policy"
"""On a DaemonSet and its pods: the policy that they were made for."""

AGENT_LABEL: Final = ("app.kubernetes.io/component", "agent")
"""On every agent pod and its DaemonSet, whatever the policy."""
