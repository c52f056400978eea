"""/api/: version 1 of the REST API, its schema and its rendered page."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from access.api import ApiRouter, not_found
from callbacks.api import CallbackView, PolicyView, StepView
from campaigns.api import CampaignView, EntryPointView
from contacts.api import SuppressionView
from conversations.api import ConversationView, MessageView
from conversations.api_consents import ContactView
from conversations.api_conversions import ConversionView
from delivery.api import DecisionView
from messaging.api import AccountView, TemplateView
from reports.api import ReportView

router = ApiRouter()
router.register("accounts", AccountView, basename="account")
router.register("templates", TemplateView, basename="template")
router.register("contacts", ContactView, basename="contact")
router.register("suppressions", SuppressionView, basename="suppression")
router.register("campaigns", CampaignView, basename="campaign")
router.register("entry-points", EntryPointView, basename="entry-point")
router.register("policies", PolicyView, basename="policy")
router.register("steps", StepView, basename="step")
router.register("callbacks", CallbackView, basename="callback")
router.register("conversations", ConversationView, basename="conversation")
router.register("messages", MessageView, basename="message")
router.register("conversions", ConversionView, basename="conversion")
router.register("decisions", DecisionView, basename="decision")
router.register("reports", ReportView, basename="report")

urlpatterns = [
    path("v1/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("v1/docs/", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("v1/", include(router.urls)),
    re_path("^(?P<path>.*)$", not_found),
]
