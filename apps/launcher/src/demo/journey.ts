import { waitFor, type Bootstrap } from '@sallyport/dev-env';
import {
  expectStatus,
  holdEverything,
  issueApiToken,
  measureRevocation,
  type Answer,
  type RevocationTimes,
} from '@sallyport/dev-env/actors';
import { systemClock } from '@sallyport/storage';

import {
  authzen,
  changePath,
  castOf,
  FLAG,
  flagPath,
  inADay,
  projectPath,
  registerApplication,
  type Cast,
} from './cast.ts';
import { evaluateThroughOpenFeature } from './open-feature.ts';
import { claim, type Stage } from './stage.ts';
import { verifyLogs } from './verify-logs.ts';

type Item = Record<string, unknown>;

const itemsAt = async (caller: Cast['owner'], path: string): Promise<Item[]> =>
  (await expectStatus(caller, 200, 'GET', `${path}?limit=200`))['items'] as Item[];

const refusedWith = ({ status, body }: Answer, expected: number): string => {
  claim(status === expected, `${String(status)} ${JSON.stringify(body)} instead of ${String(expected)}`);
  return `${String(status)} ${String(body['code'])}: ${String(body['detail'])}`;
};

const peopleArrive = async (stage: Stage, cast: Cast): Promise<void> => {
  const { idp, owner, bootstrap } = cast;
  await stage.step('The Owner signs in with the break-glass password', async () => {
    await owner.signInWithPassword(bootstrap.organization.slug, bootstrap.owner.password);
    return `as ${bootstrap.owner.email}`;
  });
  await stage.step('SCIM, Okta shapes: people and groups are pushed', async () => {
    await idp.setFlavor('okta');
    await idp.provision(true);
    const assigned = (await idp.people()).filter(({ active }) => active).length - 1;
    const accounts = (await itemsAt(owner, '/api/identity/v1/accounts')).filter(
      ({ userName }) => userName !== bootstrap.owner.email,
    );
    claim(accounts.length === assigned, `${String(accounts.length)} accounts for ${String(assigned)} people`);
    return `${String(accounts.length)} people, ${String((await itemsAt(owner, '/api/identity/v1/groups')).length)} groups`;
  });
  await stage.step('SCIM, Entra shapes: a newcomer, a rename, a change of groups', async () => {
    await idp.setFlavor('entra');
    await idp.act('nils', 'assign');
    await idp.change('nils', { givenName: 'Nils-Peter' });
    await idp.setMember('developers', 'nils', true);
    await idp.setMember('developers', 'nils', false);
    await idp.setFlavor('okta');
    const nils = (await itemsAt(owner, '/api/identity/v1/accounts')).find(
      ({ userName }) => userName === 'nils@acme.example',
    );
    claim(nils !== undefined && JSON.stringify(nils).includes('Nils-Peter'), `nils is ${JSON.stringify(nils)}`);
    return 'created, renamed, added and removed with Entra’s PATCH dialect';
  });
  await stage.step('Groups of the IdP are mapped to roles', async () => {
    const mappings = await itemsAt(owner, '/api/policy/v1/group-mappings');
    claim(mappings.length >= 5, `${String(mappings.length)} mappings`);
    return mappings
      .map(({ role }) => String(role))
      .sort()
      .join(', ');
  });
};

const peopleSignIn = async (stage: Stage, { dana, ravi, rosa, otto, bootstrap }: Cast): Promise<void> => {
  await stage.step('SAML sign-in: a developer and a release manager', async () => {
    await dana.signInWithSaml(bootstrap.saml.connectionId);
    await ravi.signInWithSaml(bootstrap.saml.connectionId);
    return `session of ${String((await expectStatus(dana, 200, 'GET', '/api/identity/v1/me'))['displayName'])}`;
  });
  await stage.step('OpenID Connect sign-in: a reviewer and an auditor', async () => {
    await rosa.signInWithOidc(bootstrap.saml.connectionId);
    await otto.signInWithOidc(bootstrap.saml.connectionId);
    return `session of ${String((await expectStatus(rosa, 200, 'GET', '/api/identity/v1/me'))['displayName'])}`;
  });
};

const flagChanges = async (stage: Stage, { dana, ravi, rosa, bootstrap }: Cast): Promise<void> => {
  let change: Item = {};
  await stage.step('The developer toggles the flag in staging', async () => {
    await expectStatus(dana, 200, 'PATCH', flagPath('staging'), { state: 'ENABLED' });
    return `${FLAG} is on in staging`;
  });
  await stage.step('The developer is refused in production, with the reason', async () => {
    return refusedWith(await dana.call('PATCH', flagPath('production'), { state: 'ENABLED' }), 403);
  });
  await stage.step('The release manager’s change in production becomes a change request', async () => {
    const on = { state: 'ENABLED', defaultVariant: 'on' };
    const body = await expectStatus(ravi, 202, 'PATCH', flagPath('production'), on);
    change = body['change'] as Item;
    return `${String(change['id'])} waits for approval of ${String(change['hash']).slice(0, 12)}…`;
  });
  await stage.step('The author cannot approve it', async () => {
    return refusedWith(
      await ravi.call('POST', changePath(String(change['id']), 'approve'), { hash: change['hash'] }),
      403,
    );
  });
  await stage.step('Another release manager approves; it is applied', async () => {
    await expectStatus(rosa, 200, 'POST', changePath(String(change['id']), 'approve'), { hash: change['hash'] });
    const applied = await expectStatus(ravi, 200, 'POST', changePath(String(change['id']), 'apply'), {});
    claim(applied['state'] === 'applied', `state ${String(applied['state'])}`);
    return 'approved by Rosa, applied';
  });
  await stage.step('An application gets the flag through OpenFeature', async () => {
    const value = await evaluateThroughOpenFeature(bootstrap, 'production', FLAG);
    claim(value, `${FLAG} is ${String(value)} in production`);
    return `${FLAG} is true in production (OFREP)`;
  });
};

const stagingOf = async (cast: Cast): Promise<{ projectId: string; environmentId: string }> => {
  const project = await expectStatus(cast.owner, 200, 'GET', projectPath);
  const listed = await expectStatus(cast.owner, 200, 'GET', `${projectPath}/environments`);
  const environments = listed['items'] as Item[];
  const staging = environments.find(({ key }) => key === 'staging');
  return { projectId: String(project['id']), environmentId: String(staging?.['id']) };
};

const accessEnds = async (stage: Stage, cast: Cast): Promise<RevocationTimes | undefined> => {
  let times: RevocationTimes | undefined;
  await stage.step('The IdP deactivates the developer: every credential dies', async () => {
    const holdings = await holdEverything({
      person: cast.dana,
      application: await registerApplication(cast),
      samlConnectionId: cast.bootstrap.saml.connectionId,
      decisions: authzen(cast.bootstrap),
      ...(await stagingOf(cast)),
      flagPath: flagPath('staging'),
      expiresAt: inADay(systemClock.now()),
    });
    const measured = await measureRevocation(holdings, async () => {
      await cast.idp.act('dana', 'deactivate');
    });
    times = measured.times;
    claim(
      measured.allowedAfterAnswer.length === 0,
      `still allowed after the IdP had its answer: ${measured.allowedAfterAnswer.join(', ')}`,
    );
    return `the IdP had its answer after ${String(measured.answeredMs)} ms, when all were dead`;
  });
  await stage.step('Nobody gets back in: sign-in is refused', async () => {
    const refused = await cast.dana.signInWithSaml(cast.bootstrap.saml.connectionId).then(
      () => false,
      () => true,
    );
    claim(refused, 'a deactivated person signed in');
    return 'by the IdP and by Sallyport';
  });
  return times;
};

/** The main job, without hands: from SCIM push to the death of every credential. */
export const playJourney = async (stage: Stage, bootstrap: Bootstrap): Promise<RevocationTimes | undefined> => {
  const cast = castOf(bootstrap);
  await peopleArrive(stage, cast);
  await waitFor(async () => (await fetch(`${bootstrap.origin}/login`)).ok, {
    timeoutMs: 10_000,
    message: 'no login page',
  });
  await peopleSignIn(stage, cast);
  await flagChanges(stage, cast);
  await stage.step('The auditor exports the logs; they verify offline', async () => {
    return await verifyLogs(bootstrap, await issueApiToken(cast.otto, 'Demo: export', inADay(systemClock.now())));
  });
  return await accessEnds(stage, cast);
};
