from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    name = "access"
    verbose_name = _("Access")

    def ready(self) -> None:
        from access.lookups import lookups_register
        from access.roles import roles_sync_after_migrate

        lookups_register()
        post_migrate.connect(roles_sync_after_migrate, sender=self, dispatch_uid="access.roles")
