/** Oracle: commands/text.txt. */
import { compareSection } from './compare.js';

await compareSection('text');
