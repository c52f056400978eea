"""One settings file; every deployment difference comes from the environment (docs/operations.md).

`REKINDLE_ENV` is `production` unless said otherwise, and production refuses to start with a missing or
insecure secret, naming it. `development` is for the demo, the tests and a laptop.
"""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from psycopg.conninfo import conninfo_to_dict

from config.admin_site import UNFOLD as UNFOLD
from config.logging import configure as configure_logging

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

REKINDLE_ENV = env.str("REKINDLE_ENV", default="production")
if REKINDLE_ENV not in ("production", "development"):
    raise ImproperlyConfigured(f"REKINDLE_ENV is {REKINDLE_ENV!r}; it may be 'production' or 'development'.")
PRODUCTION = REKINDLE_ENV == "production"
DEVELOPMENT_FERNET_KEY = "ZGV2ZWxvcG1lbnQtb25seS1mZXJuZXQta2V5LTAwMDA="


def _secret(name: str, *, minimum: int) -> str:
    """The named secret, or a refusal to start that says which one is wrong and how to mend it."""
    value: str = env.str(name, default="")
    if not PRODUCTION and not value:
        return "development-only-" + name.lower() + "-" + "0" * minimum
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. Set it to a random string of {minimum} characters or more.")
    if len(value) < minimum or len(set(value)) < 8 or "development-only" in value:
        raise ImproperlyConfigured(f"{name} is insecure: it needs {minimum} or more random characters.")
    return value


def _fernet_keys(name: str) -> list[str]:
    """Comma-separated Fernet keys; the first encrypts, all decrypt (docs/operations.md, key rotation)."""
    keys: list[str] = env.list(name, default=[])
    if not keys and not PRODUCTION:
        return [DEVELOPMENT_FERNET_KEY]
    if not keys:
        raise ImproperlyConfigured(f"{name} is not set. `python manage.py generate_key` prints one.")
    for key in keys:
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} holds a value that is not a Fernet key: {error}") from error
        if PRODUCTION and key == DEVELOPMENT_FERNET_KEY:
            raise ImproperlyConfigured(f"{name} holds the published development key. Make your own.")
    return keys


SECRET_KEY = _secret("SECRET_KEY", minimum=50)
# Encrypts provider credentials at rest. Kept apart from SECRET_KEY so that either can rotate alone.
FIELD_ENCRYPTION_KEYS = _fernet_keys("FIELD_ENCRYPTION_KEYS")
# Keys the hashes of suppressed addresses: a suppression must survive the erasure of its address.
SUPPRESSION_HASH_KEY = _secret("SUPPRESSION_HASH_KEY", minimum=32)

DEBUG = env.bool("DEBUG", default=False)
if DEBUG and PRODUCTION:
    raise ImproperlyConfigured("DEBUG is on in production: error pages would show personal data. Unset DEBUG.")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[] if PRODUCTION else ["*"])
if PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured("ALLOWED_HOSTS must name this site's host names (comma-separated, no '*').")
# Public address of this site; tracked links and QR codes are built from it.
PUBLIC_URL = env.str("PUBLIC_URL", default="" if PRODUCTION else "http://127.0.0.1:8000").rstrip("/")
if not PUBLIC_URL:
    raise ImproperlyConfigured("PUBLIC_URL is not set, e.g. https://callbacks.example.com")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])

# TLS ends at a proxy in front of the web process; `make serve` on a laptop has none.
HTTPS = env.bool("HTTPS", default=PRODUCTION)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "access",
    "contacts",
    "messaging",
    "campaigns",
    "conversations",
    "delivery",
    "callbacks",
    "reports",
]

MIDDLEWARE = [
    "config.middleware.EarlyDoorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
for _name, _value in (("DATABASE_URL", DATABASE_URL), ("REDIS_URL", REDIS_URL)):
    if not _value:
        raise ImproperlyConfigured(
            f"{_name} is not set. Point it to a running service, or start this command through "
            "`python -m config.embedded run -- ...`, which brings its own (make demo, make serve and make test do)."
        )
_conninfo = conninfo_to_dict(DATABASE_URL)  # libpq's own reading: Unix sockets, sslmode and the rest work
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _conninfo.pop("dbname", "rekindle"),
        "USER": _conninfo.pop("user", ""),
        "PASSWORD": _conninfo.pop("password", ""),
        "HOST": _conninfo.pop("host", ""),
        "PORT": _conninfo.pop("port", ""),
        "OPTIONS": _conninfo,
        # A connection per webhook would cost ten times the insert (docs/operations.md).
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # A cache that hangs must not hang a request: what needs it goes on without (access.throttles).
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
}


def _broker_url(url: str) -> str:
    """Celery spells a Redis unix socket differently from redis-py."""
    parts = urlsplit(url)
    return f"redis+socket://{parts.path}" if parts.scheme == "unix" else url


CELERY_BROKER_URL = _broker_url(REDIS_URL)
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # PostgreSQL owns retries, never the broker
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 60
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 300, "socket_timeout": 10, "socket_connect_timeout": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # Redis may come back after an hour; the worker waits for it
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 25
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

# The REST API (docs/api.md). Per key and minute; a request body there is a few kilobytes.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=600)
API_MAX_BYTES = 256 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["access.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["access.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["access.throttles.KeyThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "access.negotiation.AlwaysJson",
    "DEFAULT_PARSER_CLASSES": ["access.parsers.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "access.pagination.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "access.schema.Schema",
    "EXCEPTION_HANDLER": "access.problems.problem_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rekindle API",
    "VERSION": "1",
    "DESCRIPTION": "Campaigns, conversations and warm callbacks on chat channels. A walk-through is in docs/api.md.",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Enums that share a field name across resources would otherwise be named by a hash.
    "ENUM_NAME_OVERRIDES": {
        "AccountStatus": "messaging.models.ChannelAccount.Status",
        "CampaignStatus": "campaigns.models.Campaign.Status",
        "ConversationStatus": "conversations.models.Conversation.Status",
        "MessageState": "conversations.models.Message.Status",
        "TemplateStatus": "messaging.models.Template.Status",
        "TemplateCategory": "messaging.models.Template.Category",
        "AddressKind": "contacts.models.Address.Kind",
        "EntryPointKind": "campaigns.models.EntryPoint.Kind",
        "CloseCategory": "conversations.models.Conversation.CloseCategory",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

USE_I18N = True
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English")), ("vi", _("Vietnamese"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = not PRODUCTION

# A webhook body may be 3 MB by the platform's word; the door reads up to 4 MB, everything else far less.
WEBHOOK_MAX_BYTES = 4 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = WEBHOOK_MAX_BYTES

# A business of one person cannot have another approve; see docs/marketers.md.
ALLOW_SELF_APPROVAL = env.bool("ALLOW_SELF_APPROVAL", default=False)
# Where a phone number without a country code is assumed to live when a form or file does not say.
DEFAULT_PHONE_REGION = env.str("DEFAULT_PHONE_REGION", default="VN")
# Bearer token for /metrics; without one the endpoint answers only to loopback.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = None
configure_logging(LOG_LEVEL)
