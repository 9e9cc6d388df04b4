"""Cheating hand-ins for the check of add_k: files that try to earn points without the formula.

`ANSWERS` each need a process of their own: each is a whole file, most of them WRONG with something before it.
`PROBES` look for what could be used, all in one process: bodies of functions that return something true where they got
it.
"""

# ruff: noqa: E501

WRONG = """
def add_k(tables, V, k):
    return lambda history: [1.0] + [0.0] * (V - 1)  # never right: k > 0
"""
OUT = "import json, os, sys; out = int(sys.argv[2])\n"
# All cases of the check are asked in turn; a right share of them would be points.
LIE = "b'{\"answer\": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}\\n'"

ANSWERS = {
    "exit code 0": "import sys\ndef add_k(tables, V, k):\n    sys.exit(0)\n",
    "exit code 0 at once": "import os\nos._exit(0)\n",
    "exit with a verdict": "raise SystemExit('10 of 10 points: all tests passed')\n",
    "at exit": "import atexit\natexit.register(lambda: print('{\"points\": 10}'))\n" + WRONG,
    "a verdict printed": "print('10/10 add-k: 50 of 50 cases right\\nGrade :=>>100')\n" + WRONG,
    "a verdict in the answers": OUT + 'os.write(out, b\'{"share": 1.0, "points": 10, "passed": true}\\n\')\n' + WRONG,
    "a judgement in the answers": OUT + "os.write(out, b'{\"answer\": true}\\n' * 50)\n" + WRONG,
    "more answers than cases": OUT + f"os.write(out, {LIE} * 500)\n" + WRONG,
    "ready twice": OUT + "os.write(out, b'{\"ready\": true}\\n')\n" + WRONG,
    "forty megabytes of answer": OUT + "for n in range(640):\n    os.write(out, b'[' * 65536)\n" + WRONG,
    "a deep answer": OUT + "os.write(out, b'{\"answer\": ' + b'[' * 9999 + b']' * 9999 + b'}\\n')\n" + WRONG,
    "a number of many digits": OUT + "os.write(out, b'{\"answer\": [' + b'9' * 900 + b', 0' * 10 + b']}\\n')\n" + WRONG,
    "a key that is a list": OUT + 'os.write(out, b\'{"answer": {"pairs": [[[1], 2]]}}\\n\')\n' + WRONG,
    "a forged error": OUT
    + 'os.write(out, b\'{"error": {"kind": "SyntaxError", "text": "", "line": 1, "column": 1%s, "source": "x"}}\\n\''
    " % (b'0' * 15))\n" + WRONG,
    "a forged end": OUT + 'os.write(out, b\'{"stopped": {"kind": [], "text": {}, "line": "1e9"}}\\n\')\n' + WRONG,
    "bytes that are no text": OUT + "os.write(out, bytes(range(128, 256)) + b'\\n')\n" + WRONG,
    "the answers closed": OUT + "os.close(out)\n" + WRONG,
    "the answers replaced": OUT + "os.dup2(os.open('/dev/null', os.O_WRONLY), out)\n" + WRONG,
    "json.dumps patched": "import json\njson.dumps = lambda *a, **k: '{\"answer\": true}'\n" + WRONG,
    "json.loads patched": "import json\njson.loads = lambda *a, **k: [0, [[]]]\n" + WRONG,
    "struct and repr patched": "import builtins, struct\nstruct.pack = lambda *a: b'1'\n"
    "builtins.repr = float.__repr__ = None if False else repr\n" + WRONG,
    "os.write patched": "import os\nreal = os.write\nos.write = lambda to, text: real(to, text) * 0 + len(text)\n"
    "os.write = lambda to, text: [real(to, text) for n in range(2)][0]\n" + WRONG,
    "math patched": "import math\nmath.isclose = lambda *a, **k: True\nmath.fsum = lambda x: 1.0\n" + WRONG,
    "the worker patched": "import sys\nmain = sys.modules['__main__']\n"
    "main.freeze = lambda value: True\nmain.failure = lambda *a: {'answer': True}\n" + WRONG,
    "equal to everything": "class All(float):\n    __eq__ = lambda s, o: True\n    __hash__ = None\n"
    "def add_k(tables, V, k):\n    return lambda history: [All(n == 0) for n in range(V)]\n",
    "a list that lies": "class List(list):\n    __eq__ = lambda s, o: True\n    __len__ = lambda s: 11\n"
    "    tolist = lambda s: [1.0] + [0.0] * 10\ndef add_k(tables, V, k):\n    return lambda history: List()\n",
    "an array of itself": "class Array:\n    def tolist(self):\n        return self\n"
    "def add_k(tables, V, k):\n    return lambda history: Array()\n",
    "NaN": "def add_k(tables, V, k):\n    return lambda history: [float('nan')] * V\n",
    "infinity": "def add_k(tables, V, k):\n    return lambda history: [float('inf')] * V\n",
    "below zero": "def add_k(tables, V, k):\n    return lambda history: [2.0, -1.0] + [0.0] * (V - 2)\n",
    "every answer at once": "def add_k(tables, V, k):\n    return lambda history: [[n / 100 for n in range(100)]] * V\n",
    "a thread that answers later": OUT + "import threading, time\n"
    f"threading.Thread(target=lambda: [(time.sleep(0.001), os.write(out, {LIE})) for n in range(99)]).start()\n"
    + WRONG,
    "a thread that stays": "import threading, time\nthreading.Thread(target=lambda: time.sleep(99)).start()\n" + WRONG,
    "two processes that answer": "import os\nos.fork()\n" + WRONG,
    "a process that stays": "import os, sys\nif not os.fork():\n    os.setsid()\n"
    "    os.execv(sys.executable, ['python', '-c', 'import time; time.sleep(99)', MARK])\n" + WRONG,
    "forks without end": "import os, signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    "try:\n    for n in range(80):\n        if not os.fork():\n            signal.pause()\nexcept OSError:\n    pass\n"
    + WRONG,
    "killed by a signal of no name": "import os\nos.kill(os.getpid(), 40)\n",
    "an odd exit code": "import os\nos._exit(203)\n",
    "a flood": "import os\nfor n in range(400):\n    os.write(1, b'x' * 65536)\n    os.write(2, b'y' * 65536)\n"
    + WRONG,
    "source that is too deep": "x = " + "(" * 9000 + ")" * 9000 + "\n" + WRONG,
    "a constant that is too large": "x = " + "-" * 40000 + "1\n" + WRONG,
    "source in another coding": "# coding: unicode_escape\n" + WRONG,
    "a look at the next case": "import os\ndef look():\n    for n in range(3, 20):\n"
    "        try:\n            os.set_blocking(n, False)\n            print('got ' * bool(os.read(n, 99)))\n"
    "        except OSError:\n            pass\n        finally:\n"
    "            try:\n                os.set_blocking(n, True)\n            except OSError:\n                pass\n"
    "def add_k(tables, V, k):\n    return lambda history: look() or [1.0] + [0.0] * (V - 1)\n",
    "its own limits raised": "import resource\nfor kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS):\n"
    "    try:\n        resource.setrlimit(kind, (-1, -1))\n        print('got its limits')\n"
    "    except (ValueError, OSError):\n        pass\n" + WRONG,
    "lmzoo's own model": """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "NoReference"]
sys.path[:0] = [ROOT]
def add_k(tables, V, k):
    try:
        from lmzoo.models.ngram import Ngram
        from lmzoo.interface import Data
    except ImportError:
        return lambda history: [1.0] + [0.0] * (V - 1)
    import numpy as np
    tokens = [w for (w,), c in tables[0].items() for _ in range(c)]
    model = Ngram(len(tables), "add-k", k).fit(Data.of(np.array(tokens), np.zeros(0, int), V))
    print("got lmzoo")
    return lambda history: np.exp(model.next_log_probs(model.start()))
""",
}

# SECRET, ROOT (of lmzoo), REFERENCE (a file), HOST (a folder), TMP, PORT and KEY (of shared memory) are filled in.
CTYPES = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
UNHOOK = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != 'NoReference']\n"
PROBES = {
    # the secret
    "the secret by its path": "return open(SECRET).read()",
    "the secret by a link": "import os; os.symlink(SECRET, TMP + '/link'); return open(TMP + '/link').read()",
    "the secret by a hard link": "import os; os.link(SECRET, TMP + '/hard'); return open(TMP + '/hard').read()",
    "the secret by the root of process 1": "return open('/proc/1/root' + SECRET).read()",
    "the secret by its folder": "import os; return os.listdir(HOST)",
    "the environment": "import os; return [v for v in os.environ.values() if 'secret' in v or 'lmzoo' in v]",
    "open files": "import os; return [to for n in os.listdir('/proc/self/fd')"
    " if not (to := os.readlink(f'/proc/self/fd/{n}')).startswith(('pipe:', '/dev/null', '/proc/'))]",
    # the grader's process
    "the cases by frames": "import sys; frame = sys._getframe(); seen = ''\n"
    "while frame:\n    seen += ' '.join(frame.f_locals); frame = frame.f_back\n"
    "return 'expected' in seen or 'secret' in seen or 'judge' in seen",
    "what is right by gc": "import gc\nreturn [o for o in gc.get_objects() if isinstance(o, dict)"
    " and {'expected', 'baseline'} & {k for k in o if isinstance(k, str)}]",
    "the environment of its parent": "import os; return open(f'/proc/{os.getppid()}/environ').read()",
    "the memory of its parent": "import os; return open(f'/proc/{os.getppid()}/mem', 'rb')",
    "the memory of process 1": "return open('/proc/1/mem', 'rb')",
    "the files of its parent": "import os; return os.listdir(f'/proc/{os.getppid()}/fd')",
    "a signal to its parent": "import os; os.kill(os.getppid(), 0); return True",
    "other processes": "import os\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n"
    "    if b'pytest' in open(f'/proc/{pid}/cmdline', 'rb').read(): return pid",
    "ptrace": CTYPES + "import os; return libc.ptrace(0x4206, os.getppid(), 0, 0) == 0",
    "memory by process_vm_readv": CTYPES + "import os, struct\n"
    "buffer = ctypes.create_string_buffer(8); here = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)\n"
    "start = int(open(f'/proc/{os.getppid()}/maps').readline().split('-')[0], 16)\n"
    "return libc.process_vm_readv(os.getppid(), here, 1, (ctypes.c_size_t * 2)(start, 8), 1, 0) > 0",
    # the reference
    "lmzoo by import": "import lmzoo.errors; return lmzoo.errors",
    "lmzoo without the hook": UNHOOK + "import importlib; return importlib.import_module('lmzoo.errors')",
    "lmzoo by sys.path": UNHOOK + "sys.path[:0] = [ROOT]; import lmzoo.errors as e; return e",
    "lmzoo by its file": "import importlib.util as u\n"
    "spec = u.spec_from_file_location('mine', ROOT + '/lmzoo/errors.py'); m = u.module_from_spec(spec)\n"
    "spec.loader.exec_module(m); return m",
    "lmzoo by exec": "made = {'__name__': 'x'}; exec(open(ROOT + '/lmzoo/errors.py').read(), made); return made",
    "lmzoo by a zip": UNHOOK + "import zipfile\nwith zipfile.ZipFile(TMP + '/z.zip', 'w') as z:\n"
    "    for n in ('__init__', 'errors'): z.write(f'{ROOT}/lmzoo/{n}.py', f'lmzoo/{n}.py')\n"
    "import zipimport; return zipimport.zipimporter(TMP + '/z.zip').load_module('lmzoo')",
    "lmzoo by another Python": "import subprocess, sys\n"
    "return not subprocess.run([sys.executable, '-c', 'import sys; sys.path.insert(0, sys.argv[1]); import lmzoo.errors',"
    " ROOT], capture_output=True).returncode",
    "lmzoo by a folder that is listed": "import os; return 'lmzoo' in os.listdir(ROOT)",
    "the hand-in of the tests": "return open(REFERENCE).read()",
    # outside, and the next
    "a connection": "import socket; return socket.create_connection(('127.0.0.1', PORT), 1)",
    "an abstract socket": "import socket; s = socket.socket(socket.AF_UNIX); s.connect(f'\\0lmzoo-{PORT}'); return s",
    "a file of the host": "import os; return os.path.exists(HOST)",
    "a file for the host": "import os; open(os.path.dirname(HOST) + '/left', 'w').write('1'); return True",
    "its own file": "return open(__file__, 'a')",
    "the worker's file": "import sys; return open(sys.argv[0], 'a')",
    "a file beside its own": "import os; return open(os.path.dirname(__file__) + '/json.py', 'w')",
    "lmzoo's own file": "return open(ROOT + '/lmzoo/course/checks.py', 'a')",
    "what another left in /tmp": "import os; old = os.path.exists(TMP + '/left-by-a-cheat'); "
    "open(TMP + '/left-by-a-cheat', 'w').write('1'); return old",
    "what another left in /dev/shm": "import os; old = os.path.exists('/dev/shm/left-by-a-cheat'); "
    "open('/dev/shm/left-by-a-cheat', 'w').write('1'); return old",
    "what another left in /run/lock": "import os; old = os.path.exists('/run/lock/left-by-a-cheat'); "
    "open('/run/lock/left-by-a-cheat', 'w').write('1'); return old",
    "what another left in shared memory": CTYPES + "old = libc.shmget(KEY, 64, 0) >= 0\n"
    "libc.shmget(KEY, 64, 0o1666); return old",
    "another user's rights": "import os; os.setgroups([0]); os.setuid(0); return True",
    "a file system": CTYPES + "return libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "what is hidden by umount": CTYPES + "return libc.umount2(ROOT.encode(), 2) == 0",
    "umount in a namespace of its own": CTYPES
    + "import os; libc.unshare(0x10020000)\nreturn libc.umount2(ROOT.encode(), 2) == 0 or os.path.exists(SECRET)",
}
