/**
 * Compilers at run time from Debian's packages, on the host and inside over read-only mounts of its libraries: `tcc -run`
 * writes a program into memory and jumps there, LuaJIT compiles traces, lua5.4 is an interpreter that gets hot. Each test says
 * SKIP when its package is not installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { bootWith, canRunNatively, MODES, Probes } from './support.js';

const LUA = `
local t = {}
for i = 1, 20000 do t[i] = (i * 7919) % 10007 end
local sum, s = 0, 0.5
for round = 1, 20 do
  for i = 1, #t do
    sum = (sum * 31 + t[i]) % 1000003
    s = s * 0.999 + t[i] / 7
    if sum % 977 == 0 then t[i] = t[i] + round end
  end
end
print(sum, string.format("%.17g", s))
local words = {}
for w in (("the quick brown fox jumps over the lazy dog "):rep(200)):gmatch("%a+") do words[w] = (words[w] or 0) + 1 end
local keys = {}
for k in pairs(words) do keys[#keys + 1] = k end
table.sort(keys, function(a, b) return words[a] > words[b] or words[a] == words[b] and a < b end)
for _, k in ipairs(keys) do io.write(k, "=", words[k], " ") end
print()
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(22))
local co = coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(i * i) end end)
local total = 0
for i = 1, 1000 do total = total + co() end
print(total, pcall(error, "caught"))
local parts = {}
for i = 1, 3000 do parts[#parts + 1] = string.format("%d:%x;", i, i * 2654435761 % 4294967296) end
local text = table.concat(parts)
local hash = 0
for i = 1, #text do hash = (hash * 33 + text:byte(i)) % 4294967296 end
print(#text, hash)
`;

const C = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(int argc, char **argv) {
  int n = 5000, *v = malloc(n * sizeof *v);
  unsigned x = 1;
  double d = 0;
  for (int i = 0; i < n; i++) v[i] = (x = x * 1103515245 + 12345) >> 8 & 0xffff, d = d * 0.99 + v[i];
  qsort(v, n, sizeof *v, compare);
  unsigned long h = 5381;
  for (int k = 0; k < 20; k++) for (int i = 0; i < n; i++) h = h * 33 ^ v[i];
  printf("%lx %.12g %d %d\\n", h, d, fib(20), argc);
  switch (h & 3) { case 0: puts("zero"); break; case 1: puts("one"); break; default: puts("more"); }
  return 42;
}
`;

const has = (program: string): boolean => existsSync(`/usr/bin/${program}`);
const LIBRARIES = ['/usr', '/lib', '/lib64'].filter((path) => existsSync(path));

if (canRunNatively('compilers at run time')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  writeFileSync(join(probes.directory, 'program.lua'), LUA);
  writeFileSync(join(probes.directory, 'program.c'), C);
  const commands: readonly (readonly [name: string, argv: (folder: string) => string[]])[] = [
    ['tcc', (folder) => ['/usr/bin/tcc', '-run', `${folder}/program.c`]],
    ['luajit', (folder) => ['/usr/bin/luajit', `${folder}/program.lua`]],
    ['lua5.4', (folder) => ['/usr/bin/lua5.4', `${folder}/program.lua`]],
  ];
  for (const [name, argv] of commands) {
    if (!has(name)) {
      console.log(`SKIP ${name}: needs Debian's package ${name}`);
      continue;
    }
    const [file, ...args] = argv(probes.directory);
    const native = spawnSync(file!, args, { cwd: '/', env: {}, encoding: 'latin1', timeout: 60_000 });
    for (const [mode, translator] of MODES) {
      test(`${name}, ${mode}: prints what it prints on the host`, async () => {
        const mounts = LIBRARIES.map((path) => ({ host: path, guest: path, readOnly: true }));
        mounts.push({ host: probes.directory, guest: '/probes', readOnly: true });
        const kernel = await bootWith(translator, { mounts });
        try {
          const guest = await collect(kernel.spawn(argv('/probes'), { env: {} }));
          assert.is(guest.stderr, native.stderr);
          assert.is(guest.stdout, native.stdout);
          assert.equal([guest.code, guest.signal], [native.status, native.signal]);
          kernel.assertIdle();
        } finally {
          await kernel.shutdown();
        }
      });
    }
  }
}

test.run();
