import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import fc from 'fast-check';

import { verifyExport, type Verification } from './verify-export.ts';

const ORG = '0190a000-0000-7000-8000-000000000001';
const ORIGIN = `test/o/${ORG}/flags`;

const prefixed = (text: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
};

interface Entry {
  origin: string;
  index: string;
  leafHash: string;
  leaf: string;
  entry: Record<string, unknown>;
  openings: { number: number; field: string; salt: string; value: string }[];
}

const hashOf = (leaf: string): string => createHash('sha256').update(Buffer.of(0)).update(leaf).digest('hex');

const entryAt = (index: number, origin = ORIGIN): Entry => {
  const salt = createHash('sha256').update(String(index)).digest();
  const c = createHash('sha256')
    .update('pii1')
    .update(salt)
    .update(prefixed('ip'))
    .update(prefixed('192.0.2.1'))
    .digest('base64');
  const body = {
    action: 'flag.toggled',
    actor: { id: 'a', type: 'user' },
    after: { share: { $number: '0.5' }, state: 'ENABLED' },
    ip: { $pii: 0 },
    org: /o\/([^/]+)/.exec(origin)?.[1],
    outcome: 'success',
    pii: [{ c, f: 'ip', s: 'x' }],
    request_id: `r${String(index)}`,
  };
  const leaf = `v1\n${origin}\n${String(index)}\n${JSON.stringify(body)}`;
  const { pii: _pii, ...rest } = body;
  const entry = { ...rest, ip: '192.0.2.1', after: { share: 0.5, state: 'ENABLED' } };
  return {
    origin,
    index: String(index),
    leafHash: hashOf(leaf),
    leaf,
    entry,
    openings: [{ number: 0, field: 'ip', salt: salt.toString('base64'), value: '192.0.2.1' }],
  };
};

const log = (count: number): Entry[] => Array.from({ length: count }, (_, index) => entryAt(index));

const verify = async (entries: readonly Entry[], from?: bigint): Promise<Verification> => {
  const lines = async function* (): AsyncGenerator<string> {
    await Promise.resolve();
    for (const entry of entries) yield JSON.stringify(entry);
  };
  return await verifyExport(lines(), from);
};

const at = (entries: Entry[], index: number): Entry => {
  const entry = entries[index];
  assert.ok(entry !== undefined);
  return entry;
};

describe('offline verification of an exported log', () => {
  it('accepts what was exported, from any first index', async () => {
    assert.deepEqual(await verify(log(5)), {
      origin: ORIGIN,
      entries: 5,
      first: '0',
      last: '4',
      openings: 5,
      finding: undefined,
    });
    assert.equal((await verify(log(5).slice(2))).first, '2');
    assert.equal((await verify([])).entries, 0);
  });

  it('misses what should stand before the first entry when told where the log begins', async () => {
    assert.equal((await verify(log(5), 0n)).finding, undefined);
    assert.equal((await verify(log(5).slice(2), 2n)).finding, undefined);
    const { finding } = await verify(log(5).slice(2), 0n);
    assert.deepEqual([finding?.divergence, finding?.index], ['missing', '2']);
  });

  it('accepts an erased value that says so', async () => {
    const entries = log(3);
    at(entries, 1).openings = [];
    at(entries, 1).entry['ip'] = '[erased]';
    assert.equal((await verify(entries)).finding, undefined);
  });

  const tampering: readonly (readonly [
    name: string,
    divergence: string,
    index: string,
    tamper: (entries: Entry[]) => Entry[],
  ])[] = [
    ['an edited leaf', 'edited', '2', (l) => ((at(l, 2).leaf = at(l, 2).leaf.replace('toggled', 'created')), l)],
    ['an edited leaf hash', 'edited', '2', (l) => ((at(l, 2).leafHash = 'ab'.repeat(32)), l)],
    ['a deleted entry', 'missing', '3', (l) => l.toSpliced(2, 1)],
    ['a doubled entry', 'duplicated', '2', (l) => l.toSpliced(3, 0, at(l, 2))],
    ['swapped entries', 'missing', '3', (l) => l.toSpliced(2, 2, at(l, 3), at(l, 2))],
    ['a renumbered entry', 'reordered', '2', (l) => ((at(l, 3).index = '2'), l.toSpliced(2, 1))],
    [
      'an entry of another organisation',
      'foreign-entry',
      '2',
      (l) => l.toSpliced(2, 1, entryAt(2, ORIGIN.replace('0001/', '0002/'))),
    ],
    [
      'an entry of another service',
      'foreign-entry',
      '2',
      (l) => l.toSpliced(2, 1, { ...entryAt(2, ORIGIN.replace('flags', 'policy')), origin: ORIGIN }),
    ],
    ['an edited copy', 'column-mismatch', '2', (l) => ((at(l, 2).entry['action'] = 'flag.created'), l)],
    ['another actor', 'column-mismatch', '2', (l) => ((at(l, 2).entry['actor'] = { id: 'b', type: 'user' }), l)],
    ['an edited value', 'column-mismatch', '2', (l) => ((at(l, 2).entry['after'] = { share: 1 }), l)],
    ['an added field', 'column-mismatch', '2', (l) => ((at(l, 2).entry['reason'] = 'asked for'), l)],
    ['another personal value in the entry', 'column-mismatch', '2', (l) => ((at(l, 2).entry['ip'] = '192.0.2.9'), l)],
    ['a personal value shown without its opening', 'column-mismatch', '2', (l) => ((at(l, 2).openings = []), l)],
    [
      'another personal value',
      'opening-mismatch',
      '2',
      (l) => ((at(l, 2).openings = at(l, 2).openings.map((opening) => ({ ...opening, value: '192.0.2.2' }))), l),
    ],
    ['a transplanted personal value', 'opening-mismatch', '2', (l) => ((at(l, 2).openings = at(l, 1).openings), l)],
    ['a line that is no entry', 'unreadable', '2', (l) => ((at(l, 2).leaf = 'v2'), l)],
  ];
  for (const [name, divergence, index, tamper] of tampering) {
    it(`finds ${name}: ${divergence} at ${index}`, async () => {
      const { finding } = await verify(tamper(log(5)));
      assert.equal(finding?.divergence, divergence);
      assert.equal(finding.index, index);
    });
  }

  it('finds any one character changed in any leaf (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(4),
        fc.nat(),
        fc.constantFrom('x', '0', ' ', '\n'),
        async (index, position, character) => {
          const entries = log(5);
          const { leaf } = at(entries, index);
          const where = position % leaf.length;
          fc.pre(leaf[where] !== character);
          at(entries, index).leaf = leaf.slice(0, where) + character + leaf.slice(where + 1);
          assert.notEqual((await verify(entries)).finding, undefined);
        },
      ),
    );
  });
});
