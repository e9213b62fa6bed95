import type { Server } from '../scim/server.ts';
import { caller, idOf, newUser } from '../scim/calls.ts';
import { startScimService } from '../scim/service.ts';
import { newClientKey } from './assertion.ts';
import { Browser } from './browser.ts';
import type { Code, Contender } from './contender.ts';
import { familyCpuMs } from '../saml/cpu.ts';
import { insertApplication, insertMachine, insertSession, insertWorkload } from './population.ts';

const PEOPLE = 20;

/** Our OpenID Provider as it runs in production: the identity service, on a PostgreSQL that keeps what it commits. */
export const startOurs = async (server: Server): Promise<Contender> => {
  const service = await startScimService(server, 'oidc');
  try {
    const { admin, client } = service;
    const directory = await service.newDirectory();
    const { orgId } = directory;
    const scim = caller(client, directory);
    const browsers: Browser[] = [];
    let ownerId = '';
    for (let number = 0; number < PEOPLE; number += 1) {
      ownerId = idOf(await scim('POST', '/Users', newUser(`person-${String(number)}`)));
      browsers.push(new Browser(client, await insertSession(admin, orgId, ownerId)));
    }
    const key = newClientKey();
    const workload = { id: await insertWorkload(admin, { orgId, ownerId, key }), key };
    const application = await insertApplication(admin, orgId);
    const codes = async (count: number): Promise<Code[]> => {
      const each = browsers.map(async (browser, index) => {
        const own: Code[] = [];
        for (let number = index; number < count; number += browsers.length)
          own.push(await browser.authorize(application.id));
        return own;
      });
      return (await Promise.all(each)).flat();
    };
    return {
      client,
      tokenPath: '/oidc/token',
      issuer: 'http://localhost:8080/oidc',
      machine: await insertMachine(admin, directory),
      workload,
      application,
      codes,
      cpuMs: async () => {
        const { mainThread, otherThreads } = (await service.probe()).cpuMs;
        return { process: mainThread + otherThreads, database: familyCpuMs(server.postgresPid) };
      },
      close: async () => await service.close(),
    };
  } catch (error) {
    await service.close();
    throw error;
  }
};
