/**
 * Compiles the tree into dist/ (incrementally), copies the tests' data files beside the compiled tests, and removes
 * output whose source is gone, so that neither a deleted test nor deleted code lives on in dist/.
 *
 *   node tools/build.mjs              compile
 *   node tools/build.mjs --if-stale   compile only when a source is newer than the last build (what `npm start` runs)
 *
 * Plain JavaScript because it runs before anything is compiled.
 */
// @ts-check
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const buildInfo = join(dist, '.tsbuildinfo');
/** @type {string[]} */
const folders = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')).include;

/**
 * Every file below `folder`, as paths relative to it.
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)));
}

/** True when some source, or the settings, changed after the last successful build. */
function isStale() {
  if (!existsSync(buildInfo)) return true;
  const built = statSync(buildInfo).mtimeMs;
  const inputs = ['package.json', 'tsconfig.json'].map((name) => join(root, name));
  for (const folder of folders) {
    for (const file of filesBelow(join(root, folder))) inputs.push(join(root, folder, file));
  }
  return inputs.some((file) => statSync(file).mtimeMs > built);
}

/** Data that compiled tests and benches open beside themselves (C sources, JSON tables, fixtures). */
function copyData() {
  for (const folder of ['test', 'bench']) {
    for (const file of filesBelow(join(root, folder))) {
      if (file.endsWith('.ts') || file.startsWith('results')) continue;
      const target = join(dist, folder, file);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(root, folder, file), target, { preserveTimestamps: true });
    }
  }
}

function removeOrphans() {
  for (const file of filesBelow(dist)) {
    const source = file.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    const isOurs = source !== file || /^(test|bench)[/\\]/.test(file);
    if (isOurs && !existsSync(join(root, source)) && !existsSync(join(root, file))) rmSync(join(dist, file));
  }
}

/** Commands of a short session, for the code that each start needs. */
const SESSION =
  'cd /tmp; i=0; while [ $i -lt 10 ]; do i=$((i+1)); done; ls -l / | cat > list; cat list; rm list; exit\n';

/**
 * Joins what ships into few files: a process that loads some 200 modules one by one spends more time on that than on
 * booting (docs/decisions/). The command is a script, not a module, so that V8's code cache can be had for it.
 */
async function bundle() {
  const { build } = await import('esbuild');
  rmSync(join(dist, 'bundle'), { recursive: true, force: true });
  /** @type {import('esbuild').BuildOptions} */
  const common = {
    absWorkingDir: root,
    outdir: 'dist/bundle',
    bundle: true,
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    // Names stay, for the sake of stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'warning',
  };
  await build({
    ...common,
    entryPoints: { banos: 'dist/libc/index.js' },
    splitting: true,
    format: 'esm',
    // Some dependencies are CommonJS and ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
  });
  await build({ ...common, entryPoints: { cli: 'dist/cli/start.js' }, format: 'esm' });
  await build({
    ...common,
    entryPoints: { cli: 'dist/cli/main.js' },
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    define: { 'import.meta.url': 'importMetaUrl' },
    banner: {
      js: "(function (exports, require, module, __filename, __dirname) { const importMetaUrl = require('node:url').pathToFileURL(__filename).href;",
    },
    footer: { js: '})' },
  });
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'tools', 'code-cache.mjs')], { input: SESSION });
  if (status !== 0) console.warn(`banos: no code cache for the command, which only starts more slowly: ${stderr}`);
}

/** The interpreter's bytes are made from the tables just compiled, so that starting up need not emit them. */
async function writeInterpreterImage() {
  const { makeImage } = await import(join(dist, 'cpu', 'tier0/interpreter.js'));
  const code = createHash('sha256');
  for (const file of filesBelow(join(dist, 'cpu')).sort()) {
    // What the compiler leaves unchanged keeps its image from the last build.
    if (!file.endsWith('.js') || file === join('tier0', 'image.js')) continue;
    code.update(`${file}\0`).update(readFileSync(join(dist, 'cpu', file)));
  }
  const image = { ...makeImage(), identity: code.digest('hex') };
  writeFileSync(join(dist, 'cpu/tier0/image.js'), `export const image = ${JSON.stringify(image)};\n`);
}

if (!process.argv.includes('--if-stale') || isStale()) {
  /** @type {string} */
  let tsc;
  try {
    tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  } catch {
    console.error('banos: the TypeScript compiler is missing; run `npm install` (with development dependencies) first');
    process.exit(1);
  }
  const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
  await writeInterpreterImage();
  copyData();
  removeOrphans();
  await bundle();
  const now = new Date();
  utimesSync(buildInfo, now, now);
}
