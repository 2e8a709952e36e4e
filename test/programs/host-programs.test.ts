/**
 * Whole programs of the host, over read-only mounts of its directories: what a user does in a shell prints inside what it
 * prints on the host, and a service inside is driven from Node. Each test says SKIP when a program of it is not installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type Kernel } from '../../libc/index.js';
import { collect } from '../support/guest.js';

const PATH = '/usr/local/bin:/usr/bin:/bin';
const folder = mkdtempSync(join(tmpdir(), 'banos-programs-'));
test.after(() => rmSync(folder, { recursive: true }));

const lacks = (programs: readonly string[]): string | undefined =>
  programs.find((program) => !PATH.split(':').some((directory) => existsSync(`${directory}/${program}`)));

/** With the host's programs, libraries and settings, and the folder as /folder. */
function bootHost(): Promise<Kernel> {
  const paths = ['/usr', '/bin', '/lib', '/lib64', '/etc'].filter((path) => existsSync(path));
  const mounts = paths.map((path) => ({ host: path, guest: path, readOnly: true }));
  return boot({ memory: 1024, mounts: [...mounts, { host: folder, guest: '/folder', readOnly: true }] });
}

const C = `
#include <stdio.h>
#include <math.h>
int main(int argc, char **argv) {
  double sum = 0;
  for (int i = 1; i < 1000; i++) sum += sin(i) / i;
  return printf("%s %.12f\\n", argv[argc - 1], sum) > 100;
}
`;

const PYTHON = `
import asyncio, hashlib, json, multiprocessing, os, re, socket, subprocess, sys, tempfile, threading

def square(n):
    return n * n

async def child():
    process = await asyncio.create_subprocess_exec('sh', '-c', 'read x; echo got $x; exit 5',
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = await process.communicate(b'line\\n')
    return out, process.returncode

if __name__ == '__main__':
    print(asyncio.run(child()))
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(6)))
    one, other = socket.socketpair()
    thread = threading.Thread(target=lambda: one.sendall(b'from a thread'))
    thread.start()
    print(other.recv(100))
    thread.join()
    with tempfile.TemporaryDirectory() as name:
        path = os.path.join(name, 'f')
        with open(path, 'w') as f:
            json.dump({'a': [1, 2.5, None]}, f)
        print(open(path).read(), os.stat(path).st_size, os.listdir(name))
    print(hashlib.sha256(b'banos').hexdigest(), re.sub('(b+)', r'<\\1>', 'abba'), sys.maxsize)
    try:
        os.open('/no/such', os.O_RDONLY)
    except OSError as error:
        print(error)
`;

const BASH = `
declare -A map=([one]=1 [two]=2)
coproc cat
echo through >&"\${COPROC[1]}"
read -r back <&"\${COPROC[0]}"
echo "$back \${map[two]} $((1 << 40)) \${BASH_VERSION%%.*}"
trap 'echo got USR1' USR1; kill -USR1 $$
diff <(printf 'a\\nb\\n') <(printf 'a\\nc\\n')
printf '%s\\n' {1..20} | sort -r | head -3 | paste -sd,
set -o pipefail; false | true; echo $?
eval "exec \${COPROC[1]}>&-"; wait; echo over
`;

const GIT = `
set -e
export HOME=$PWD GIT_AUTHOR_DATE='2024-01-02T03:04:05Z' GIT_COMMITTER_DATE='2024-01-02T03:04:05Z'
git init -q -b main repository; cd repository
git config user.name tester; git config user.email tester@example.org
for i in $(seq 1 20); do echo "line $i" >>file; git add file; git commit -qm "commit $i"; done
git checkout -qb side HEAD~5; echo other >other; git add other; git commit -qm side
git merge -q main -m merged
git log --oneline --graph | head -8; git diff --stat HEAD~3; git gc -q; git fsck --strict; git rev-parse HEAD
`;

const MAKE = `
set -e
printf 'all: a.out\\n\\t./a.out made\\na.out: prog.c\\n\\tgcc -O2 prog.c -lm\\n' >Makefile
cp "$FOLDER/prog.c" .
make; make -q a.out; objdump -d a.out | grep -c '<main>:'; strip a.out; ./a.out stripped
`;

writeFileSync(join(folder, 'prog.c'), C);
writeFileSync(join(folder, 'prog.py'), PYTHON);
writeFileSync(join(folder, 'prog.bash'), BASH);

/** Run in an empty directory; FOLDER is where the files above are. */
const SCRIPTS: readonly (readonly [name: string, programs: readonly string[], script: string])[] = [
  ['make, gcc and binutils build a program', ['make', 'gcc', 'objdump'], MAKE],
  ['git commits, merges, packs', ['git'], GIT],
  ['python: processes, threads, sockets, files', ['python3'], 'python3 "$FOLDER/prog.py"'],
  ['bash: coprocesses, traps, substitution of processes', ['bash', 'paste'], 'bash "$FOLDER/prog.bash"'],
  [
    'perl',
    ['perl'],
    `perl -MPOSIX -e 'print strftime("%F", gmtime(0)), " ", join(",", map { sprintf "%.9f", sin } 1..3), " ", \`echo sub\`'`,
  ],
];

for (const [name, programs, script] of process.platform === 'linux' && process.arch === 'x64' ? SCRIPTS : []) {
  const missing = lacks(programs);
  if (missing !== undefined) {
    console.log(`SKIP ${name}: needs ${missing}`);
    continue;
  }
  test(`${name}: as on the host`, async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'banos-native-'));
    const native = spawnSync('/bin/sh', ['-c', script], { cwd, env: { PATH, FOLDER: folder }, encoding: 'latin1' });
    rmSync(cwd, { recursive: true });
    const kernel = await bootHost();
    const inside = await collect(
      kernel.spawn(['/bin/sh', '-c', script], { cwd: '/tmp', env: { PATH, FOLDER: '/folder' } }),
    );
    await kernel.shutdown();
    assert.is(native.status, 0, native.stderr);
    assert.equal(
      { code: inside.code, stdout: inside.stdout, stderr: inside.stderr },
      { code: native.status, stdout: native.stdout, stderr: native.stderr },
    );
  });
}

const SERVICE = `
import http.server, os, socketserver

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        answer = b'%d %s' % (os.getpid(), body.upper())
        self.send_response(201)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def address_string(self):
        return 'unix'

class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    pass

Server('/run/service', Handler).serve_forever()
`;

const noService = lacks(['python3']);
if (noService !== undefined || process.platform !== 'linux') console.log(`SKIP service: needs ${noService ?? 'Linux'}`);
else {
  writeFileSync(join(folder, 'service.py'), SERVICE);
  test('a service inside is driven by the HTTP client of Node', async () => {
    const kernel = await bootHost();
    const service = kernel.spawn(['python3', '/folder/service.py'], { env: { PATH } });
    const said = text(service.stderr!);
    await kernel.fs.mkdir('/run', { recursive: true });
    while (!(await kernel.fs.readdir('/run')).includes('service'))
      await new Promise((resolve) => setImmediate(resolve));
    const post = (body: string) =>
      new Promise<string>((resolve, reject) => {
        const request = http.request(
          { method: 'POST', path: '/', createConnection: () => kernel.net.connect('/run/service') as never },
          (response) => resolve(text(response).then((answer) => `${response.statusCode} ${answer}`)),
        );
        request.on('error', reject);
        request.end(body);
      });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => post(`request ${i}`)));
    assert.equal(
      answers.map((answer) => answer.replace(/^(\d+) \d+ /, '$1 ')),
      Array.from({ length: 8 }, (_, i) => `201 REQUEST ${i}`),
    );
    assert.is(new Set(answers.map((answer) => answer.split(' ')[1])).size, 8, 'each has a process of its own');
    service.kill();
    assert.equal(await service.exit, { code: null, signal: 'SIGTERM' });
    assert.is((await said).match(/"POST \/ HTTP\/1.1" 201/g)?.length, 8);
    await kernel.killAll();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}
test.run();
