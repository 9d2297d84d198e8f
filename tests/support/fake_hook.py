"""In the place of an OOM handler, and of a kernel that asks it: it can be made to fail, and decides what it is told."""

from oompolicy_agent.guard.hook_abi import Counts, Mode, Terms, Verdict

__all__ = ["FakeHook"]


class FakeHook:
    """What it was told, in order; `fails`: it takes nothing any more, `stays`: it cannot be withdrawn."""

    descriptor = -1

    def __init__(self) -> None:
        self.told: list[tuple[str, Terms]] = []
        self.left: list[Verdict] = []
        self.decided: list[Verdict] = []
        self.fails, self.stays, self.lost = False, False, 0

    def put_in_force(self, cgroup: int, terms: Terms) -> list[Verdict]:
        """Takes it, and says what an earlier guard has left."""
        assert cgroup > 0
        if self.fails:
            raise OSError("gone")
        self.told.append(("put in force", terms))
        left, self.left = self.left, []
        return left

    def withdraw(self) -> list[Verdict]:
        """Takes it; nobody has left anything."""
        if self.stays:
            raise OSError("gone")
        self.told.append(("withdrawn", Terms(Mode.OFF, 0)))
        return []

    @property
    def counts(self) -> Counts:
        """As often as it was told."""
        return Counts(asked=len(self.told), lost=self.lost)

    def read(self) -> list[Verdict]:
        """What was decided meanwhile."""
        found, self.decided = self.decided, []
        return found
