"""The base of all API types: camelCase outside, snake_case inside, unknown fields ignored."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["ApiModel"]


class ApiModel(BaseModel):
    """A value of the API.

    Unknown fields are ignored, because the API may be newer than the program that reads it; open enums are plain
    strings for the same reason. Bounds are the API server's task and not repeated here.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
