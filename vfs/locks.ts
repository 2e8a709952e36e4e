import type { OpenFile } from './file.js';
/** placeholder */
export class LockTable {
  releaseProcess(_pid: number): void {}
  releaseFile(_file: OpenFile): void {}
}
