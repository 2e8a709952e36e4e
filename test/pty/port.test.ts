/** The queue between a terminal's device and its line discipline. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TtyPort } from '../../pty/port.js';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** Puts a text in as far as there is room, and moves it on. */
function send(port: TtyPort, text: string): number {
  const inserted = port.insert(bytesOf(text), 0, text.length);
  port.flush();
  return inserted;
}

test('what was taken may drop the rest, in the middle of being moved on', () => {
  for (const length of [5, 5000]) {
    let seen = '';
    let calls = 0;
    const port: TtyPort = new TtyPort({
      receive: (bytes, start, end) => {
        assert.ok(end > start && ++calls < 100, `${start} to ${end}`);
        const text = Buffer.from(bytes.subarray(start, end)).toString('latin1');
        seen += text;
        if (text.startsWith('^')) port.clear();
        return end - start;
      },
      lookAhead: () => {},
    });
    assert.is(send(port, '^'.padEnd(length, 'x')), length);
    // Pieces hold 3584 bytes at most.
    const taken = Math.min(length, 3584);
    assert.is(seen.length, taken);
    assert.is(send(port, 'next'), 4);
    assert.is(seen.slice(taken), 'next');
    assert.ok(port.room >= 8192 - 2 * 1792);
  }
});

test('a discipline that takes less than there is gets the rest later, once it was shown it', () => {
  let room = 3;
  let seen = '';
  let ahead = '';
  const port = new TtyPort({
    receive: (bytes, start, end) => {
      const count = Math.min(room, end - start);
      room -= count;
      seen += Buffer.from(bytes.subarray(start, start + count)).toString('latin1');
      return count;
    },
    lookAhead: (bytes, start, end) => {
      ahead += Buffer.from(bytes.subarray(start, end)).toString('latin1');
    },
  });
  send(port, 'abcdef');
  assert.equal([seen, ahead], ['abc', 'def']);
  send(port, 'gh');
  assert.equal([seen, ahead], ['abc', 'defgh']);
  room = 100;
  port.flush();
  assert.equal([seen, ahead], ['abcdefgh', 'defgh']);
});

test.run();
