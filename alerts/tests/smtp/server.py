"""A mail server with TLS and passwords for the tests, on Debian's aiosmtpd.

server.py starttls|tls CERTIFICATE KEY USER PASSWORD MAILDIR

Listens on a free port of 127.0.0.1, prints it, and keeps what it gets in the maildir.
"""

import asyncio
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

how, certificate, key, user, password, maildir = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=False)


def protocol():
    return SMTP(
        Mailbox(maildir),
        hostname="localhost",
        loop=loop,
        tls_context=context if how == "starttls" else None,
        require_starttls=how == "starttls",
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=how == "starttls",
    )


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
wrapped = context if how == "tls" else None
server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=wrapped))
print(server.sockets[0].getsockname()[1], flush=True)
loop.run_forever()
