import { readFile, rename, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { systemClock } from '@sallyport/storage';

import { DEFAULT_LEAD_S, rotateKeys, signingKeysSchema } from './provider/signing-keys.ts';

/**
 * `node services/identity/src/rotate-provider-keys.ts --file provider-keys.json [--lead 3600]`: adds the next signing key
 * to the file in place of which it is run. Running services read it within a minute, publish the key at once and sign
 * with it after the lead; the old one stays published until nothing it signed is of use.
 */
const { values } = parseArgs({ options: { file: { type: 'string' }, lead: { type: 'string' } } });
const { file = '', lead = String(DEFAULT_LEAD_S) } = values;
const { keys } = signingKeysSchema.parse(JSON.parse(await readFile(file, 'utf8')));
const nowSeconds = Math.floor(systemClock.now().getTime() / 1000);
const next = rotateKeys(keys, { nowSeconds, leadSeconds: Number(lead) });
// Whole or not at all: a service that reads in between must not find half a file.
await writeFile(`${file}.next`, JSON.stringify({ keys: next }), { mode: 0o600 });
await rename(`${file}.next`, file);
const listed = next.map(({ kid, signs_from: from }) => `${kid ?? '-'} signs from ${from ?? 'the beginning'}`);
process.stdout.write(`${listed.join('\n')}\n`);
