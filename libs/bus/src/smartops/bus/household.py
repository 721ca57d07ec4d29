"""Who has which key, as a file: from it and the catalogue follows the server's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from smartops.bus.errors import BusError
from smartops.bus.specs import Topology
from smartops.bus.users import (
    BusUser,
    monitor_user,
    person_user,
    provisioner_user,
    service_users,
)
from smartops.contracts.catalogue import SERVICES
from smartops.contracts.subjects import Subjects

__all__ = ["BadHousehold", "Household", "Person"]

PublicKey = Annotated[str, Field(pattern=r"^U[A-Z2-7]{55}$")]
"""Public half of a user's NKEY."""


class BadHousehold(BusError):
    """The file of users cannot be used as it is."""

    code = "bad_household"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Person(_Part):
    """A human's credential."""

    name: str
    """Of the credential; also of its inbox."""
    tenant: str
    principal: str
    """Who it is, as one subject token."""
    key: PublicKey


class Household(_Part):
    """All users of one server."""

    prefix: str = "smartops"
    services: dict[str, PublicKey]
    people: tuple[Person, ...] = ()
    provisioner: PublicKey
    monitor: PublicKey
    system: PublicKey | None = None
    """Of the account `SYS`; None: nobody enters there."""

    @classmethod
    def read(cls, path: Path) -> Household:
        """Read a JSON file.

        Raises:
            BadHousehold: it cannot be read, or something in it is missing or malformed.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadHousehold(f"cannot read {str(path)!r}: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise BadHousehold(f"{str(path)!r}: {field}: {first['msg']}") from error

    @property
    def subjects(self) -> Subjects:
        """The subjects below its prefix."""
        return Subjects(self.prefix)

    def users(self, topology: Topology) -> tuple[BusUser, ...]:
        """Each with what it may do.

        Raises:
            BadHousehold: a service of the catalogue has no key.
        """
        missing = [name for name in SERVICES if name not in self.services]
        if missing:
            raise BadHousehold(f"no key for {', '.join(missing)}: make one with `new-key`")
        return (
            *service_users(self.services, topology, subjects=self.subjects),
            *(
                person_user(
                    one.name,
                    one.key,
                    tenant=one.tenant,
                    principal=one.principal,
                    subjects=self.subjects,
                )
                for one in self.people
            ),
            provisioner_user(self.provisioner, topology),
            monitor_user(self.monitor),
        )
