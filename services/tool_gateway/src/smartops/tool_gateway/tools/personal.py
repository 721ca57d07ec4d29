"""The mark of a field that holds personal data, which nobody could tell by looking at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from smartops.redact import PII_MARK

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler

__all__ = ["PII"]


@dataclass(frozen=True, slots=True)
class PII:
    """`owner: Annotated[str, PII("person")]` in the model of an answer: stored as a token."""

    kind: Literal["email", "phone", "card", "iban", "address", "person"]

    def __get_pydantic_json_schema__(
        self, core_schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say it in the schema, and so in the descriptor that everybody reads."""
        return {**handler(core_schema), PII_MARK: self.kind}
