/** Registers the scripts as tests against one kind of shell. */
import { test } from 'uvu';
import { SCRIPTS } from './scripts.js';
import { Session, type SessionOptions, whyNoTerminal } from './terminal.js';

/**
 * @param where name for messages
 * @param argv command that opens the shell
 * @param why why it cannot be had here
 */
export function testScripts(where: string, argv: () => readonly string[], why: string | undefined): void {
  const reason = whyNoTerminal() ?? why;
  if (reason !== undefined) {
    console.log(`SKIP interactive sessions ${where}: ${reason}`);
    return;
  }
  for (const script of SCRIPTS) {
    const options: SessionOptions = {};
    test(`${where}: ${script.name}`, async () => {
      const session = new Session(argv(), options);
      try {
        await script.run(session);
      } finally {
        session.dispose();
      }
    });
  }
}
