"""What is added to pages of Postorius and HyperKitty; never in their way."""

from __future__ import annotations

from django import template
from django.template import Context, Node, NodeList
from django.template.base import Parser, Token
from django.utils.safestring import SafeString, mark_safe

from mailman_arc.web import panels


register = template.Library()


@register.simple_tag(takes_context=True)
def arc_list_nav(context: Context) -> SafeString:
    """The tabs of a list as the next template of this name has them, and ours."""
    ours = context.render_context.template
    engine = context.template.engine
    theirs, _origin = engine.find_template(ours.name, skip=[ours.origin])
    return mark_safe(panels.with_tab(theirs.render(context), context))  # noqa: S308


@register.simple_tag(takes_context=True)
def arc_list_panel(context: Context) -> str:
    """How it stands with sealing, on the first page of a list."""
    return panels.list_panel(context)


@register.simple_tag(takes_context=True)
def arc_message_panel(context: Context) -> str:
    """What is known of a post, beside it in the archive."""
    return panels.message_panel(context)


@register.tag
def arc_held(parser: Parser, _token: Token) -> Node:
    """The table of held messages between this tag and its end, with verdicts."""
    nodes = parser.parse(("end_arc_held",))
    parser.delete_first_token()
    return _Held(nodes)


class _Held(Node):
    def __init__(self, nodes: NodeList) -> None:
        self.nodelist = nodes

    def render(self, context: Context) -> SafeString:
        html = self.nodelist.render(context)
        return mark_safe(panels.with_verdicts(html, context))  # noqa: S308
