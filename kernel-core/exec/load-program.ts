/**
 * From an executable file to an address space that is ready to run: scripts, ELF programs, their interpreters, the
 * first stack. Everything happens in a new space; on any failure it is given back and the old program goes on.
 *
 *   loadProgram → resolveScripts (`#!`, at most five deep) → readPlan → mapProgram, mapInterpreter → buildStack
 *
 * @source execve(2), fs/exec.c, fs/binfmt_elf.c
 */
import { E2BIG, EACCES, ELIBBAD, ELOOP, ENOEXEC, ENOMEM, type Err, ETXTBSY, fail, isErr } from '../../abi/errno.js';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { RLIMIT_STACK } from '../../abi/resource.js';
import type { PhysicalMemory } from '../../cpu/index.js';
import { EHDR_SIZE } from '../../elf/fields.js';
import type { ProgramPlan } from '../../elf/program.js';
import type { OpenFile } from '../../vfs/file.js';
import { AddressSpace } from '../mm/address-space.js';
import { PIE_BASE, pageCeil, pageFloor, STACK_TOP, USER_END } from '../mm/layout.js';
import type { MmLimits } from '../mm/limits.js';
import { mapStack } from '../mm/stack.js';
import type { ProgramMain, ProgramStart } from '../program/program.js';
import { ArgumentBudget } from './arguments.js';
import { mapInterpreter, mapProgram } from './map-program.js';
import { knownPlan, readExact, readHead, readPlan } from './program-file.js';
import { HEAD_SIZE, isScript, parseScript } from './script.js';
import { buildStack, type Placement, type ProcessorFacts, type ProgramIdentity, stringsStart } from './stack-image.js';
import { mapVdso, type Vdso } from './vdso.js';

export interface LoadRequest {
  readonly memory: PhysicalMemory;
  readonly limits: MmLimits;
  /** The file to run; the caller keeps its reference. */
  readonly file: OpenFile;
  /** As the caller of execve named it. latin1, as all strings here. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  readonly processor: ProcessorFacts;
  /** 16 bytes for AT_RANDOM. */
  readonly random: Uint8Array;
  /** Null: the program gets none. */
  readonly vdso: Vdso | null;
  /** Opens an interpreter for execution, with every permission check; the description is given back when done with. */
  open(path: string): OpenFile | Err;
  /** What `file` stands for if it is a TypeScript program, else null. */
  programOf(file: OpenFile): ProgramMain | null;
  /** Whose rights `file`, the program that runs in the end, gets. */
  identify(file: OpenFile): ProgramIdentity;
}

export interface LoadedProgram {
  /** With one reference. `space.executable` is the ELF program (for a script its interpreter). */
  readonly space: AddressSpace;
  /** First rip: of the interpreter, if there is one. */
  readonly entry: number;
  readonly stackPointer: number;
  /** What runs in place of machine code. */
  readonly program: ProgramStart | null;
}

/**
 * Linux finds out about some kinds of broken programs only when the old one is gone, and kills the process with
 * SIGSEGV. This result, in place of an errno, says so; the caller decides what to do.
 */
export const EXEC_FATAL = -4096 as Err;

const MAX_SCRIPT_DEPTH = 5;
/** Bytes of an interpreter's path in a program, its zero byte included. */
const MIN_INTERPRETER = 2;
const MAX_INTERPRETER = 4096;

/** @returns -ENOEXEC, -ETXTBSY (open for writing), -ELIBBAD, -ELOOP, -E2BIG, -ENOMEM, -EIO, EXEC_FATAL, or what opening an interpreter answered */
export function loadProgram(request: LoadRequest): LoadedProgram | Err {
  const argv = request.argv.length === 0 ? [''] : [...request.argv];
  const budget = new ArgumentBudget(request.limits.limit(RLIMIT_STACK), argv.length + request.envp.length);
  for (const texts of [[request.name], request.envp, argv]) {
    if (!budget.addAll(texts)) return fail(E2BIG);
  }
  const file = resolveScripts(request, argv, budget);
  if (isErr(file)) return file;
  const main = request.programOf(file);
  const loaded = main === null ? loadElf(request, file, argv) : loadTypeScript(request, file, main, argv);
  file.unref();
  return loaded;
}

/** Where heads of files are read to, one after the other. */
const scriptHead = new Uint8Array(HEAD_SIZE);
const elfHead = new Uint8Array(EHDR_SIZE);

/** Follows `#!` lines, changing `argv`. @returns the ELF file (or what might be one), referenced */
function resolveScripts(request: LoadRequest, argv: string[], budget: ArgumentBudget): OpenFile | Err {
  let file = request.file.ref();
  let { name } = request;
  for (let depth = 0; ; depth++) {
    // The file of a TypeScript program looks like a script whose interpreter is missing.
    if (request.programOf(file) !== null) return file;
    const head = readHead(file, scriptHead);
    if (!isErr(head) && !isScript(head)) return file;
    const next = isErr(head) ? head : enterScript(request, head, name, argv, budget);
    file.unref();
    if (typeof next === 'number') return next;
    if (depth === MAX_SCRIPT_DEPTH) {
      next.file.unref();
      return fail(ELOOP);
    }
    ({ file, name } = next);
  }
}

function enterScript(
  request: LoadRequest,
  head: Uint8Array,
  name: string,
  argv: string[],
  budget: ArgumentBudget,
): { file: OpenFile; name: string } | Err {
  const line = parseScript(head);
  if (line === null) return fail(ENOEXEC);
  const front = line.argument === null ? [line.interpreter, name] : [line.interpreter, line.argument, name];
  budget.remove(argv[0]!);
  if (!budget.addAll(front)) return fail(E2BIG);
  argv.splice(0, 1, ...front);
  const file = openNamed(request, line.interpreter);
  return isErr(file) ? file : { file, name: line.interpreter };
}

/** An empty name is the working directory, which is no regular file. */
const openNamed = (request: LoadRequest, path: string): OpenFile | Err =>
  path === '' ? fail(EACCES) : request.open(path);

/** A TypeScript program has a stack as every program has, for those who read its arguments from there (procfs), and no code. */
function loadTypeScript(
  request: LoadRequest,
  file: OpenFile,
  main: ProgramMain,
  argv: readonly string[],
): LoadedProgram | Err {
  if (file.inode.writeCount > 0) return fail(ETXTBSY);
  const space = AddressSpace.create(request.memory, request.limits);
  if (isErr(space)) return space;
  const stack = mapStack(
    space,
    pageFloor(stringsStart(request.name, argv, request.envp)),
    STACK_TOP,
    PROT_READ | PROT_WRITE,
  );
  if (!isErr(stack)) {
    space.executable = file;
    const stackPointer = writeStack(space, request, file, argv, NO_CODE);
    if (!isErr(stackPointer)) return { space, entry: 0, stackPointer, program: { main, argv, envp: request.envp } };
  }
  space.unref();
  return fail(ENOMEM);
}

const NO_CODE: Placement = { headers: 0, headerCount: 0, interpreterBase: 0, entry: 0, vdso: null };

interface Interpreter {
  readonly file: OpenFile;
  readonly plan: ProgramPlan;
}

function loadElf(request: LoadRequest, file: OpenFile, argv: readonly string[]): LoadedProgram | Err {
  const known = knownPlan(file);
  const head = known === null ? readHead(file, elfHead) : 0;
  if (isErr(head)) return head;
  if (file.inode.writeCount > 0) return fail(ETXTBSY);
  if (isErr(file.mapping())) return fail(ENOEXEC);
  const plan = known ?? readPlan(file, elfHead);
  if (isErr(plan)) return plan;
  if (!plan.isRunnable) return fail(ENOEXEC);
  const interpreter = plan.interpreter === null ? null : openInterpreter(request, file, plan.interpreter);
  if (isErr(interpreter)) return interpreter;
  const loaded = buildSpace(request, file, plan, interpreter, argv);
  interpreter?.file.unref();
  return loaded;
}

function openInterpreter(
  request: LoadRequest,
  file: OpenFile,
  where: { readonly offset: number; readonly size: number },
): Interpreter | Err {
  if (where.size < MIN_INTERPRETER || where.size > MAX_INTERPRETER) return fail(ENOEXEC);
  const path = readExact(file, where.size, where.offset);
  if (isErr(path)) return path;
  if (path[path.length - 1] !== 0) return fail(ENOEXEC);
  const opened = openNamed(request, String.fromCharCode(...path.subarray(0, path.indexOf(0))));
  if (isErr(opened)) return opened;
  const known = knownPlan(opened);
  if (known !== null) return { file: opened, plan: known };
  const head = readExact(opened, EHDR_SIZE, 0);
  const plan = isErr(head) ? head : readPlan(opened, head);
  if (!isErr(plan)) return { file: opened, plan };
  opened.unref();
  return isErr(head) ? head : fail(ELIBBAD);
}

/** All of the new space. Fails as a whole. */
function buildSpace(
  request: LoadRequest,
  file: OpenFile,
  plan: ProgramPlan,
  interpreter: Interpreter | null,
  argv: readonly string[],
): LoadedProgram | Err {
  const space = AddressSpace.create(request.memory, request.limits);
  if (isErr(space)) return space;
  const loaded = fillSpace(space, request, file, plan, interpreter, argv);
  if (!isErr(loaded)) return loaded;
  const isExhausted = space.outOfMemory;
  space.unref();
  return isExhausted ? fail(ENOMEM) : EXEC_FATAL;
}

function fillSpace(
  space: AddressSpace,
  request: LoadRequest,
  file: OpenFile,
  plan: ProgramPlan,
  interpreter: Interpreter | null,
  argv: readonly string[],
): LoadedProgram | Err {
  const { name, envp } = request;
  const stackProt = PROT_READ | PROT_WRITE | (plan.hasExecutableStack ? PROT_EXEC : 0);
  const stack = mapStack(space, pageFloor(stringsStart(name, argv, envp)), STACK_TOP, stackProt);
  if (isErr(stack)) return stack;
  space.executable = file;
  const bias = mapProgram(space, file, plan);
  if (isErr(bias)) return bias;
  const programEntry = plan.entry + bias;
  let entry = programEntry;
  let interpreterBase = 0;
  if (interpreter !== null) {
    const base = mapInterpreter(space, interpreter.file, interpreter.plan, bias);
    if (isErr(base)) return base;
    interpreterBase = base;
    entry = base + interpreter.plan.entry;
  }
  if (!(entry >= 0 && entry < USER_END)) return EXEC_FATAL;
  const vdso = request.vdso === null ? null : mapVdso(space, request.vdso);
  if (isErr(vdso)) return vdso;

  const stackPointer = writeStack(space, request, file, argv, {
    headers: plan.headersAddress + bias,
    headerCount: plan.count,
    interpreterBase,
    entry: programEntry,
    vdso,
  });
  if (isErr(stackPointer)) return stackPointer;
  const { program } = space;
  // A position-independent program without interpreter lies among the mappings: its heap goes where programs usually lie.
  const heap = plan.isRelocatable && interpreter === null ? PIE_BASE : program.startBreak;
  program.startBreak = program.break = pageCeil(heap);
  return { space, entry, stackPointer, program: null };
}

/** Fills the stack, and notes where what lies. @returns the stack pointer, -EFAULT */
function writeStack(
  space: AddressSpace,
  request: LoadRequest,
  file: OpenFile,
  argv: readonly string[],
  placement: Placement,
): number | Err {
  const { name, envp, processor, random } = request;
  const image = buildStack({ name, argv, envp, placement, identity: request.identify(file), processor, random });
  const { stackPointer } = image;
  const written = space.write(stackPointer, image.bytes);
  if (isErr(written)) return written;
  const { program } = space;
  program.argStart = image.argStart;
  program.argEnd = image.argEnd;
  program.envStart = image.envStart;
  program.envEnd = image.envEnd;
  program.startStack = stackPointer;
  space.auxiliary = image.auxiliary;
  return stackPointer;
}
