"""Label selectors, as Kubernetes defines them: all of `matchLabels` and all of `matchExpressions` must hold."""

from collections.abc import Mapping

from oompolicy_api._model import ApiModel

__all__ = ["LabelSelector", "LabelSelectorRequirement"]


class LabelSelectorRequirement(ApiModel):
    """One requirement on one label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet the requirement.

        Raises:
            ValueError: the operator is none of In, NotIn, Exists, DoesNotExist.
        """
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
        raise ValueError(f"operator: expected In, NotIn, Exists or DoesNotExist, found {self.operator!r}")


class LabelSelector(ApiModel):
    """A standard label selector; an empty one matches everything."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet every requirement; raises ValueError as LabelSelectorRequirement.matches does."""
        wanted = all(labels.get(key) == value for key, value in self.match_labels.items())
        return wanted and all(requirement.matches(labels) for requirement in self.match_expressions)
