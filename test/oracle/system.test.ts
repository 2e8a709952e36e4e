/** Oracle: commands/system.txt. */
import { compareSection } from './compare.js';

await compareSection('system');
