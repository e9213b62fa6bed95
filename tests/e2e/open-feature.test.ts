/** An application reads flags with the OpenFeature SDK and its OFREP provider, knowing nothing of us but an address and a key. */
import assert from 'node:assert/strict';

import { OpenFeature, type Client } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { waitFor } from '@sallyport/dev-env';
import { expectStatus } from '@sallyport/dev-env/actors';
import { experiencedMs } from '@sallyport/testing';

import type { Company } from '../src/company.ts';
import { createProject, type Project } from '../src/project.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';

const BLUE = { colour: 'blue', sizes: [1, 2] };

const FLAGS = [
  { key: 'checkout', type: 'boolean', variants: { on: true, off: false }, defaultVariant: 'on' },
  { key: 'words', type: 'string', variants: { plain: 'Buy', friendly: 'Take it home' }, defaultVariant: 'friendly' },
  { key: 'page-size', type: 'number', variants: { few: 12, share: 0.5 }, defaultVariant: 'share' },
  { key: 'theme', type: 'object', variants: { blue: BLUE, none: {} }, defaultVariant: 'blue' },
] as const;

describe('an application with the OpenFeature SDK', function () {
  this.timeout(180_000);
  let company: Company;
  let project: Project;
  let client: Client;
  const domains: string[] = [];

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    project = await createProject(company, ['toggled']);
    for (const flag of FLAGS) {
      const body = { ...flag, environments: ['staging'] };
      await expectStatus(company.owner, 201, 'POST', `${project.path}/flags`, body);
      await switchTo(flag.key, 'ENABLED');
    }
    client = await connect(await keyOf('server'));
  });
  after(async () => {
    await OpenFeature.clearProviders();
  });

  const switchTo = async (flag: string, state: string): Promise<void> => {
    await expectStatus(company.owner, 200, 'PATCH', project.flagPath(flag, 'staging'), { state });
  };

  const keyOf = async (kind: 'server' | 'client'): Promise<string> => {
    const path = `${project.path}/environments/staging/keys`;
    return String((await expectStatus(company.owner, 201, 'POST', path, { name: 'Shop', kind }))['key']);
  };

  const connect = async (key: string): Promise<Client> => {
    const domain = `${project.key}-${String(domains.length)}`;
    domains.push(domain);
    const { ofrepUrl: baseUrl } = company.constellation.bootstrap.flags;
    const provider = new OFREPProvider({ baseUrl, headers: [['Authorization', `Bearer ${key}`]] });
    await OpenFeature.setProviderAndWait(domain, provider);
    return OpenFeature.getClient(domain);
  };

  const context = { targetingKey: 'customer-1', email: 'dana@acme.example' };

  it('gets every type with its value, variant and reason', async () => {
    const checkout = await client.getBooleanDetails('checkout', false, context);
    assert.deepEqual([checkout.value, checkout.variant, checkout.reason], [true, 'on', 'STATIC']);
    const words = await client.getStringDetails('words', 'Hello', context);
    assert.deepEqual([words.value, words.variant, words.reason], ['Take it home', 'friendly', 'STATIC']);
    assert.equal(await client.getNumberValue('page-size', 1, context), 0.5);
    assert.deepEqual(await client.getObjectValue('theme', {}, context), BLUE);
  });

  it('gets its own default for a flag that is missing, switched off or of another type', async () => {
    const missing = await client.getStringDetails('nothing', 'mine', context);
    assert.deepEqual([missing.value, missing.errorCode, missing.reason], ['mine', 'FLAG_NOT_FOUND', 'ERROR']);
    // Answered without a value (OFREP ADR-0006); this provider knows that answer only as an error, with the same outcome.
    const off = await client.getBooleanDetails('toggled', true, context);
    assert.equal(off.value, true);
    const answered = await fetch(`${company.constellation.origin}/ofrep/v1/evaluate/flags/toggled`, {
      method: 'POST',
      headers: { 'x-api-key': await keyOf('server'), 'content-type': 'application/json' },
      body: JSON.stringify({ context }),
    });
    assert.deepEqual(
      [answered.status, await answered.json()],
      [200, { key: 'toggled', reason: 'DISABLED', metadata: {} }],
    );
    const other = await client.getNumberDetails('words', 7, context);
    assert.deepEqual([other.value, other.errorCode], [7, 'TYPE_MISMATCH']);
  });

  it('is targeted by what it says of whoever asks', async () => {
    const rule = {
      name: 'Our own people',
      when: [{ attribute: 'email', operator: 'ends_with', value: '@acme.example' }],
      serve: { variant: 'plain' },
    };
    await expectStatus(company.owner, 200, 'PATCH', project.flagPath('words', 'staging'), { rules: [rule] });
    await waitFor(async () => (await client.getStringValue('words', '', context)) === 'Buy', {
      message: 'the rule to be served',
    });
    const ours = await client.getStringDetails('words', '', context);
    assert.deepEqual([ours.value, ours.reason], ['Buy', 'TARGETING_MATCH']);
    const theirs = await client.getStringDetails('words', '', { targetingKey: 'c', email: 'x@evil.example' });
    assert.deepEqual([theirs.value, theirs.reason], ['Take it home', 'DEFAULT']);
  });

  it('sees a toggle within a second', async () => {
    for (const [state, expected] of [
      ['ENABLED', true],
      ['DISABLED', false],
      ['ENABLED', true],
    ] as const) {
      await switchTo('toggled', state);
      const tookMs = await experiencedMs(() =>
        waitFor(async () => (await client.getBooleanValue('toggled', false, context)) === expected, {
          message: `toggled to be ${state}`,
        }),
      );
      assert.ok(tookMs < 1_000, `${String(tookMs)} ms`);
    }
  });

  it('gets nothing with a key that was revoked, and with a client’s key only what clients may see', async () => {
    const limited = await connect(await keyOf('client'));
    assert.equal((await limited.getBooleanDetails('checkout', false, context)).errorCode, 'FLAG_NOT_FOUND');
    await expectStatus(company.owner, 200, 'PATCH', `${project.path}/flags/checkout`, { clientVisible: true });
    await waitFor(async () => await limited.getBooleanValue('checkout', false, context), {
      message: 'the flag to be visible to clients',
    });
    const path = `${project.path}/environments/staging/keys`;
    const { id, key } = await expectStatus(company.owner, 201, 'POST', path, { name: 'Short-lived', kind: 'server' });
    const shortLived = await connect(String(key));
    assert.equal(await shortLived.getBooleanValue('checkout', false, context), true);
    await expectStatus(company.owner, 204, 'DELETE', `${path}/${String(id)}`);
    await waitFor(async () => (await shortLived.getBooleanDetails('checkout', false, context)).reason === 'ERROR', {
      message: 'the revoked key to be refused',
    });
  });
});
