"""`field__any_of=[...]`: like `__in`, with one array parameter instead of one parameter per value.

On the send path an `IN` of 500 ids costs more in the making of its SQL text than in its running.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, ForeignKey, Lookup
from django.db.models.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    _Base = Lookup[Any]
else:
    _Base = Lookup  # generic in its stubs only


class AnyOf(_Base):
    """`= ANY(array)`. The values are used as they are: give them in the field's own Python type."""

    lookup_name = "any_of"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: Iterable[Any]) -> None:
        super().__init__(lhs, list(rhs))

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        sql, parameters = self.process_lhs(compiler, connection)
        values = self.rhs
        if values and isinstance(values[0], UUID):
            # PostgreSQL reads an array of ids from one literal ten times faster than it is adapted id by id.
            return f"{sql} = ANY(%s::uuid[])", (*parameters, array_literal(values))
        return f"{sql} = ANY(%s)", (*parameters, values)


def array_literal(values: Iterable[UUID | int]) -> str:
    """A PostgreSQL array of values that need no quoting."""
    return "{" + ",".join(map(str, values)) + "}"


def lookups_register() -> None:
    """Once, when the applications are ready."""
    Field.register_lookup(AnyOf)
    ForeignKey.register_lookup(AnyOf)
