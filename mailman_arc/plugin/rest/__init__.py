"""The REST API of the plugin, below `/3.1/plugins/arc` in Mailman's own.

Mailman has one account for all of its REST API, which may do everything; who
may see or change a list is for its clients to say, as with Mailman's own.
"""
