"""Who may use the API, and what an idempotent request answered the first time."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import AbstractAPIKey, APIKeyManager


class ApiKeyManager(APIKeyManager):
    """Gives every new key, however it is made, a name in the trail of what was done."""

    def assign_key(self, obj: Any) -> str:
        """Draw the key, and create the actor it acts as: a user that can never log in. Returns the key, shown once."""
        key: str = super().assign_key(obj)
        actor = User(username=f"api-{obj.prefix}", first_name=obj.name or "", is_active=False)
        actor.set_unusable_password()
        actor.save()
        obj.acts_as = actor
        return key


class ApiKey(AbstractAPIKey):
    """A hashed key with a visible prefix, an expiry and scopes such as `contacts:read` (access.scopes)."""

    objects: ClassVar[ApiKeyManager] = ApiKeyManager()

    scopes = ArrayField(models.CharField(max_length=40), default=list, verbose_name=_("scopes"))
    # Whom the trail names: "approved by", "edited by". One per key, so that four eyes are never two keys' one actor.
    acts_as = models.OneToOneField(
        "auth.User", on_delete=models.PROTECT, related_name="api_key", editable=False, verbose_name=_("acts as")
    )
    created_by = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created"]
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")


class IdempotencyRecord(models.Model):
    """The first answer to a request that carried an Idempotency-Key, kept for 24 hours (access.idempotency)."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # sha256 of method, path and body
    status_code = models.PositiveSmallIntegerField(null=True)  # empty while the first request is being worked on
    body = models.BinaryField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    # Set by the request that works on it; one that died leaves it behind and another takes over after the lease.
    started_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]
