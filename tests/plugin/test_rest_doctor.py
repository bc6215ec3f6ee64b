"""`/doctor` by REST says what `mailman arc doctor` says, and does not take long."""

from __future__ import annotations

import json

import pytest

from tests.house.dns_server import DnsServer
from tests.plugin.restclient import BAD, Client
from tests.plugin.test_commands import run


@pytest.fixture
def rest(application, services, mlist) -> Client:
    return Client(application)


def test_it_says_what_the_command_says(rest):
    by_command = json.loads(run("doctor", "-f", "json").stdout)["findings"]

    found = rest.get("doctor")

    assert found["checks"]
    assert all(each in by_command for each in found["checks"])
    assert found["self_link"] == rest.get()["doctor_link"]


def test_it_waits_for_one_time_out_at_most(rest, install):
    with DnsServer({}) as dns:
        dns.dead = True
        install(
            test_keys="",
            nameservers=dns.address,
            nameserver_port=str(dns.port),
            dns_timeout="0.3",
            dns_deadline="60",
        )

        # With 60 s of waiting nobody would go on.
        checks = rest.get("doctor")["checks"]

    [error] = [each["text"] for each in checks if each["severity"] == "error"]
    assert error.startswith("the DNS does not answer")


def test_parameters_mean_nothing(rest):
    assert "Unexpected parameters: dns" in rest.refused("GET", "doctor?dns=no", BAD)
