"""Plays the part of systemd's PID 1 for systemd-oomd: tells it over varlink which cgroups it manages.

`manager.py SOCKET MESSAGE`: answers the one call that systemd-oomd makes, io.systemd.ManagedOOM.
SubscribeManagedOOMCGroups, with MESSAGE, and keeps the connection open as PID 1 would.
"""

import json
import socket
import sys


def main() -> None:
    """Serves one subscriber after another, for ever."""
    path, parameters = sys.argv[1], json.loads(sys.argv[2])
    answer = json.dumps({"parameters": parameters, "continues": True}).encode() + b"\0"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()
        print("listening", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                print(f"asked {connection.recv(4096)!r}", flush=True)
                connection.sendall(answer)
                while connection.recv(4096):
                    pass


if __name__ == "__main__":
    main()
