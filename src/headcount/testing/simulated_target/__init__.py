"""A SCIM server with chosen limits and bad habits, for tests of what provisions into such servers.

```python
with SimulatedTarget(Habits(lost_responses=0.2, members_per_request=100), seed=1).running() as target:
    ...  # provision into target.url
    assert [user["userName"] for user in target.users] == ["ada@example.com"]
```
"""

from headcount.testing.simulated_target.habits import HABITS_OF_PACKS, Habits
from headcount.testing.simulated_target.server import RecordedRequest, SimulatedTarget

__all__ = ["HABITS_OF_PACKS", "Habits", "RecordedRequest", "SimulatedTarget"]
