from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.authres import (
    MAX_FIELD_OCTETS,
    MAX_RESULTS,
    AuthenticationResults,
    MethodResult,
    Property,
    claimed_authserv_id,
    normalize_authserv_id,
    parse_authentication_results,
)
from mailman_arc.mailauth.authres_lexemes import MAX_COMMENT_DEPTH
from mailman_arc.mailauth.authres_writer import (
    MAX_PROPERTIES,
    MAX_VALUE_OCTETS,
    format_results,
)
from mailman_arc.mailauth.errors import MalformedField


def methods_of(results: str) -> list[tuple[str, str]]:
    found = parse_authentication_results(b"mx.example; " + results.encode())
    return [(method.method, method.result) for method in found.methods]


def properties_of(properties: str) -> list[tuple[str, str, str]]:
    found = parse_authentication_results(b"mx.example; x=pass " + properties.encode())
    return [(one.ptype, one.name, one.value) for one in found.methods[0].properties]


# Reading -----------------------------------------------------------------------


def test_a_field_gives_its_id_and_its_results_in_order():
    found = parse_authentication_results(
        b" mx.example;\r\n"
        b"\tspf=pass (sender is fine) smtp.mailfrom=a@b.example;\r\n"
        b'\tDKIM=Fail reason="body hash" header.d=b.example header.b="ab/cd="'
    )

    assert found == AuthenticationResults(
        "mx.example",
        (
            MethodResult(
                "spf",
                "pass",
                properties=(Property("smtp", "mailfrom", "a@b.example"),),
                comment="sender is fine",
            ),
            MethodResult(
                "dkim",
                "fail",
                reason="body hash",
                properties=(
                    Property("header", "d", "b.example"),
                    Property("header", "b", "ab/cd="),
                ),
            ),
        ),
    )


def test_a_property_is_found_by_its_words():
    found = MethodResult("dkim", "pass", None, (Property("header", "d", "a.example"),))

    assert found.get("header", "d") == "a.example"
    assert found.get("header", "i") is None
    assert found.get("policy", "d") is None


def test_the_field_full_of_comments_of_rfc_8601_appendix_b_7_is_read():
    found = parse_authentication_results(
        b"foo.example.net (foobar) 1 (baz);\r\n"
        b"    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
        b"      policy (A dot can go here) . (like that) expired\r\n"
        b"      (this surprised me) = (as I wasn't expecting it) 1362471462"
    )

    assert found.authserv_id == "foo.example.net"
    assert [(one.method, one.result) for one in found.methods] == [("dkim", "fail")]
    assert found.methods[0].get("policy", "expired") == "1362471462"


@pytest.mark.parametrize(
    "value",
    [
        "mx.example; none",
        "mx.example;none",
        "mx.example 1; None",
        "(x) mx.example (amavis); (x) none (y);",
        '"mx.example"; none',
        "\r\n mx.example\r\n\t;\r\n none\r\n",
    ],
)
def test_none_stands_for_no_results(value):
    found = parse_authentication_results(value.encode())

    assert found == AuthenticationResults("mx.example")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b";",
        b"; spf=pass",
        b"mx.example",
        b"mx.example;",
        b"mx.example 1",
        b"mx.example x; none",
        b"mx.example 1 x; none",
        b"mx.example 2; none",
        b'""; none',
        b"<mx.example>; none",
        b"mx/example; none",
        b"spf=pass smtp.mailfrom=x; dkim=pass",
        b"auth=pass smtp.auth=u",
        b"mx.example; none; spf=pass",
        b"mx.example; spf=pass; none",
        b"mx.exam\x00ple; none",
        b"mx.example; spf=pass (\x0b)",
        b'mx.example; spf=pass reason="x',
        b'"mx.example; spf=pass',
        b"mx.example; spf=pass (x",
        b"mx.example; spf=pass ((x)",
        b"mx.example; spf=pass (x))",
        b"mx.example; " + b"x" * MAX_FIELD_OCTETS,
        b"mx.example" + b"; spf=pass" * (MAX_RESULTS + 1),
        b"mx.example; x=y " + b"(" * (MAX_COMMENT_DEPTH + 1) + b")" * 40,
    ],
)
def test_a_field_that_nobody_can_be_sure_about_is_refused(value):
    with pytest.raises(MalformedField):
        parse_authentication_results(value)


@pytest.mark.parametrize(
    "result",
    [
        "spf",
        "spf pass",
        "spf=",
        "spf=pass fail",
        "spf=pass.x",
        "spf=pass x.y",
        "spf=pass x.=z",
        "spf=pass x",
        "spf=pass reason",
        "spf=pass reason=",
        'spf="pass"',
        '"spf"=pass',
        "spf/x=pass",
        "spf/1.0=pass",
        "spf/=pass",
        "=pass",
        ".",
        "host.example",
        "host.example..; spf=pass",
        "host.example :; spf=pass",
        "-spf=pass",
    ],
)
def test_a_result_that_follows_no_known_habit_spoils_the_field(result):
    with pytest.raises(MalformedField):
        methods_of(result)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("spf=pass;", [("spf", "pass")]),
        ("spf=pass; ; dkim=fail", [("spf", "pass"), ("dkim", "fail")]),
        ("dkim/1=pass", [("dkim", "pass")]),
        ("dkim / 1 = pass", [("dkim", "pass")]),
        ("dkim/2=pass; spf=fail", [("spf", "fail")]),
        ("dkim/2=pass", []),
        ("dmarc=bestguesspass", [("dmarc", "bestguesspass")]),
        ("dmarc=pass action=none header.from=x.example", [("dmarc", "pass")]),
        ("dmarc=pass action= header.from=x.example", [("dmarc", "pass")]),
        ("spf=pass; mx2.example; dkim=fail", [("spf", "pass"), ("dkim", "fail")]),
        ("spf=pass; mx2.example;", [("spf", "pass")]),
        ("smtp.remote-ip=192.0.2.1; spf=pass", [("spf", "pass")]),
        ("arc=pass (0 oda=1 spf=[1,1,smtp.mailfrom=x])", [("arc", "pass")]),
        ('spf=fail reason="a; dkim=pass (c"', [("spf", "fail")]),
        ("spf=fail (; dkim=pass)", [("spf", "fail")]),
        (r"spf=fail (\); dkim=pass (x) \()", [("spf", "fail")]),
        ("dmarc=success(p=REJECT) header.from=x", [("dmarc", "success")]),
    ],
)
def test_results_are_read_as_real_software_writes_them(results, expected):
    assert methods_of(results) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("header.d=a.example", ("header", "d", "a.example")),
        ("Header.D=A.Example", ("header", "d", "A.Example")),
        ("header (c) . d = (c) a.example", ("header", "d", "a.example")),
        ("header.i=@a.example", ("header", "i", "@a.example")),
        ("smtp.mailfrom=S=ab=x@a.example", ("smtp", "mailfrom", "S=ab=x@a.example")),
        ('smtp.mailfrom="a b"@c.example', ("smtp", "mailfrom", "a b@c.example")),
        ("smtp.mailfrom=", ("smtp", "mailfrom", "")),
        ('smtp.mailfrom=""', ("smtp", "mailfrom", "")),
        ("smtp.mailfrom=<>", ("smtp", "mailfrom", "<>")),
        ("smtp.remote-ip=2001:db8::1", ("smtp", "remote-ip", "2001:db8::1")),
        ('smtp.remote-ip="2001:db8::1"', ("smtp", "remote-ip", "2001:db8::1")),
        ("header.b=ab/cd=", ("header", "b", "ab/cd=")),
        ("header.b=/abc", ("header", "b", "/abc")),
        ("policy.uri=\r\n https://x/", ("policy", "uri", "https://x/")),
        (r'policy.x="say \"hi\" \\"', ("policy", "x", 'say "hi" \\')),
        ('policy.x="two\r\n words"', ("policy", "x", "two words")),
        ("header.from=a.example(comment)", ("header", "from", "a.example")),
        ("header.i=Pelé@a.example", ("header", "i", "Pelé@a.example")),
    ],
)
def test_a_property_is_read_quoted_or_not(text, expected):
    assert properties_of(text) == [expected]


def test_a_missing_value_does_not_swallow_the_next_property():
    found = properties_of("smtp.mailfrom= smtp.helo=a.example")

    assert found == [("smtp", "mailfrom", ""), ("smtp", "helo", "a.example")]


def test_a_reason_without_quotes_is_read_wherever_it_stands():
    found = parse_authentication_results(b"x; compauth=pass a.b=c reason=100")

    assert found.methods[0].reason == "100"


def test_the_first_comment_is_kept_in_one_line():
    found = parse_authentication_results(b"x; a=b () (one\r\n\t (two)) (three)")

    assert found.methods[0].comment == "one (two)"


@given(st.binary())
def test_any_octets_are_a_value_or_malformed(value):
    try:
        found = parse_authentication_results(value)
    except MalformedField:
        return
    assert found.authserv_id


@given(st.text(alphabet='ab.=;/" \\()\r\n1\té@', max_size=60))
def test_whatever_is_read_claims_the_id_that_was_read(text):
    value = text.encode()
    claimed = claimed_authserv_id(value)
    try:
        found = parse_authentication_results(value)
    except MalformedField:
        return
    assert claimed == normalize_authserv_id(found.authserv_id)


# Claims ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "mx.example; dkim=pass",
        "MX.Example; dkim=pass",
        "mx.example.; dkim=pass",
        "mx.example",
        "mx.example dkim=pass",
        "mx.example 1; dkim=pass",
        "mx.example 2; dkim=pass",
        "mx.example/1; dkim=pass",
        "mx.example=; dkim=pass",
        "mx.example, dkim=pass",
        "mx.example(comment); dkim=pass",
        "(comment) mx.example; dkim=pass",
        "(other.example; (x) \\) ) ( y ) mx.example; dkim=pass",
        "(" * 100 + ")" * 100 + "mx.example; dkim=pass",
        "(mx.example; dkim=pass",
        "((x) mx.example; dkim=pass"[1:],
        '"mx.example"; dkim=pass',
        '"mx.exam\\ple"; dkim=pass',
        'mx."example"; dkim=pass',
        '"mx.example; dkim=pass',
        '"mx.example',
        '"mx.exam\r\nple"; dkim=pass"',
        "\r\n\tmx.example\r\n ; dkim=pass",
        "mx\x00.example; dkim=pass",
        "\x0bmx.example\x7f; dkim=pass",
        " ; mx.example; dkim=pass",
        "<mx.example>; dkim=pass",
        "mx.example\u00a0; dkim=pass",
        "\ufeffmx.example; dkim=pass",
        "mx.example; dkim=pass (never closed",
        "mx。example; dkim=pass",
        "mx.example; dkim=pass" + " " * MAX_FIELD_OCTETS,
    ],
)
def test_no_disguise_hides_the_id_a_field_claims(value):
    assert claimed_authserv_id(value.encode()) == "mx.example"


@pytest.mark.parametrize("value", [b"", b" ", b"(mx.example)", b";;", b'""', b"("])
def test_a_field_without_words_claims_no_id(value):
    assert claimed_authserv_id(value) is None


@pytest.mark.parametrize(
    "value",
    [b"mx.example.org; none", b"amx.example; none", b"other; x=pass mx.example"],
)
def test_the_id_of_somebody_else_is_not_ours(value):
    assert claimed_authserv_id(value) not in (None, "mx.example")


def test_an_international_id_is_the_same_in_both_forms():
    assert claimed_authserv_id('"Bücher.example"; none'.encode()) == (
        normalize_authserv_id("xn--bcher-kva.example")
    )


def test_an_id_that_is_no_domain_name_is_compared_in_lower_case():
    assert claimed_authserv_id(b'"My Host!"; none') == normalize_authserv_id("my host!")


@given(st.binary())
def test_any_octets_claim_an_id_or_none(value):
    assert claimed_authserv_id(value) != ""


# Writing -----------------------------------------------------------------------


def test_results_are_written_one_below_the_other():
    written = format_results(
        "mx.example",
        [
            MethodResult(
                "dkim",
                "pass",
                comment="2048-bit key",
                properties=(
                    Property("header", "d", "a.example"),
                    Property("header", "i", "@a.example"),
                    Property("header", "b", "ab/cd="),
                ),
            ),
            MethodResult("spf", "fail", reason="not allowed"),
            MethodResult(
                "arc",
                "none",
                properties=(Property("smtp", "remote-ip", "2001:db8::1"),),
            ),
        ],
    )

    assert written == (
        b" mx.example;\r\n"
        b" dkim=pass (2048-bit key) header.d=a.example header.i=@a.example\r\n"
        b' header.b="ab/cd=";\r\n'
        b' spf=fail reason="not allowed";\r\n'
        b' arc=none smtp.remote-ip="2001:db8::1"'
    )


def test_without_results_none_is_written():
    assert format_results("mx.example", []) == b" mx.example; none"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a.example", b"a.example"),
        ("SRS0=ab=x@a.example", b"SRS0=ab=x@a.example"),
        ("@a.example", b"@a.example"),
        ("", b'""'),
        ("<>", b'"<>"'),
        ("a b@c.example", b'"a b@c.example"'),
        ('say "hi" \\', b'"say \\"hi\\" \\\\"'),
        ("a;\r\nBcc: b", b'"a; Bcc: b"'),
        ("a\x00\x7f\x85b\u202e", b'"a b"'),
        ("\ud800", b'""'),
        ("bücher.example", '"bücher.example"'.encode()),
        ("x" * 2000, b"x" * MAX_VALUE_OCTETS),
    ],
)
def test_a_value_is_quoted_and_cleaned_as_needed(value, written):
    method = MethodResult("x", "pass", properties=(Property("policy", "y", value),))

    octets = b" ".join(format_results("mx.example", [method]).split(b"\r\n "))
    assert octets == b" mx.example; x=pass policy.y=" + written


def test_words_are_brought_to_their_alphabet():
    method = MethodResult("X own\r\n", ";", properties=(Property("a.b", "ü", "c"),))

    assert format_results("mx.example", [method]) == (
        b" mx.example;\r\n x-own=unknown a-b.unknown=c"
    )


def test_a_comment_holds_nothing_that_means_anything():
    method = MethodResult("x", "pass", comment='a) ; b=pass\r\n ("\\é \x00\n')

    assert format_results("mx.example", [method]) == (
        b" mx.example;\r\n x=pass (a] , b=pass ['/?)"
    )


@pytest.mark.parametrize(
    ("authserv_id", "written"),
    [
        ("", b" unknown; none"),
        ("\r\n", b" unknown; none"),
        ("my host; x=pass", b' "my host; x=pass"; none'),
        ("a@b.example", b' "a@b.example"; none'),
    ],
)
def test_an_id_from_the_configuration_is_quoted_too(authserv_id, written):
    assert format_results(authserv_id, []) == written


def test_no_more_is_written_than_the_reader_takes():
    big = MethodResult(
        "x" * 99,
        "y" * 99,
        "\\" * 999,
        (Property("p" * 99, "n" * 99, '"' * 999),) * 999,
        "c" * 999,
    )

    written = format_results('"' * 999, [big] * 99)

    found = parse_authentication_results(written)
    assert len(found.methods[0].properties) == MAX_PROPERTIES
    assert max(map(len, written.split(b"\r\n"))) <= 998


def test_small_results_are_written_up_to_the_number_the_reader_takes():
    written = format_results("mx.example", [MethodResult("x", "y")] * 99)

    assert len(parse_authentication_results(written).methods) == MAX_RESULTS


words = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
plain = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
values = st.one_of(
    plain, st.from_regex(r"[a-zé]{1,5}( [a-z;()\"]{1,5}){0,3}", fullmatch=True)
)
sane = st.builds(
    MethodResult,
    words,
    words,
    st.none() | values,
    st.lists(st.builds(Property, words, words, values), max_size=4).map(tuple),
    st.none() | st.from_regex(r"[a-z=]{1,9}( [a-z.]{1,30}){0,6}", fullmatch=True),
)


@given(values.filter(bool), st.lists(sane, max_size=5))
def test_what_was_written_is_read_back(authserv_id, methods):
    written = format_results(authserv_id, methods)

    found = parse_authentication_results(written)
    assert found == AuthenticationResults(authserv_id, tuple(methods))


any_text = st.text(max_size=30)
wild = st.builds(
    MethodResult,
    any_text,
    any_text,
    st.none() | any_text,
    st.lists(st.builds(Property, any_text, any_text, any_text), max_size=3).map(tuple),
    st.none() | any_text,
)


@given(any_text, st.lists(wild, max_size=5))
def test_no_text_writes_a_field_or_a_result_of_its_own(authserv_id, methods):
    written = format_results(authserv_id, methods)

    first, *others = written.split(b"\r\n")
    assert all(line[:1] == b" " and line.strip() for line in (first, *others))
    assert not set(b"\r\n\x00") & set(b"".join((first, *others)))
    assert len(parse_authentication_results(written).methods) == len(methods)


@given(st.lists(wild, max_size=5))
def test_a_reader_that_splits_at_semicolons_outside_quotes_counts_the_same(methods):
    written = format_results("mx.example", methods).decode()

    outside = "".join(written.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    assert outside.count(";") == max(1, len(methods))


# Hostile input -----------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        "(",
        ")",
        "(())",
        '"',
        '\\"',
        '"(',
        "()",
        '""',
        "a=",
        ";",
        "\\",
        " (",
        "(\\",
        "/1",
        "é",
    ],
)
def test_time_is_linear_in_the_size_of_a_hostile_field(hostile):
    value = (hostile * 200_000)[:200_000].encode()
    began = time.process_time()

    claimed_authserv_id(value)
    claimed_authserv_id(b"mx " + value)
    with pytest.raises(MalformedField):
        parse_authentication_results(value[:MAX_FIELD_OCTETS])

    assert time.process_time() - began < 3
