"""The page beside Postorius: a Django app that asks the plugin over REST.

It imports nothing of Mailman, nor of the other layers, so that it can be
installed where Mailman is not.  It has no models.
"""
