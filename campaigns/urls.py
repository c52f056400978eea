"""The public address of tracked links and QR codes."""

from django.urls import path

from campaigns.views import entry_point_link

urlpatterns = [path("c/<slug:token>/", entry_point_link, name="entry-point-link")]
