#!/usr/bin/env python3
"""Records what an SSH program sends up to and with its KEXINIT: the identification line and one packet.

capture.py client FILE COMMAND...   COMMAND is run with {port} replaced and connects to a listener of ours
capture.py server FILE COMMAND...   COMMAND serves on {port}, or on its standard input without a {port}
"""
import socket
import struct
import subprocess
import sys
import time

GREETING = b"SSH-2.0-capture\r\n"


def exactly(peer, count):
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            sys.exit(f"the peer closed after {data!r}")
        data += more
    return data


def opening(peer):
    peer.settimeout(10)
    peer.sendall(GREETING)
    line = b""
    while not line.endswith(b"\n"):
        line += exactly(peer, 1)
    length = exactly(peer, 4)
    packet = exactly(peer, struct.unpack(">I", length)[0])
    assert packet[1] == 20, "not a KEXINIT"
    return line + length + packet


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def connect(port):
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("nothing listens")


role, path, *command = sys.argv[1:]
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
if role == "client":
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    port = listener.getsockname()[1]
    program = subprocess.Popen([w.format(port=port) for w in command], stdin=subprocess.DEVNULL, **quiet)
    peer = listener.accept()[0]
elif any("{port}" in word for word in command):
    port = free_port()
    program = subprocess.Popen([w.format(port=port) for w in command], stdin=subprocess.DEVNULL, **quiet)
    peer = connect(port)
else:
    peer, theirs = socket.socketpair()
    program = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
with open(path, "wb") as file:
    file.write(opening(peer))
peer.close()
program.terminate()
program.wait()
