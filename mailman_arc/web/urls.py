"""The addresses of our pages.

`apps.py` puts them among those of Postorius.  Where that is impossible, the urls.py
of the site includes this module with the prefix that Postorius has:
`path("postorius/", include("mailman_arc.web.urls"))`.
"""

from __future__ import annotations

from django.urls import include, re_path

from mailman_arc.web.views import history, keys, overview, post, settings


LIST_PATTERNS = [
    re_path(r"^arc/$", overview.show, name="arc_overview"),
    re_path(r"^arc/history/$", history.show, name="arc_history"),
    re_path(
        r"^arc/history\.(?P<form>csv|jsonl)$", history.export, name="arc_history_export"
    ),
    re_path(r"^arc/history/(?P<entry_id>[0-9]{1,19})/$", post.show, name="arc_post"),
    re_path(r"^arc/settings/$", settings.show, name="arc_settings"),
]
SITE_PATTERNS = [
    re_path(r"^arc/keys/$", keys.show, name="arc_keys"),
]
urlpatterns = [
    *SITE_PATTERNS,
    re_path(r"^lists/(?P<list_id>[^/]+)/", include(LIST_PATTERNS)),
]
