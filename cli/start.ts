#!/usr/bin/env node
/** Start of the installed `banos` command: everything else is in the bundle beside it. */
import { fileURLToPath } from 'node:url';
import { bundleScript, startBundle } from './bundle-script.js';

const file = fileURLToPath(new URL('cli.cjs', import.meta.url));
startBundle(bundleScript(file), file);
