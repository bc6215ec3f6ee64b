"""What the options of other programs are here, or why they are nothing.

The names are in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailman_arc.policy.foreign import Source


_RUNS = "not needed inside Mailman, which runs the plugin"
_LOGS = "the plugin logs where Mailman does, see [logging.plugins] in mailman.cfg"
_DELIVERS = "whatever goes wrong, the post is delivered"
_ALL_POSTS = "all posts of lists are judged and sealed; `mode` says for which lists"
_FIXED = "the limit is fixed"
_PER_DOMAIN = "the domain that seals is that of the list, or the nearest parent"
_CHOSEN = "which posts are sealed follows from the list, see `mode`"

# Options that are settings here.
MAPPED: Mapping[Source, Mapping[str, str]] = {
    Source.OPENARC: {
        "authservid": "authserv_id",
        "canonicalization": "canonicalization",
        "domain": "domain",
        "keyfile": "key_file",
        "minimumkeysizersa": "minimum_key_size_rsa",
        "mode": "mode",
        "oversignheaders": "oversign_headers",
        "peerlist": "peer_list",
        "requiresafekeys": "require_safe_keys",
        "selector": "selector",
        "signaturettl": "signature_ttl",
        "signheaders": "sign_headers",
    },
    Source.MAILMAN: {
        "authserv_id": "authserv_id",
        "domain": "domain",
        "enabled": "mode",
        "privkey": "key_file",
        "selector": "selector",
        "sig_headers": "sign_headers",
        "trusted_authserv_ids": "trusted_authserv_ids",
    },
    Source.SYMPA: {
        "arc_feature": "mode",
        "arc_private_key_path": "key_file",
        "arc_selector": "selector",
        "arc_signer_domain": "domain",
        "arc_srvid": "authserv_id",
        # Sympa takes those of DKIM where there are none of ARC.
        "dkim_private_key_path": "key_file",
        "dkim_selector": "selector",
        "dkim_signer_domain": "domain",
    },
    Source.RSPAMD: {
        "enabled": "mode",
        "path": "key_file",
        "selector": "selector",
        "sign_headers": "sign_headers",
        "trusted_authserv_id": "trusted_authserv_ids",
        "whitelisted_signers_map": "trusted_sealers",
    },
}

# Options that must not or cannot be taken over, although somebody relied on them.
DANGEROUS: Mapping[Source, Mapping[str, str]] = {
    Source.OPENARC: {
        "fixedtimestamp": "seals with a wrong time, for OpenARC's own tests only",
        "include": "that file is not read: import it too, and join the two",
        "internalhosts": "not taken over: " + _ALL_POSTS,
        "sealheaderchecks": "not taken over: " + _ALL_POSTS,
        "testkeys": "keys for tests, in a form of OpenARC's; ours is a zone file",
    },
    Source.MAILMAN: {},
    Source.SYMPA: {},
    Source.RSPAMD: {
        ".include": "that file is not read: import it too, and join the two",
        "path_map": "that file is not read: write an [identity.…] for each domain",
        "selectors": "several keys of one domain: choose one",
        "selector_map": "that file is not read: write an [identity.…] for each domain",
        "use_redis": "keys in Redis are not read: save them as files",
        "use_vault": "keys in Vault are not read: save them as files",
    },
}

# Why the other options that are known are nothing here.
IGNORED: Mapping[Source, Mapping[str, str]] = {
    Source.OPENARC: {
        **dict.fromkeys(
            (
                "autorestart",
                "autorestartcount",
                "autorestartrate",
                "background",
                "basedirectory",
                "changerootdirectory",
                "enablecoredumps",
                "keeptemporaryfiles",
                "pidfile",
                "socket",
                "temporarydirectory",
                "umask",
                "userid",
            ),
            _RUNS,
        ),
        **dict.fromkeys(("milterdebug", "syslog", "syslogfacility"), _LOGS),
        **dict.fromkeys(
            ("responsedisabled", "responseunable", "responseunwilling"), _DELIVERS
        ),
        "authrescomments": "comments say why something failed, and only then",
        "authresip": "the address is told where it is known (smtp.remote-ip)",
        "finalreceiver": "a list is never the last receiver",
        "maximumheaders": _FIXED,
        "permitauthenticationoverrides": "implied by `trusted_authserv_ids`",
        "signaturealgorithm": "follows from the key",
        "softwareheader": "no such field is written",
    },
    Source.MAILMAN: {
        "dkim": "DKIM is always checked",
        "dmarc": "DMARC is always checked",
    },
    Source.SYMPA: {
        "arc_header_list": "Sympa does not use it either",
        "dkim_add_signature_to": "DKIM signatures are your mail server's task",
        "dkim_feature": "DKIM signatures are your mail server's task",
        "dkim_header_list": "for DKIM signatures; seals cover what is recommended",
        "dkim_signature_apply_on": "DKIM signatures are your mail server's task",
        "dkim_signer_identity": "seals have no i= of this kind",
    },
    Source.RSPAMD: {
        **dict.fromkeys(
            (
                "allow_envfrom_empty",
                "allow_hdrfrom_mismatch",
                "allow_hdrfrom_mismatch_local",
                "allow_hdrfrom_mismatch_sign_networks",
                "allow_hdrfrom_multiple",
                "allow_username_mismatch",
                "auth_only",
                "sign_authenticated",
                "sign_condition",
                "sign_inbound",
                "sign_local",
                "sign_networks",
                "sign_symbol",
            ),
            _CHOSEN,
        ),
        **dict.fromkeys(
            ("try_fallback", "use_domain", "use_domain_sign_inbound", "use_esld"),
            _PER_DOMAIN,
        ),
        "adjust_dmarc": "`trusted_sealers` is told of in results, and changes none",
        "allow_pubkey_mismatch": "seals are proved before they leave",
        "check_pubkey": "seals are proved before they leave",
        "key_prefix": "for keys in Redis",
        "reuse_auth_results": "see `trusted_authserv_ids`",
        "whitelist": "no chain is good without its seals being good",
    },
}
