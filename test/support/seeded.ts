/**
 * Imported for its effect: property tests of the file draw the same cases in every run, so that a failure says
 * something about the change. FC_SEED=n draws others.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 1) });
