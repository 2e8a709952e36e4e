/** Oracle: commands/archive.txt. */
import { compareSection } from './compare.js';

await compareSection('archive');
