import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { SAML_REASONS } from '../../src/saml/reasons.ts';

describe('SAML reasons', () => {
  it('are all explained to administrators, and no others are (docs/saml.md)', () => {
    const guide = readFileSync(new URL('../../../../docs/saml.md', import.meta.url), 'utf8');
    const table = guide.slice(guide.indexOf('## Why a message was refused'));
    const explained = [...table.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, reason]) => reason ?? '');
    const sorted = (reasons: readonly string[]): string[] => reasons.toSorted((one, other) => (one < other ? -1 : 1));
    assert.deepEqual(sorted(explained), sorted(SAML_REASONS));
  });
});
