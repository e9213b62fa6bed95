import assert from 'node:assert/strict';
import process from 'node:process';

import { Output } from './output.ts';

describe('output', () => {
  /** What is written to standard output meanwhile. */
  const written = (work: () => void): string => {
    const { write } = process.stdout;
    const parts: string[] = [];
    process.stdout.write = (part: string | Uint8Array): boolean => parts.push(String(part)) > 0;
    try {
      work();
    } finally {
      process.stdout.write = write;
    }
    return parts.join('');
  };

  it('shows a list of any length in columns as wide as the widest of each', () => {
    const items = Array.from({ length: 200_000 }, (_, at) => ({ id: String(at) }));
    const columns = [
      { title: 'grant', value: ({ id }: { id?: unknown }) => id },
      { title: 'role', value: () => 'viewer' },
    ];
    const lines = written(() => {
      new Output(false).table(items, columns);
    }).split('\n');
    assert.deepEqual([lines.length, lines[0], lines[1]], [items.length + 2, 'grant   role', '0       viewer']);
    assert.equal(lines.at(-2), '199999  viewer');
  });
});
