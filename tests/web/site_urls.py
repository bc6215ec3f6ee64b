"""The addresses of the mailman-web of these tests, as mailman-web has them."""

from __future__ import annotations

from django.apps import apps
from django.urls import include, path


urlpatterns = [
    path("postorius/", include("postorius.urls")),
    path("mailman3/", include("postorius.urls")),
    *(
        [path("archives/", include("hyperkitty.urls"))]
        if apps.is_installed("hyperkitty")
        else []
    ),
    path("", include("django_mailman3.urls")),
    path("accounts/", include("allauth.urls")),
]
