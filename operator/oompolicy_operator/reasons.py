"""The words that the operator writes into `reason` of conditions and Events. Programs depend on them: they stay."""

from typing import Final

ACCEPTED: Final = "Accepted"
"""Accepted=True: the operator understands the policy."""

NOT_UNDERSTOOD: Final = "NotUnderstood"
"""Accepted=False, and so the others: written for a newer operator. Its nodes keep doing what they were told before."""

PROGRAMMED: Final = "Programmed"
"""Programmed=True: every node that is not another policy's applies this generation."""

PARTIALLY_PROGRAMMED: Final = "PartiallyProgrammed"
"""Programmed=False: some nodes apply this generation, some do not yet or not any more."""

RECONCILING: Final = "Reconciling"
"""Programmed=False, Ready=False: no node applies this generation yet."""

OVERRIDDEN: Final = "Overridden"
"""Programmed=False: on every node another policy acts. Nothing is wrong with that, so Ready is True."""

NO_MATCHING_NODES: Final = "NoMatchingNodes"
"""Programmed=False, Ready=False: no node that could run an agent has the labels that the policy selects."""

APPLY_FAILED: Final = "ApplyFailed"
"""Programmed=False, Ready=False: the API server refused the DaemonSet. The message has its words."""

READY: Final = "Ready"
"""Ready=True: every selected node is programmed or overridden, and none is off."""

AGENTS_NOT_READY: Final = "AgentsNotReady"
"""Ready=False: some nodes have no ready agent that reports."""

BACKEND_OFF: Final = "BackendOff"
"""Ready=False: on some nodes nothing works that could choose a victim; their OOMNodes say why."""

UNREACHABLE_RULES: Final = "UnreachableRules"
"""NeedsAttention=True: rules of the policy that never decide anything; on its nodes all may be well."""

NODE_PROBLEMS: Final = "NodeProblems"
"""NeedsAttention=True: OOMNodes of the policy's nodes name problems. The message has some of them."""

NOTHING_TO_MEND: Final = "NothingToMend"
"""NeedsAttention=False."""

MODE_OFF: Final = "ModeOff"
"""Ready=False: the policy is in force and its mode is Off, so nothing is killed and nobody protected."""
