/** Runs a pipeline in a shell and prints what it said and how it ended. */
import { text } from 'node:stream/consumers';
import { boot } from 'banos';

const kernel = await boot();
const shell = kernel.spawn(['sh', '-c', 'echo "3 lines of text" | wc -w; exit 3']);
shell.stdin!.end();
console.log(await text(shell.stdout!), await shell.exit);
await kernel.shutdown();
