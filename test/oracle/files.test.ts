/** Oracle: commands/files.txt. */
import { compareSection } from './compare.js';

await compareSection('files');
