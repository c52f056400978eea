"""Admin pages that need more than one room: they stand above them all."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
