# /etc/mailman3/settings.py: mailman-web (Postorius and HyperKitty) with mailman_arc
#
# A site that already runs needs only the line marked [arc], added at the end of the
# settings it has.  Where INSTALLED_APPS is written out, as in Debian's
# /etc/mailman3/mailman-web.py, put "mailman_arc.web" in front of all others there.
#
# Then `mailman-web collectstatic`, `mailman-web compress`, and a restart of the web
# server.  This file holds passwords: let only the user of the web server read it.

from mailman_web.settings.base import *
from mailman_web.settings.mailman import *


# [arc] Before Postorius and HyperKitty, because it adds to their pages.
INSTALLED_APPS = ["mailman_arc.web", *INSTALLED_APPS]

SECRET_KEY = "change-this-to-a-long-random-text"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "lists.example.org"]

# Mailman's REST API, as [webservice] in mailman.cfg says.
MAILMAN_REST_API_URL = "http://127.0.0.1:8001"
MAILMAN_REST_API_USER = "restadmin"
MAILMAN_REST_API_PASS = "change-this-password"

# The same as `api_key` in mailman-hyperkitty.cfg.
MAILMAN_ARCHIVER_KEY = "change-this-key"
HYPERKITTY_ENABLE_GRAVATAR = False  # asks nobody outside

# mailman-web keeps everything in /opt/mailman/web otherwise.
STATIC_ROOT = "/var/lib/mailman3/web/static"
LOGGING["handlers"]["file"]["filename"] = "/var/log/mailman3/web.log"
HAYSTACK_CONNECTIONS["default"]["PATH"] = "/var/lib/mailman3/web/fulltext_index"
DATABASES["default"]["NAME"] = "/var/lib/mailman3/web/mailman-web.db"
DATABASES["default"]["OPTIONS"] = {"timeout": 30}  # SQLite: writers wait their turn
