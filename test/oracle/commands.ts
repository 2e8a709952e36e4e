/**
 * The table of command lines: `commands/*.txt`, one line of shell each, under the name of the applet that it is there
 * for (`## name`). A line `#: word` before a command gives a normalisation from `RULES` for what no two runs share, or
 * says `background`: the command leaves a process behind for a while, as it does natively. A line `# …` is a comment. A command starts in an empty /tmp of a fresh root (root.ts) and its standard input is
 * an empty pipe.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Command {
  readonly applet: string;
  readonly line: string;
  readonly rule: Rule | null;
  readonly background: boolean;
}

/** What a run left: bytes as latin1 strings, the exit status as a shell sees it (128+signal when killed). */
export interface Result {
  stdout: string;
  stderr: string;
  status: number;
}

/** The only things that may differ between two machines; each names why. */
const RULES = {
  /** mktemp(1) draws the six last characters. */
  mktemp: (text: string) => text.replace(/((?:tmp|foo)\.)[A-Za-z0-9]{6}\b/g, '$1XXXXXX'),
} satisfies Record<string, (text: string) => string>;

export type Rule = keyof typeof RULES;

const folder = join(import.meta.dirname, 'commands');

export const SECTIONS = readdirSync(folder)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => name.slice(0, -4))
  .sort();

export function commandsOf(section: string): Command[] {
  const commands: Command[] = [];
  let applet = '';
  let rule: Rule | null = null;
  let background = false;
  for (const line of readFileSync(join(folder, `${section}.txt`), 'utf8').split('\n')) {
    if (line.startsWith('## ')) applet = line.slice(3).trim();
    else if (line === '#: background') background = true;
    else if (line.startsWith('#: ')) rule = ruleNamed(line.slice(3).trim());
    else if (line !== '' && !line.startsWith('# ')) {
      commands.push({ applet, line, rule, background });
      rule = null;
      background = false;
    }
  }
  return commands;
}

function ruleNamed(name: string): Rule {
  if (!(name in RULES)) throw new Error(`test/oracle/commands: no rule "${name}"`);
  return name as Rule;
}

export function normalise(command: Command, result: Result): Result {
  if (command.rule === null) return result;
  const apply = RULES[command.rule];
  return { ...result, stdout: apply(result.stdout), stderr: apply(result.stderr) };
}
