"""The settings of a mailman-web that has nothing but memory.

With HyperKitty where that is installed; the REST address is set by the tests.
"""

from __future__ import annotations

import importlib.util


def _installed(*names: str) -> list[str]:
    return [name for name in names if importlib.util.find_spec(name.split(".")[0])]


SECRET_KEY = "for tests only"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.web.site_urls"
INSTALLED_APPS = [
    "mailman_arc.web",
    *_installed("hyperkitty"),
    "postorius",
    "django_mailman3",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.sites",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_gravatar",
    *_installed("compressor", "haystack", "django_extensions", "django_q"),
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
]
# That of Debian 12 has no such thing yet.
_NEWER = importlib.util.find_spec("allauth.account.middleware") is not None
MIDDLEWARE = [
    *(["allauth.account.middleware.AccountMiddleware"] if _NEWER else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_mailman3.middleware.TimezoneMiddleware",
    "postorius.middleware.PostoriusMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.i18n",
                "django.template.context_processors.static",
                "django.template.context_processors.tz",
                "django.template.context_processors.csrf",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django_mailman3.context_processors.common",
                "postorius.context_processors.postorius",
                *(
                    ["hyperkitty.context_processors.common"]
                    if _installed("hyperkitty")
                    else []
                ),
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SITE_ID = 1
STATIC_URL = "/static/"
STATIC_ROOT = "/nowhere"
COMPRESS_ENABLED = False
COMPRESS_PRECOMPILERS = ()
LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = "UTC"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "list_index"
LOGOUT_URL = "account_logout"
MAILMAN_REST_API_URL = "http://127.0.0.1:1"  # where nobody answers
MAILMAN_REST_API_USER = "restadmin"
MAILMAN_REST_API_PASS = "restpass"
MAILMAN_ARCHIVER_KEY = "key"
MAILMAN_ARCHIVER_FROM = ("127.0.0.1",)
POSTORIUS_TEMPLATE_BASE_URL = "http://localhost"
HYPERKITTY_ENABLE_GRAVATAR = False
FILTER_VHOST = False
HAYSTACK_CONNECTIONS = {
    "default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}
}
Q_CLUSTER = {"orm": "default", "sync": True}
LOGGING_CONFIG = None
