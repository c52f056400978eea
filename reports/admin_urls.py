"""Admin pages that need more than one room: they stand above them all."""

from django.contrib import admin
from django.urls import path

from callbacks.testsend import send_policy, send_template
from conversations.thread import thread_view
from delivery.explain import why_view
from reports.dashboard import people_view
from reports.timeline import timeline_view

page = admin.site.admin_view  # asks for a signed-in member of staff; each view asks for its own permission

urlpatterns = [
    path("test-send/template/<int:pk>/", page(send_template), name="test-send-template"),
    path("test-send/policy/<uuid:pk>/", page(send_policy), name="test-send-policy"),
    path("people/", page(people_view), name="dashboard-people"),
    path("conversations/conversation/<uuid:pk>/thread/", page(thread_view), name="conversation-thread"),
    path("contacts/contact/<uuid:pk>/timeline/", page(timeline_view), name="contact-timeline"),
    path("conversations/message/<uuid:pk>/why/", page(why_view), name="message-why"),
]
