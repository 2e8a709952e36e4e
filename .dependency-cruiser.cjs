/**
 * The layers of the house (ARCHITECTURE.md) as rules: no import runs upwards, none in a circle, and only the door to
 * the host touches Node's own modules. Type-only imports count for the layers; they do not make a circle, because
 * nothing of them is left at run time.
 */

/** What each folder may import besides itself. */
const LAYERS = {
  abi: [],
  vfs: ['abi'],
  net: ['abi', 'vfs'],
  pty: ['abi', 'vfs'],
  elf: ['abi'],
  cpu: ['abi'],
  'kernel-core': ['abi', 'vfs', 'net', 'pty', 'elf', 'cpu'],
};

/** npm packages that the kernel's layers may use. */
const KERNEL_PACKAGES = ['async-mutex', 'eventemitter3', 'tar-stream'];

const layerRules = Object.entries(LAYERS).map(([layer, below]) => ({
  name: `layer-${layer}`,
  comment: `${layer}/ may import ${below.length === 0 ? 'nothing but itself' : below.map((name) => `${name}/`).join(', ')}`,
  severity: 'error',
  from: { path: `^${layer}/` },
  to: { path: '^[^/]+/', pathNot: [`^(${[layer, ...below].join('|')})/`, '^node_modules/'] },
}));

/** Files through which the kernel reaches the machine it runs on; everything else goes through their interface. */
const HOST_DOOR = '^(kernel-core/host[^/]*|libc/node/)';

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'public-face',
      // The start of the command sets the engine's flags before it loads the kernel: so that file stands alone.
      comment: 'cli/ and libc/ see of the kernel only what kernel-core/index.ts exports (abi/ is data for everybody)',
      severity: 'error',
      from: { path: '^(cli|libc)/' },
      to: { path: '^(vfs|net|pty|elf|cpu|kernel-core)/', pathNot: '^kernel-core/(index|host-engine)\\.ts$' },
    },
    {
      name: 'nobody-imports-tests',
      comment: 'what ships imports neither tests nor benches',
      severity: 'error',
      from: { pathNot: '^(test|bench)/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'one-door-to-the-host',
      comment:
        'kernel folders import no Node module, except the host door, kernel-core/host*, and the faces that have the shape of Node: libc/node/',
      severity: 'error',
      from: { path: '^(abi|vfs|net|pty|elf|cpu|kernel-core|libc)/', pathNot: HOST_DOOR },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'kernel-packages',
      comment: `the kernel uses only these npm packages: ${KERNEL_PACKAGES.join(', ')}`,
      severity: 'error',
      from: { path: '^(abi|vfs|net|pty|elf|cpu|kernel-core|libc)/' },
      to: { path: '^node_modules/', pathNot: `^node_modules/(@types/)?(${KERNEL_PACKAGES.join('|')})/` },
    },
    {
      name: 'no-circle',
      comment: 'modules that need each other at run time are one module, or lack an interface in the lower one',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'shipped-dependencies',
      comment: 'what ships imports no development dependency',
      severity: 'error',
      from: { pathNot: '^(test|bench)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
