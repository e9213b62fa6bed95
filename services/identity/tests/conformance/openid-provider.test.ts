import { basicAnswers } from './basic-answers.ts';
import { basicRequests } from './basic-requests.ts';
import { basicTokens } from './basic-tokens.ts';
import { configOp } from './config-op.ts';
import { backchannelLogoutOp, rpInitiatedLogoutOp } from './logout-op.ts';
import type { BasicModule } from './plans.ts';
import { Stage, type Modules } from './stage.ts';

const basicOp: Modules<BasicModule> = { ...basicAnswers, ...basicRequests, ...basicTokens };

const PROFILES = [
  ['oidcc-basic-certification-test-plan', basicOp],
  ['oidcc-config-certification-test-plan', configOp],
  ['oidcc-rp-initiated-logout-certification-test-plan', rpInitiatedLogoutOp],
  ['oidcc-backchannel-rp-initiated-logout-certification-test-plan', backchannelLogoutOp],
] as const;

/**
 * One test for each module of the OpenID Foundation's conformance profiles we claim, by its own name (plans.ts says
 * where the names come from), asserting what the module demands by the clause it stands on, over HTTP against the whole
 * service on PostgreSQL. Where we refuse on purpose what a module uses, the refusal that is specified is asserted, and
 * the module says why.
 */
describe('The OpenID Provider in the conformance profiles', () => {
  let stage: Stage;

  before(async () => {
    stage = await Stage.set();
  });
  after(async () => {
    await stage.strike();
  });

  for (const [plan, modules] of PROFILES) {
    describe(plan, () => {
      for (const [name, { clause, play }] of Object.entries(modules)) {
        it(`${name} (${clause})`, async () => {
          await play(stage);
        });
      }
    });
  }
});
