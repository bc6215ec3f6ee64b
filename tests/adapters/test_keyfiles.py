"""Private key files: what is read and what an operator is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    generate_private_key as generate_ec_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mailman_arc.adapters.keyfiles import (
    MAX_KEY_FILE_SIZE,
    KeyFileError,
    read_signing_key,
)


SOMEBODY = 65534  # a user who is neither root nor we

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can chown")


def to_pem(key, encryption=None) -> bytes:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
    )


@pytest.fixture
def key_file(tmp_path) -> Path:
    file = tmp_path / "arc1.pem"
    file.write_bytes(to_pem(Ed25519PrivateKey.generate()))
    file.chmod(0o600)
    return file


def complaint(file: object, **options) -> str:
    with pytest.raises(KeyFileError) as caught:
        read_signing_key(file, **options)
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440, 0o700])
def test_a_safe_file_gives_its_key(key_file, mode):
    key_file.chmod(mode)
    assert read_signing_key(str(key_file)).key_type == "ed25519"


def test_a_symbolic_link_is_followed(key_file, tmp_path):
    link = tmp_path / "current.pem"
    link.symlink_to(key_file)
    assert read_signing_key(link).key_type == "ed25519"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o620, 0o660, 0o666])
def test_a_file_open_to_others_is_refused_with_a_way_out(key_file, mode):
    key_file.chmod(mode)
    said = complaint(key_file)
    assert str(key_file) in said
    assert f"mode {mode:04o}" in said
    assert "chmod 0640" in said


def test_a_file_open_to_others_can_be_accepted_on_purpose(key_file):
    key_file.chmod(0o666)
    assert read_signing_key(key_file, require_safe=False).key_type == "ed25519"


@as_root
def test_a_file_of_somebody_else_is_refused_with_a_way_out(key_file):
    os.chown(key_file, SOMEBODY, SOMEBODY)
    assert "chown root" in complaint(key_file)


def test_a_missing_file_is_named(tmp_path):
    said = complaint(tmp_path / "none.pem")
    assert (
        said == f"cannot read key file {tmp_path}/none.pem: No such file or directory"
    )


def test_a_link_to_nothing_is_named(tmp_path):
    link = tmp_path / "link.pem"
    link.symlink_to(tmp_path / "gone")
    assert "No such file" in complaint(link)


def test_a_link_in_a_circle_is_named(tmp_path):
    link = tmp_path / "link.pem"
    link.symlink_to(link)
    assert f"{link}: Too many levels" in complaint(link)


def test_a_directory_is_named(tmp_path):
    assert "is a directory" in complaint(tmp_path)


def test_a_fifo_is_refused_at_once(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    assert "not a regular file" in complaint(fifo)


def test_a_device_is_refused():
    assert "not a regular file" in complaint("/dev/zero", require_safe=False)


@pytest.mark.parametrize("name", ["", "nul\0byte"])
def test_a_name_that_no_file_can_have_is_refused(name):
    assert "key file" in complaint(name)


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_an_empty_file_is_named(key_file, content):
    key_file.write_bytes(content)
    assert "is empty" in complaint(key_file)


def test_a_huge_file_is_refused(key_file):
    key_file.write_bytes(b"x" * (MAX_KEY_FILE_SIZE + 1))
    assert "octets" in complaint(key_file)


def test_a_file_without_a_key_is_named(key_file):
    key_file.write_bytes(b"Dear Diary")
    assert f"key file {key_file}: there is no private key" in complaint(key_file)


def test_a_public_key_is_no_private_key(key_file):
    public = Ed25519PrivateKey.generate().public_key()
    key_file.write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    assert "no private key" in complaint(key_file)


def test_a_key_of_another_kind_is_named(key_file):
    key_file.write_bytes(to_pem(generate_ec_key(SECP256R1())))
    assert "neither RSA nor Ed25519" in complaint(key_file)


def test_an_encrypted_key_is_refused_with_a_way_out(key_file):
    secret = BestAvailableEncryption(b"secret")
    key_file.write_bytes(to_pem(Ed25519PrivateKey.generate(), secret))
    said = complaint(key_file)
    assert "encrypted" in said
    assert "openssl pkey" in said


def test_no_message_holds_any_of_the_key(key_file):
    pem = key_file.read_bytes()
    key_file.write_bytes(pem.replace(b"PRIVATE", b"PRIVATF"))
    assert pem.splitlines()[1].decode() not in complaint(key_file)


READ_AS_SOMEBODY = """
import os, sys
from mailman_arc.adapters.keyfiles import KeyFileError, read_signing_key
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    read_signing_key(sys.argv[1])
except KeyFileError as error:
    print(error)
"""


def said_to_somebody(file: Path) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", READ_AS_SOMEBODY, str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout


@as_root
def test_a_file_that_we_may_not_read_is_named_with_its_rights(key_file):
    for folder in (key_file.parent, *key_file.parents[1:3]):
        folder.chmod(0o755)
    said = said_to_somebody(key_file)
    assert f"cannot read key file {key_file} (mode 0600, owner root:root)" in said
    assert "chmod 0640" in said


@as_root
def test_a_closed_directory_is_the_reason_given(key_file):
    key_file.parent.chmod(0o700)
    assert "a directory above it" in said_to_somebody(key_file)
