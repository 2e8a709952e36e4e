/** Oracle: commands/shell.txt. */
import { compareSection } from './compare.js';

await compareSection('shell');
