"""Every address of the product."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.health import live, ready
from config.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include("reports.admin_urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("health/live", live),
    path("health/ready", ready),
    path("metrics", metrics),
    path("api/", include("config.api_urls")),
    path("", include("campaigns.urls")),
]
