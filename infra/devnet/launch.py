"""Become another program that cannot outlive its supervisor, as an unprivileged user where one is asked for.

Run as a script: `launch.py SUPERVISOR_PID SIGNAL USER PROGRAM [ARGUMENT ...]`, USER `-` for "as I am".
It is a process of its own, and not a hook between fork and exec, since such hooks may deadlock in a
supervisor with threads. Standard library only, so that it starts within some 20 ms.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1  # Source: Linux, include/uapi/linux/prctl.h


def main(arguments: list[str]) -> None:
    """Change user, tie life to the supervisor, then turn into the program: the pid stays the same."""
    supervisor_pid, signal_number, user, *command = arguments
    if user != "-":
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":  # after the change of user, which would take it away again
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number))
        if os.getppid() != int(supervisor_pid):  # it died before the line above could tie us to it
            raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own command, no shell in between


if __name__ == "__main__":
    main(sys.argv[1:])
